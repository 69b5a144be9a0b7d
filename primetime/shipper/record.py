"""The spool's record format (docs/architecture.md, "Spool"): one committed group, a header line and its event lines.

`parse` judges the bytes at one place of a segment; the tail decides what that means for a segment that is still
being written and for one that is finished.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from zlib import crc32

_HEADER = re.compile(rb"P1 ([1-9][0-9]{0,9}) ([1-9][0-9]{0,11}) ([1-9][0-9]{0,9}) ([0-9]{1,15}) ([0-9a-f]{8})\n")
_TRAILER = re.compile(rb"E1 ([0-9]{1,10}) ([0-9]{1,12}) ([0-9]{1,12})\n")
LINE_MAX = 80  # longer than any header or trailer
_CRC_AND_NEWLINE = 9


class Record(NamedTuple):
    """One committed group. Offsets are absolute in the segment."""

    offset: int
    payload_at: int
    end: int
    received_ms: int
    events: list[bytes]


class Trailer(NamedTuple):
    """The `E1` line of a sealed segment."""

    records: int
    events: int
    bytes: int
    end: int


class Broken(NamedTuple):
    """Bytes that are no record: corruption in a finished segment, perhaps a write under way in an open one."""

    reason: str


class Cut(NamedTuple):
    """The written bytes end before the record does; its header says where it should end, if that is readable."""

    end: int | None


def parse(buffer: bytes, at: int, base: int, seq: int) -> Record | Trailer | Broken | Cut:
    """What stands at `buffer[at]`, which is at `base + at` in its segment.

    `buffer` holds no zero bytes (not yet written); `seq` is the number that the next record must have.
    """
    header = _HEADER.match(buffer, at)
    if header is None:
        return _not_a_header(buffer, at, base)
    payload_at = header.end()
    end = payload_at + int(header[2])
    if int(header[1]) != seq:
        return Broken(f"record {int(header[1])} where {seq} belongs")
    if end > len(buffer):
        # The cut takes at least the last newline. Are all there, then it is the header's length that is wrong.
        whole = buffer.count(b"\n", payload_at) >= int(header[3])
        return Broken("shorter than its header says") if whole else Cut(base + end)
    payload = buffer[payload_at:end]
    if crc32(payload, crc32(buffer[at : payload_at - _CRC_AND_NEWLINE])) != int(header[5], 16):
        return Broken("wrong checksum")
    events = payload.split(b"\n")
    if events.pop() or len(events) != int(header[3]):
        return Broken(f"{len(events)} events where the header says {int(header[3])}")
    return Record(base + at, base + payload_at, base + end, int(header[4]), events)


def _not_a_header(buffer: bytes, at: int, base: int) -> Trailer | Broken | Cut:
    trailer = _TRAILER.match(buffer, at)
    if trailer:
        return Trailer(int(trailer[1]), int(trailer[2]), int(trailer[3]), base + trailer.end())
    line = buffer[at : at + LINE_MAX]
    if b"\n" not in line and len(line) < LINE_MAX and line[:3] in (b"P1 "[: len(line)], b"E1 "[: len(line)]):
        return Cut(None)
    return Broken("neither a record nor the end of a segment")


class Head(NamedTuple):
    """What a record's header says of it."""

    payload_bytes: int
    events: int
    received_ms: int


def head(line: bytes) -> Head | None:
    """The header that `line` begins with; None when there is none (yet)."""
    found = _HEADER.match(line)
    return Head(int(found[2]), int(found[3]), int(found[4])) if found else None


def ends(line: bytes) -> bool:
    """Whether a trailer begins here, perhaps not yet whole: no event comes any more."""
    return line.startswith(b"E1 ")
