"""The HBase sink: every event for good, then the ledger, then the segment may go.

The position in a segment is its ledger row, written after the events. So whatever was cut short is done again with the
same keys. One process runs one of these, for the workers of its lane.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from primetime.hbase import Hbase, HbaseUnavailable
from primetime.shipper.batch import Batch
from primetime.shipper.deadletters import MOST, DeadLetters
from primetime.shipper.gaps import SETTLE_S, Gaps
from primetime.shipper.ledger import CORRUPT, DONE, GATED, LOST, OPEN, Ledger, Row
from primetime.shipper.retirement import Retirement
from primetime.shipper.spool import Kind, SegmentId, Spool
from primetime.shipper.tail import Tail

log = logging.getLogger("shipper")

TABLE = "events"
_Found = dict[SegmentId, Kind]


@dataclass
class _Shipment:
    """A segment on its way: its row as the ledger has it, and where it is being read."""

    row: Row
    tail: Tail | None = None
    fd: int = -1

    @property
    def ended(self) -> bool:
        """All of it has been read, though not yet stored."""
        return self.tail is not None and self.tail.ended

    def open(self, spool: Spool, segment: SegmentId) -> Tail:
        if self.tail is None:
            self.fd = spool.open(segment)
            self.tail = Tail(self.fd, self.row.bytes, self.row.records, self.row.read)
        return self.tail

    def close(self) -> None:
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class HbaseSink:
    """Ships the segments for which `mine` says so. After any of `retryable`, call `step` again: it repeats itself."""

    retryable: tuple[type[Exception], ...] = (HbaseUnavailable,)

    def __init__(
        self,
        spool: Spool,
        hbase: Hbase,
        *,
        mine: Callable[[SegmentId], bool] = lambda segment: True,
        batch_events: int = 5000,
        passed_redis: Callable[[SegmentId], bool] | None = None,
        grace_s: float = 0,
        most_dead_letters: int = MOST,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._spool, self._hbase, self._mine = spool, hbase, mine
        self._batch_events = batch_events
        self._ledger = Ledger(hbase)
        self._letters = DeadLetters(hbase, most_dead_letters)
        self._gaps = Gaps(spool, self._ledger, settle_s)
        self._retirement = Retirement(spool, self._ledger, passed_redis, grace_s)
        self._shipments: dict[SegmentId, _Shipment] = {}
        self._kept: dict[SegmentId, str] = {}  # corrupt or gated: shipped as far as it goes, never removed
        self._pending: Batch | None = None  # being stored
        self._ahead: Batch | None = None  # read while HBase was at work, to be stored next
        self._learned = False  # what was lost before this process began
        self._turn = 0
        self._batches = self._events = self._dead = 0

    def step(self) -> int:
        """Ship one batch, and let go what has been shipped; how many events the batch had."""
        self._retirement.run()
        found = {segment: kind for segment, kind in self._spool.scan().items() if self._mine(segment)}
        self._adopt(found)
        self._give_up_vanished(found)
        if self._pending is None:
            self._pending, self._ahead = self._ahead or self._gather(found), None
        if self._pending is None:
            self._learn_losses()
            return 0
        self._store(self._pending, found)
        shipped, self._pending = self._pending.events, None
        return shipped

    def _learn_losses(self) -> None:
        """Once, when there is nothing to ship: for a source that begins later, nothing is lost yet."""
        if self._learned:
            return
        for source, last in self._spool.last_numbers().items():
            if self._mine(SegmentId(source, last)):
                self._ledger.learn_losses(source, last)
        self._learned = True

    def report(self) -> dict[str, Any]:
        """How far it is, for the status. What is `lost` is said once that is known."""
        lost = {str(segment): numbers for segment, numbers in self._ledger.lost.items()}
        return {
            **({"lost": lost} if self._learned else {}),
            "batches": self._batches,
            "events": self._events,
            "dead_letters": self._dead,
            "offsets": {str(segment): shipment.row.bytes for segment, shipment in self._shipments.items()},
            "done": [str(segment) for segment in self._retirement.waiting()],
            "kept": {str(segment): reason for segment, reason in self._kept.items()},
        }

    def _adopt(self, found: _Found) -> None:
        """Take up segments that are new here, where the ledger says that they are."""
        known = {*self._shipments, *self._retirement.waiting(), *self._kept}
        numbers: dict[str, list[int]] = {}
        for segment in found:
            numbers.setdefault(segment.source, []).append(segment.number)
        for source, present in numbers.items():
            new = [number for number in present if SegmentId(source, number) not in known]
            rows = self._ledger.load(source, new[0], new[-1]) if new else {}
            for number in new:
                self._take_up(SegmentId(source, number), rows.get(number, Row()))
            self._gaps.look(source, present)

    def _take_up(self, segment: SegmentId, row: Row) -> None:
        if row.state == DONE:
            self._retirement.add(segment, row)
        elif "unreadable" in row.notes:  # nothing is assumed in its place: `primetime ledger again` ships it anew
            self._keep(segment, row.notes["reason"])
        elif row.state == GATED:  # there may be room among the dead letters now
            self._shipments[segment] = _Shipment(Row())
        else:
            self._shipments[segment] = _Shipment(replace(row, state=OPEN, notes={}))

    def _give_up_vanished(self, found: _Found) -> None:
        """Somebody removed a segment that was not done: the events it still had are lost."""
        for segment in [segment for segment in self._kept if segment not in found]:
            if not self._spool.exists(segment):
                del self._kept[segment]
        for segment in [segment for segment in self._shipments if segment not in found]:
            read = [batch for batch in (self._pending, self._ahead) if batch and segment in batch.progress]
            if read or self._spool.exists(segment):
                continue
            shipment = self._shipments[segment]
            log.error("%s: lost: removed by somebody when %d bytes of it were stored", segment, shipment.row.bytes)
            self._ledger.write({segment: replace(shipment.row, state=LOST)})
            shipment.close()
            del self._shipments[segment]

    def _gather(self, found: _Found) -> Batch | None:
        """The next batch, read from the segments in their order, the sources taking turns."""
        batch = Batch()
        for segment in self._in_turn():
            if batch.events >= self._batch_events:
                break
            shipment = self._shipments[segment]
            if shipment.ended:
                continue
            try:
                state = self._spool.state(segment, found[segment])
                tail = shipment.open(self._spool, segment)
            except (KeyError, FileNotFoundError):  # hidden by a renaming, or gone: the next look will tell
                continue
            records = tail.read(state, self._batch_events - batch.events)
            if records or tail.ended:
                batch.add(segment, records, finished=tail.finished, fault=tail.fault)
        return batch if batch.progress else None

    def _in_turn(self) -> Iterator[SegmentId]:
        segments = sorted(self._shipments)
        sources = list(dict.fromkeys(segment.source for segment in segments))
        self._turn += 1
        for place in range(len(sources)):
            source = sources[(self._turn + place) % len(sources)]
            yield from (segment for segment in segments if segment.source == source)

    def _store(self, batch: Batch, found: _Found) -> None:
        """Events first, then the ledger: what is interrupted in between is done again."""
        stored = self._hbase.begin_put(TABLE, batch.rows())
        self._ahead = self._ahead or self._gather(found)
        stored()
        refused = self._letters.store(batch.dead) if batch.dead else []
        gated = Counter(letter.segment for letter in refused)
        rows = {
            segment: progress.row(self._shipments[segment].row, gated[segment])
            for segment, progress in batch.progress.items()
        }
        self._ledger.write(rows)
        self._batches += 1
        self._events += batch.events
        self._dead += len(batch.dead)
        for segment, row in rows.items():
            self._shipments[segment].row = row
            if row.state != OPEN:
                self._finish(segment, row)

    def _finish(self, segment: SegmentId, row: Row) -> None:
        self._shipments.pop(segment).close()
        if row.state == DONE:
            self._retirement.add(segment, row)
            return
        if row.state == CORRUPT:
            reason = f"corrupt at byte {row.notes['offset']}: {row.notes['reason']}"
        else:
            reason = f"{row.gated} dead letters found no room: replay some or raise the cap, then restart the shipper"
        self._keep(segment, reason)

    def _keep(self, segment: SegmentId, reason: str) -> None:
        self._kept[segment] = reason
        log.error("%s: kept: %s", segment, reason)
