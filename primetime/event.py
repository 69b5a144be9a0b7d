"""An event's id, identity and place in HBase: the formats of docs/architecture.md, once.

Called by the shipper, which stores events, and by the rehearsal and `events`, which read them back.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b
from zlib import crc32

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
SHOW = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
SALTS = 64
MAX_POS_MS = 86_400_000
ID_LENGTH = 26
DIGEST_LENGTH = 8
QUALIFIER_LENGTH = ID_LENGTH + DIGEST_LENGTH

_SECOND = struct.Struct(">I")
_SLICES = [bytes((slice_,)) for slice_ in range(SALTS)]


def crockford(number: int, width: int) -> str:
    """`number` in Crockford's base 32, zero-padded to `width`; ValueError when it does not fit."""
    if number < 0 or number >> (5 * width):
        raise ValueError(f"{number} does not fit {width} characters of base 32")
    return "".join(CROCKFORD[number >> 5 * place & 31] for place in reversed(range(width)))


def ulid(time_ms: int, randomness: int) -> str:
    """A ULID from epoch milliseconds (48 bits) and 80 bits of randomness (github.com/ulid/spec)."""
    return crockford(time_ms, 10) + crockford(randomness, 16)


def digest(event: bytes) -> bytes:
    """The second half of an event's identity: BLAKE2b-64 of its bytes."""
    return blake2b(event, digest_size=DIGEST_LENGTH).digest()


def salt(event_id: bytes) -> int:
    """Which of the 64 slices of the `events` table holds this id. Fixed for ever."""
    return crc32(event_id) % SALTS


def salts(event_ids: Iterable[bytes]) -> list[int]:
    """The same of many, for half of what calls cost."""
    return [sum_ % SALTS for sum_ in map(crc32, event_ids)]


def row_key(event_id: bytes, show: bytes, pos_ms: int) -> bytes:
    """salt · show · 0x00 · second of the show, big-endian."""
    return _SLICES[salt(event_id)] + _show_and_second(show, pos_ms // 1000)


@lru_cache(4096)  # a burst is of few seconds of few shows
def _show_and_second(show: bytes, second: int) -> bytes:
    return show + b"\0" + _SECOND.pack(second)


def row_prefix(slice_: int, show: bytes, second: int = 0) -> bytes:
    """Where `second` of a show begins in one slice: for scans."""
    return bytes((slice_,)) + show + b"\0" + _SECOND.pack(second)


def split_row_key(row: bytes) -> tuple[int, bytes, int]:
    """(salt, show, second) of a row key."""
    return row[0], row[1:-5], _SECOND.unpack(row[-4:])[0]


def qualifier(event_id: bytes, event: bytes) -> bytes:
    """id · digest: one cell per identity, whatever is delivered again."""
    return event_id + digest(event)


def qualifiers(event_ids: Iterable[bytes], events: Iterable[bytes]) -> list[bytes]:
    """The same of many, for a quarter less than calls cost."""
    length = DIGEST_LENGTH
    return [
        event_id + blake2b(event, digest_size=length).digest()
        for event_id, event in zip(event_ids, events, strict=True)
    ]
