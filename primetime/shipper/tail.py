"""Reads one segment of the spool from a position to its end, also while it is being written.

Used by each sink, which has a position of its own, and by the warden, which looks for where a dead writer stopped.
An open segment is only ever waited for: whether its last bytes are a torn tail or corruption is judged once nobody
can write to it any more.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import NamedTuple

from primetime.shipper.record import Broken, Cut, Record, Trailer, parse

_CHUNK_MIN = 16 * 1024  # an idle segment is looked at many times a second
_CHUNK_MAX = 1024 * 1024


@dataclass(frozen=True)
class Live:
    """The segment may still grow."""


@dataclass(frozen=True)
class Sealed:
    """Its writer finished it: it must end with its `E1` line."""


@dataclass(frozen=True)
class Closed:
    """Its writer is dead; the sidecar says that at least `bytes` are valid."""

    bytes: int = 0


State = Live | Sealed | Closed


class Fault(NamedTuple):
    """Where a segment stops to be readable, and why."""

    offset: int
    reason: str


class Tail:
    """A position in a segment. `read` until `finished` or `fault`; then nothing more will come."""

    def __init__(self, fd: int, offset: int = 0, records: int = 0, events: int = 0) -> None:
        self.offset, self.records, self.events = offset, records, events
        self.finished = False
        self.fault: Fault | None = None
        self._fd = fd
        self._from_start = offset == 0  # and never read while live: then its own verdict is the last word
        self._buffer, self._base, self._at = b"", offset, 0
        self._chunk = _CHUNK_MIN
        self._judging = False

    @property
    def ended(self) -> bool:
        """Nothing more will come from this segment."""
        return self.finished or self.fault is not None

    def read(self, state: State, most: int) -> list[Record]:
        """The next records, up to the one with which there are `most` events. `state` was observed before the call."""
        records: list[Record] = []
        count = 0
        self._settle(state)
        while count < most and not self.ended:
            item = parse(self._buffer, self._at, self._base, self.records + 1)
            if isinstance(item, Record):
                records.append(item)
                count += len(item.events)
                self._advance(item)
            elif isinstance(item, Cut) and self._fill():
                continue
            elif self._judging:
                self._judge(item, state)
            else:
                break
        return records

    def skip_to(self, state: State, offset: int) -> Record | None:
        """Walk on to `offset`; the record it lies inside, if it is not between two."""
        while self.offset < offset:
            records = self.read(state, 1)
            if not records:
                return None
            if records[0].payload_at <= offset < records[0].end:
                return records[0]
        return None

    def _settle(self, state: State) -> None:
        """Forget what was read while the writer could still take it back (after a failed write it does)."""
        live = isinstance(state, Live)
        if not live and not self._judging:
            self._judging = True
            self._buffer, self._base, self._at = b"", self.offset, 0
        self._from_start = self._from_start and not live

    def _advance(self, record: Record) -> None:
        self._at = record.end - self._base
        self.offset = record.end
        self.records += 1
        self.events += len(record.events)

    def _fill(self) -> bool:
        """Read on; False when there is nothing written behind what is known."""
        data = os.pread(self._fd, self._chunk, self._base + len(self._buffer))
        full = len(data) == self._chunk
        unwritten = data.find(0)
        if unwritten >= 0:
            data, full = data[:unwritten], False
        self._chunk = min(self._chunk * 4, _CHUNK_MAX) if full else _CHUNK_MIN
        self._buffer = self._buffer[self._at :] + data
        self._base += self._at
        self._at = 0
        return bool(data)

    def _judge(self, item: Trailer | Broken | Cut, state: State) -> None:
        """The verdict on a place where no further record is, in a segment that nobody writes to."""
        reason = self._objection(item, state)
        if reason is None:
            self.finished = True
        elif self._from_start:
            self.fault = Fault(self.offset, reason)
        else:
            self._read_again(state, reason)

    def _objection(self, item: Trailer | Broken | Cut, state: State) -> str | None:
        if isinstance(item, Broken):
            return item.reason
        if isinstance(item, Trailer):
            return self._trailer_objection(item, state)
        if not isinstance(state, Closed):
            return "a sealed segment without its last line"
        if _written_after(self._fd, item.end or self._base + len(self._buffer)):
            return "data after bytes that were never written"
        if self.offset < state.bytes:
            return f"closed at {state.bytes} bytes, valid to {self.offset} only"
        return None  # a torn tail

    def _trailer_objection(self, item: Trailer, state: State) -> str | None:
        said, found = (item.records, item.events, item.bytes), (self.records, self.events, self.offset)
        if said != found:
            return "its last line says {} records, {} events, {} bytes; found {}, {}, {}".format(*said, *found)
        if isinstance(state, Sealed) and _written_after(self._fd, item.end):
            return "data after its last line"
        return None  # a writer that dies before it cuts the file there may leave a record that it took back

    def _read_again(self, state: State, reason: str) -> None:
        """This position was taken over, or read while live: only a reading from the start can tell.

        A segment that is whole, and ends at or before the position, is one whose writer (or a power cut) took back
        what it had never acknowledged. But a position that counts fewer records or events than are there is wrong.
        """
        again = Tail(self._fd)
        while not again.ended:
            again.read(state, 100_000)
        if again.fault:
            self.fault = again.fault
        elif again.offset <= self.offset and self._counts_all_of(again):
            self.finished = True
        else:
            self.fault = Fault(self.offset, f"no record begins at this position ({reason})")

    def _counts_all_of(self, again: Tail) -> bool:
        mine, there = (self.records, self.events), (again.records, again.events)
        return mine == there if again.offset == self.offset else mine[0] >= there[0] and mine[1] >= there[1]


def _written_after(fd: int, offset: int) -> bool:
    """Whether anything but zeros (reserved, not yet written) stands behind `offset`."""
    while data := os.pread(fd, _CHUNK_MAX, offset):
        if data.count(0) != len(data):
            return True
        offset += len(data)
    return False
