"""Gaps in a source's numbering: segments that are gone without having been stored. A loss, with a name.

Called by the HBase sink, for whom the ledger is the memory of what was stored and removed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from primetime.shipper.ledger import LOST, OPEN, Ledger, Row
from primetime.shipper.spool import SegmentId, Spool

log = logging.getLogger("shipper")

SETTLE_S = 5.0  # two generations of a worker may make their segments in the other order


class Gaps:
    """Follows the numbers of each source upwards."""

    def __init__(self, spool: Spool, ledger: Ledger, settle_s: float) -> None:
        self._spool, self._ledger, self._settle_s = spool, ledger, settle_s
        self._accounted: dict[str, int] = {}  # up to this number nothing is unknown
        self._noticed: dict[str, float] = {}  # source → when its present gap was first seen

    def look(self, source: str, numbers: Sequence[int]) -> None:
        """`numbers` of `source` are in the spool, in order: write a `lost` row for what is missing among or before."""
        if source not in self._accounted:
            self._accounted[source] = self._start(source, numbers[0])
        for number in numbers:
            accounted = self._accounted[source]
            if number > accounted + 1 and not self._explained(source, accounted + 1, number - 1):
                return
            self._accounted[source] = max(accounted, number)
        self._noticed.pop(source, None)

    def _start(self, source: str, lowest: int) -> int:
        """What was finished and removed before this shipper started: all below `lowest`, if the one before it was."""
        before = self._ledger.load(source, lowest - 1, lowest - 1) if lowest > 1 else {}
        return lowest - 1 if before and before[lowest - 1].state != OPEN else 0

    def _explained(self, source: str, first: int, last: int) -> bool:
        """Whether the ledger accounts for these numbers now, if need be because they have been declared lost."""
        rows = self._ledger.load(source, first, last)
        runs = list(_unaccounted(rows, first, last))
        if not runs:
            return True
        if any(self._spool.exists(SegmentId(source, start)) for start, _ in runs):
            return False
        now = time.monotonic()
        if now < self._noticed.setdefault(source, now) + self._settle_s:
            return False
        lost = {}
        for start, end in runs:
            log.error("%s: segments %d to %d are lost: gone without having been stored", source, start, end)
            row = replace(rows.get(start, Row()), state=LOST)
            lost[SegmentId(source, start)] = row.noted(last=str(end))
        self._ledger.write(lost)
        return True


def _unaccounted(rows: dict[int, Row], first: int, last: int) -> Iterator[tuple[int, int]]:
    """The runs (from, to) of numbers without a row that says how they ended."""
    known: dict[int, int] = {
        number: int(row.notes.get("last", number)) for number, row in rows.items() if row.state != OPEN
    }
    start = None
    number = first
    while number <= last:
        if number in known:
            if start is not None:
                yield start, number - 1
            start, number = None, known[number] + 1
            continue
        if start is None:
            start = number
        elif number in rows:  # begun and not finished: its row says how far it had come
            yield start, number - 1
            start = number
        number += 1
    if start is not None:
        yield start, last
