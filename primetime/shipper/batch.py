"""What goes into HBase at once: the rows of a batch's events, its dead letters, and how far each segment has come.

Built by the HBase sink, which keeps a batch until all of it is stored: any failure means the same calls again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from primetime.event import SALTS, qualifiers, row_prefix, salts
from primetime.hbase import Cell
from primetime.shipper.deadletters import DeadLetter
from primetime.shipper.ledger import CORRUPT, DONE, GATED, OPEN, Row
from primetime.shipper.record import Record
from primetime.shipper.selector import Places, Unfit, places, select
from primetime.shipper.spool import SegmentId
from primetime.shipper.tail import Fault

TOGETHER = 100  # events that are looked at as one: more do not stay in the processor's cache


@dataclass
class Progress:
    """How a segment's ledger row moves when a batch is stored, and whether that was all of the segment."""

    finished: bool = False
    fault: Fault | None = None
    records: int = 0
    bytes: int = 0
    stored: Counter[str] = field(default_factory=Counter)
    unfit: Counter[str | None] = field(default_factory=Counter)

    def row(self, before: Row, gated: int) -> Row:
        """The row after it was `before`; `gated` of the unfit events found no room among the dead letters."""
        row = self._moved(before, gated)
        if self.fault:
            return replace(row, state=CORRUPT).noted(offset=str(self.fault.offset), reason=self.fault.reason)
        if not self.finished:
            return replace(row, state=OPEN)
        return replace(row, state=GATED if row.gated else DONE)

    def _moved(self, row: Row, gated: int) -> Row:
        stored, unfit = self.stored.total(), self.unfit.total()
        read_by_show = Counter(row.read_by_show) + self.stored
        read_by_show.update({show: count for show, count in self.unfit.items() if show})
        return replace(
            row,
            bytes=max(row.bytes, self.bytes),
            records=row.records + self.records,
            read=row.read + stored + unfit,
            stored=row.stored + stored,
            dead=row.dead + unfit,
            gated=row.gated + gated,
            read_by_show=dict(read_by_show),
            stored_by_show=dict(Counter(row.stored_by_show) + self.stored),
        )


@dataclass
class Batch:
    """Rows to put, and what to write to the ledger once they are there."""

    events: int = 0
    dead: list[DeadLetter] = field(default_factory=list)
    progress: dict[SegmentId, Progress] = field(default_factory=dict)
    _slices: dict[tuple[str, int], list[list[Cell]]] = field(default_factory=dict)  # (show, second) → by salt

    def rows(self) -> dict[bytes, list[Cell]]:
        """Row → its cells, for HBase."""
        return {
            row_prefix(slice_, show.encode(), second): cells
            for (show, second), slices in self._slices.items()
            for slice_, cells in enumerate(slices)
            if cells
        }

    def add(
        self, segment: SegmentId, records: Iterable[Record], *, finished: bool = False, fault: Fault | None = None
    ) -> None:
        """Add what was read from a segment, and what was found behind it."""
        progress = self.progress.setdefault(segment, Progress())
        progress.finished, progress.fault = finished, fault
        for record in records:
            self._add_record(segment, progress, record)
            progress.records += 1
            progress.bytes = record.end
            self.events += len(record.events)

    def _add_record(self, segment: SegmentId, progress: Progress, record: Record) -> None:
        for first in range(0, len(record.events), TOGETHER):
            events = record.events[first : first + TOGETHER]
            if found := places(events):
                self._add_fit(events, found, record.received_ms)
                progress.stored.update(found.shows)
            else:
                self._add_one_by_one(segment, progress, record, range(first, first + len(events)))

    def _add_one_by_one(self, segment: SegmentId, progress: Progress, record: Record, indexes: range) -> None:
        for index in indexes:
            event = record.events[index]
            selected = select(event)
            if isinstance(selected, Unfit):
                progress.unfit[selected.show] += 1
                self.dead.append(DeadLetter(segment, record.offset, index, record.received_ms, event, selected.reason))
                continue
            show = selected["show"]
            self._add_fit([event], Places([selected["id"]], [show], [selected["pos_ms"]]), record.received_ms)
            progress.stored[show] += 1

    def _add_fit(self, events: list[bytes], found: Places, received_ms: int) -> None:
        """Nearly every event passes through here; the rows of a second have their keys made once, at the end."""
        known = self._slices
        ids = [event_id.encode() for event_id in found.ids]
        of_all = zip(events, found.shows, found.pos_ms, salts(ids), qualifiers(ids, events), strict=True)
        for event, show, pos_ms, slice_, name in of_all:
            place = show, pos_ms // 1000
            slices = known.get(place)
            if slices is None:
                slices = known[place] = [[] for _ in range(SALTS)]
            slices[slice_].append((name, event, received_ms))
