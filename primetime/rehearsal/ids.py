"""A run's name and the ids of its events; called by the burst, which makes them, and the ledger, which reads them back.

An id is a ULID: the run's start (10 characters), the run's name (8), the event's number (8, from 0), all in Crockford's
base 32. The first 18 characters are the run; what is not in this run's prefix is not this run's event.
"""

from __future__ import annotations

import secrets

from primetime.event import CROCKFORD, ID_LENGTH, crockford

RUN_LENGTH = 18
MAX_UPDATES = 32**8

_PAIRS = [crockford(number, 2).encode() for number in range(1024)]
# int() reads base 32 as 0-9a-v; "!" is a digit of no base, so that anything else fails.
_DIGITS = bytearray(b"!" * 256)
for _value, _character in enumerate(CROCKFORD.encode()):
    _DIGITS[_character] = b"0123456789abcdefghijklmnopqrstuv"[_value]


def new_run(started_ms: int) -> str:
    """A new run's prefix, from the epoch milliseconds of its start."""
    return crockford(started_ms, 10) + crockford(secrets.randbits(40), 8)


def started_ms(run: str) -> int:
    """The epoch milliseconds in a run's prefix."""
    return int(run[:10].encode().translate(_DIGITS), 32)


def event_id(run: bytes, number: int) -> bytes:
    """The id of event `number` (0 to MAX_UPDATES - 1) of a run."""
    low = _PAIRS[number >> 10 & 1023] + _PAIRS[number & 1023]
    return run + _PAIRS[number >> 30] + _PAIRS[number >> 20 & 1023] + low


def number_of(run: bytes, event_id: bytes) -> int | None:
    """The number of an event of this run; None when the id is not one of its."""
    if len(event_id) != ID_LENGTH or not event_id.startswith(run):
        return None
    try:
        return int(event_id[RUN_LENGTH:].translate(_DIGITS), 32)
    except ValueError:
        return None
