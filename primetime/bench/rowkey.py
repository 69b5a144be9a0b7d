"""Which row key `events` should have, measured: layouts side by side on a real HBase, and ways to salt.

Called by bench/rowkey. Each layout gets a scratch table, `bench_rowkey`, made and dropped again. A bounded number of
events is written as a shipper writes them (5,000 a call, one connection), flushed to disk, and read back: ten seconds
of a busy show, ten seconds of a quiet one, and single events.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
import urllib.request
from bisect import bisect
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from random import Random
from typing import NamedTuple
from zlib import crc32

from primetime.bench import salts
from primetime.errors import PrimetimeError, UsageError
from primetime.event import qualifier, ulid
from primetime.hbase import Cell, Hbase, admin
from primetime.quantities import count

TABLE = "bench_rowkey"
MOST_EVENTS = 2_000_000
CALL_EVENTS = 5_000
BUSY, QUIET = b"bench-busy", b"bench-quiet"
SECONDS = 20  # that the busy show lasts
READ_FROM, READ_TO = 5, 15  # the range read back
QUIET_EVENTS = 1_000
READS = 5  # of each range; the middle counts
LOOKUPS = 50  # single events found by id and second; by id alone a tenth, for that reads more


class Event(NamedTuple):
    id: bytes
    show: bytes
    second: int
    received_ms: int
    body: bytes


@dataclass(frozen=True)
class Layout:
    """A row key: with `salted` slices (0: none), one wide row a second or one row an event."""

    name: str
    salted: int
    wide: bool

    def cell(self, event: Event) -> tuple[bytes, Cell]:
        name = qualifier(event.id, event.body)
        row = self._row(self.slice_of(event.id), event.show, event.second)
        if self.wide:
            return row, (name, event.body, event.received_ms)
        return row + name, (b"", event.body, event.received_ms)

    def slice_of(self, id_: bytes) -> int:
        return crc32(id_) % self.salted if self.salted else 0

    def ranges(self, show: bytes, start: int, stop: int) -> list[tuple[bytes, bytes]]:
        """The scans that read the seconds from `start` to before `stop`."""
        return [self.range(slice_, show, start, stop) for slice_ in range(self.salted or 1)]

    def range(self, slice_: int, show: bytes, start: int, stop: int) -> tuple[bytes, bytes]:
        return self._row(slice_, show, start), self._row(slice_, show, stop)

    def splits(self) -> list[bytes]:
        """Where 8 regions begin: evenly over the slices; without a salt, over the seconds of the show."""
        shares = [part / salts.REGIONS for part in range(1, salts.REGIONS)]
        if not self.salted:
            return [self._row(0, BUSY, int(SECONDS * share)) for share in shares]
        return [bytes((int(self.salted * share),)) for share in shares]

    def _row(self, slice_: int, show: bytes, second: int) -> bytes:
        return (bytes((slice_,)) if self.salted else b"") + show + b"\0" + second.to_bytes(4, "big")


LAYOUTS = (
    Layout("row an event, salt 64", 64, wide=False),
    Layout("wide rows, no salt", 0, wide=True),
    Layout("wide rows, salt 16", 16, wide=True),
    Layout("wide rows, salt 64", 64, wide=True),
    Layout("wide rows, salt 256", 256, wide=True),
)


@dataclass(frozen=True)
class Measured:
    """What one round on one layout gave."""

    written_per_s: float
    read_per_s: float
    quiet_ms: float
    find_ms: float
    find_anywhere_ms: float
    bytes_stored: float
    busiest_region: float


HEADS = {
    "written_per_s": "written, events/s",
    "read_per_s": "10 s of a busy show, events/s",
    "quiet_ms": "10 s of a quiet show, ms",
    "find_ms": "one id, second known, ms",
    "find_anywhere_ms": "one id, show known, ms",
    "bytes_stored": "bytes stored an event",
    "busiest_region": "busiest of 8 regions, max/mean in a second",
}


def events(number: int) -> Iterator[Event]:
    """A busy show's events in the order of their seconds, about 150 bytes each; then a quiet one's."""
    random = Random(1)
    body = b'{"id":"%b","show":"%b","pos_ms":%d,"user":"u%07d","type":"vote","data":{"poll":"q1","choice":"%b"}}'
    for show, many in ((BUSY, number), (QUIET, QUIET_EVENTS)):
        for index in range(many):
            pos_ms = index * SECONDS * 1000 // many
            received_ms = salts.STARTED_MS + pos_ms
            id_ = ulid(received_ms, random.getrandbits(80)).encode()
            yield Event(id_, show, pos_ms // 1000, received_ms, body % (id_, show, pos_ms, index, b"abcd" * 5))


def measure(thrift: tuple[str, int], layout: Layout, stored: list[Event], namenode: str | None) -> Measured:
    """One round: a fresh table, written, flushed, read, dropped."""
    host, port = thrift
    if TABLE in admin.tables(host, port):
        admin.drop_table(host, port, TABLE)
    admin.create_table(host, port, TABLE, layout.splits())
    hbase = Hbase(host, port)
    try:
        written_s = _write(hbase, layout, stored)
        admin.flush_table(host, port, TABLE)
        size = _bytes_stored(namenode) if namenode else float("nan")
        busy = sum(event.show == BUSY and READ_FROM <= event.second < READ_TO for event in stored)
        some = Random(2).sample([event for event in stored if event.show == BUSY], LOOKUPS)
        return Measured(
            written_per_s=len(stored) / written_s,
            read_per_s=1000 * busy / _median_ms(_read(hbase, layout, BUSY, busy) for _ in range(READS)),
            quiet_ms=_median_ms(_read(hbase, layout, QUIET, QUIET_EVENTS // 2) for _ in range(READS)),
            find_ms=_median_ms(_find(hbase, layout, event, event.second, event.second + 1) for event in some),
            find_anywhere_ms=_median_ms(_find(hbase, layout, event, 0, SECONDS) for event in some[: LOOKUPS // 10]),
            bytes_stored=size / len(stored),
            busiest_region=_busiest_region(layout, stored),
        )
    finally:
        hbase.close()
        admin.drop_table(host, port, TABLE)


def _write(hbase: Hbase, layout: Layout, stored: list[Event]) -> float:
    began = time.perf_counter()
    for start in range(0, len(stored), CALL_EVENTS):
        rows: dict[bytes, list[Cell]] = {}
        for event in stored[start : start + CALL_EVENTS]:
            row, cell = layout.cell(event)
            rows.setdefault(row, []).append(cell)
        hbase.put(TABLE, rows)
    return time.perf_counter() - began


def _read(hbase: Hbase, layout: Layout, show: bytes, expected: int) -> float:
    """Seconds until the range is read and its slices are merged by second."""
    began = time.perf_counter()
    place = len(show) + 1 + (1 if layout.salted else 0)  # where the second stands in a row key
    found = [
        (row[place : place + 4], value)
        for start, stop in layout.ranges(show, READ_FROM, READ_TO)
        for row, _, value, _ in hbase.scan(TABLE, start, stop)
    ]
    found.sort()
    took = time.perf_counter() - began
    if len(found) != expected:
        raise PrimetimeError(f"{layout.name}: {len(found)} events read back, {expected} were written")
    return took


def _find(hbase: Hbase, layout: Layout, event: Event, start: int, stop: int) -> float:
    """Seconds until the event is found in its slice, in the seconds from `start` to before `stop`."""
    began = time.perf_counter()
    first, last = layout.range(layout.slice_of(event.id), event.show, start, stop)
    if layout.wide:
        found = [value for _, _, value, _ in hbase.scan(TABLE, first, last, prefix=event.id)]
    elif stop == start + 1:
        found = [value for _, _, value, _ in hbase.scan(TABLE, first + event.id, first + event.id + b"\xff")]
    else:  # the id is the key's end: all keys of the slice are read
        keys = [row for row, *_ in hbase.scan(TABLE, first, last, keys_only=True) if event.id in row]
        found = [hbase.get(TABLE, key)[b""] for key in keys]
    took = time.perf_counter() - began
    if found != [event.body]:
        raise PrimetimeError(f"{layout.name}: {event.id.decode()} was written and not found")
    return took


def _median_ms(seconds: Iterable[float]) -> float:
    return statistics.median(seconds) * 1000


def _busiest_region(layout: Layout, stored: list[Event]) -> float:
    now = [event for event in stored if event.show == BUSY and event.second == READ_FROM]
    splits = layout.splits()
    return salts.peak([bisect(splits, layout.cell(event)[0]) for event in now], salts.REGIONS)


def _bytes_stored(namenode: str) -> float:
    """Bytes of the table's files, one replica, from the NameNode's WebHDFS."""
    url = f"http://{namenode}/webhdfs/v1/hbase/data/default/{TABLE}?op=GETCONTENTSUMMARY"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return float(json.load(answer)["ContentSummary"]["length"])


def _best(rounds: list[Measured]) -> list[str]:
    """The best of each column over the rounds: whatever else runs on the machine can only slow it down."""
    values = [
        (max if field.name.endswith("_per_s") else min)(getattr(one, field.name) for one in rounds)
        for field in fields(Measured)
    ]
    return ["-" if value != value else f"{value:,.0f}" if value >= 1000 else f"{value:.3g}" for value in values]


def _show(rows: Iterable[Iterable[str]]) -> None:
    """A Markdown table, its first row the head."""
    for number, row in enumerate(rows):
        cells = list(row)
        print("|", " | ".join(cells), "|", flush=True)
        if number == 0:
            print("|", " | ".join("---" for _ in cells), "|")


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit():
        raise UsageError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="bench/rowkey", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--thrift", required=True, metavar="HOST:PORT", help="HBase's Thrift2 gateway")
    parser.add_argument("--namenode", metavar="HOST:PORT", help="HDFS's NameNode over HTTP, for the bytes stored")
    parser.add_argument("--events", default="2e5", help="to write into each table (default 2e5, at most 2e6)")
    parser.add_argument("--rounds", type=int, default=5, help="the best of so many counts (default 5)")
    options = parser.parse_args(words)
    thrift, number = _address(options.thrift), count(options.events)
    if number > MOST_EVENTS:
        raise UsageError(f"--events {number}: at most {MOST_EVENTS}, so that no cluster is filled by a measurement")
    _show(salts.table(number))
    stored = list(events(number))
    measure(thrift, LAYOUTS[0], stored, None)  # the JVMs compile what they run; the first round would pay for it
    rounds: dict[Layout, list[Measured]] = {layout: [] for layout in LAYOUTS}
    for turn in range(options.rounds):
        for layout in LAYOUTS if turn % 2 == 0 else reversed(LAYOUTS):
            rounds[layout].append(measure(thrift, layout, stored, options.namenode))
            print(f"{layout.name}: round {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
    print()
    _show([["row key", *HEADS.values()], *([layout.name, *_best(rounds[layout])] for layout in LAYOUTS)])


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except PrimetimeError as error:
        print(f"bench/rowkey: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
