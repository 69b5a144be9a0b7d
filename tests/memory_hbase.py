"""HBase in memory as readers see it: tests store, lose, alter and bury events, and watch what is scanned."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator

from primetime.event import qualifier, row_key
from primetime.hbase import HbaseUnavailable
from primetime.rehearsal.burst import Burst
from tests.shipping import RECEIVED_MS, SPOOL, MemoryHbase


class ReadHbase(MemoryHbase):
    """`failures` scans fail before their last cell; `before_scan` is told each scan's table."""

    def __init__(self) -> None:
        super().__init__()
        self.scans: list[tuple[str, bytes, bytes]] = []  # table, start, stop
        self.open_scans = self.most_open_scans = 0
        self.failures = 0
        self.before_scan: Callable[[str], None] = lambda table: None

    def scan(
        self, table: str, start: bytes, stop: bytes, *, prefix: bytes = b"", keys_only: bool = False
    ) -> Iterator[tuple[bytes, bytes, bytes, int]]:
        self.before_scan(table)
        self.scans.append((table, start, stop))
        self.open_scans += 1
        self.most_open_scans = max(self.most_open_scans, self.open_scans)
        try:
            cells = list(super().scan(table, start, stop, prefix=prefix, keys_only=keys_only))
            failing = self.failures > 0 and cells
            yield from cells[:-1] if failing else cells
            if failing:
                self.failures -= 1
                raise HbaseUnavailable("as the test asked")
        finally:
            self.open_scans -= 1

    def events_scans(self) -> list[tuple[bytes, bytes]]:
        """Start and stop of each scan of events."""
        return [(start, stop) for table, start, stop in self.scans if table == "events"]

    def store(self, event: bytes) -> None:
        """What a shipper does with an event."""
        fields = json.loads(event)
        event_id = fields["id"].encode()
        row = row_key(event_id, fields["show"].encode(), fields["pos_ms"])
        self.put("events", {row: [(qualifier(event_id, event), event, RECEIVED_MS)]})

    def store_numbers(self, burst: Burst, numbers: Iterable[int]) -> None:
        for number in numbers:
            self.store(burst.event(number))

    def lose(self, event: bytes) -> None:
        """Delete an event's cell, wherever it is."""
        for cells in self.tables["events"].values():
            for name in [name for name, (value, _) in cells.items() if value == event]:
                del cells[name]

    def bury(self, event: bytes) -> None:
        """Make it a dead letter."""
        row = SPOOL.encode() + b"\0" + event[:40]
        self.put("deadletters", {row: [(b"reason", b"unfit", RECEIVED_MS), (b"event", event, RECEIVED_MS)]})

    def count_read(self, show: str, segment: bytes, events: int) -> None:
        """What a ledger row says that the shipper has read of a show."""
        self.put("ledger", {segment: [(b"read:" + show.encode(), b"%d" % events, RECEIVED_MS)]})
