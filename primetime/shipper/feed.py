"""One source read in order, segment after segment, as moves from one position to the next.

Used by the Redis sink. A position is `<segment number>:<offset>`; the offset may lie inside a record, at an event's
first byte, so that a batch need not be as large as the collector's largest group. A finished segment's position is the
next one's start.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from primetime.shipper.gaps import SETTLE_S
from primetime.shipper.record import Record
from primetime.shipper.spool import Kind, SegmentId, Spool
from primetime.shipper.tail import State, Tail

QUARTER_MS = 15 * 60 * 1000
POSITION = re.compile(r"([1-9][0-9]{0,9}):([0-9]{1,12})")


class NotAPosition(Exception):
    """No sink has written this: somebody else did, or it was damaged."""


@dataclass(frozen=True)
class Move:
    """From a position to the next, with the events in between, all received in one quarter of an hour.

    A `gap` says that segments were gone: what was in them is not counted.
    """

    start: str
    end: str
    events: list[bytes] = field(default_factory=list)
    quarter: int = 0
    gap: bool = False


class Feed:
    """A source, from a position that is `` when there is none yet."""

    def __init__(self, spool: Spool, source: str, position: str, settle_s: float = SETTLE_S) -> None:
        self._spool, self._source, self._settle_s = spool, source, settle_s
        self._tail: Tail | None = None
        self._fd = -1
        self.go(position)

    def go(self, position: str) -> None:
        """Read on from `position`, whatever was read."""
        self.close()
        matched = POSITION.fullmatch(position or "1:0")
        if matched is None:
            raise NotAPosition(f"{position!r} is not a segment's number and an offset")
        self.position = position
        self.number, self._offset = int(matched[1]), int(matched[2])
        self._missing_since: float | None = None

    def moved(self, move: Move) -> None:
        """The sink has applied `move`."""
        if move.end.partition(":")[0] == str(self.number):
            self.position = move.end
        else:
            self.go(move.end)

    def next(self, kinds: Mapping[int, Kind], most: int) -> Move | None:
        """The next move, of up to `most` events; `kinds` are the source's segments as scanned just now, by number."""
        segment = SegmentId(self._source, self.number)
        kind = kinds.get(self.number)
        if kind is None:
            return self._over_a_gap(kinds, segment)
        self._missing_since = None
        try:
            state = self._spool.state(segment, kind)
            tail = self._tail or self._open(segment, state)
        except FileNotFoundError:  # hidden by a renaming, or gone: the next look will tell
            return None
        if not self._queue:
            self._queue.extend(tail.read(state, most))
        events, quarter = self._take(most)
        if tail.ended and not self._queue:
            return Move(self.position, f"{self.number + 1}:0", events, quarter)
        return Move(self.position, f"{self.number}:{self._offset}", events, quarter) if events else None

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
        self._tail, self._fd = None, -1
        self._queue: deque[Record] = deque()
        self._taken = 0  # events of the queue's first record

    def _open(self, segment: SegmentId, state: State) -> Tail:
        self._fd = self._spool.open(segment)
        self._tail = Tail(self._fd)
        begun = self._tail.skip_to(state, self._offset)
        at = self._tail.offset
        if begun:
            self._queue.append(begun)
            at = begun.payload_at
            while at < self._offset:
                at += len(begun.events[self._taken]) + 1
                self._taken += 1
        if at > self._offset:
            position = self.position
            self.close()
            raise NotAPosition(f"{position!r} is inside an event of {segment}")
        return self._tail

    def _take(self, most: int) -> tuple[list[bytes], int]:
        """Up to `most` events of one quarter from the queue."""
        events: list[bytes] = []
        quarter = self._queue[0].received_ms // QUARTER_MS if self._queue else 0
        while self._queue and len(events) < most and self._queue[0].received_ms // QUARTER_MS == quarter:
            record = self._queue[0]
            part = record.events[self._taken : self._taken + most - len(events)]
            events += part
            self._taken += len(part)
            self._offset = record.payload_at + sum(len(event) + 1 for event in record.events[: self._taken])
            if self._taken == len(record.events):
                self._queue.popleft()
                self._taken = 0
        return events, quarter

    def _over_a_gap(self, kinds: Mapping[int, Kind], segment: SegmentId) -> Move | None:
        """Past segments that are gone, once it is certain that they will not appear."""
        later = min((number for number in kinds if number > self.number), default=None)
        if later is None or self._spool.exists(segment):
            self._missing_since = None
            return None
        self.close()
        now = time.monotonic()
        self._missing_since = self._missing_since or now
        if now < self._missing_since + self._settle_s:
            return None
        return Move(self.position, f"{later}:0", gap=True)
