"""What lies in a spool now, read to its last byte: `python -m primetime.shipper.survey --config FILE`.

Run on a collector by `primetime ledger`, over ssh. Standard input is one JSON object of positions to judge,
`{"hbase": {segment: [bytes, records, events]}, "redis": {source: "number:offset"}}`; standard output is another.
Spools that the host has taken over from instances that are gone are among it.
With `--pending` it is the events behind the given Redis positions instead, a line each: identity and received_ms.

It takes part in nothing: no lock is held, nothing is written, and the shipper may be at work or dead meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from primetime.event import digest
from primetime.shipper.config import load
from primetime.shipper.record import Record
from primetime.shipper.spool import Kind, SegmentId, Spool, adopted
from primetime.shipper.tail import Tail

Positions = Mapping[str, Mapping[str, Any]]


def survey(spool: Spool, positions: Positions) -> dict[str, Any]:
    """`{"at_ms", "last": {source: number}, "segments": {name: what it holds}}`, looked at in this order: a segment that
    is neither here nor in a ledger read afterwards is gone, unless its number is above `last`."""
    at_ms = time.time_ns() // 1_000_000
    last = spool.last_numbers()
    segments = {}
    for segment, kind in spool.scan().items():
        with contextlib.suppress(FileNotFoundError):  # shipped and removed meanwhile
            segments[str(segment)] = _segment(spool, segment, kind, positions)
    return {"at_ms": at_ms, "last": last, "segments": segments}


def _segment(spool: Spool, segment: SegmentId, kind: Kind, positions: Positions) -> dict[str, Any]:
    """`seconds` has, for each second in which events were received, [received_ms, events before it]."""
    hbase = positions.get("hbase", {}).get(str(segment), [0, 0, 0])
    number, _, offset = str(positions.get("redis", {}).get(segment.source, "")).partition(":")
    redis = int(offset) if number == str(segment.number) and offset.isdecimal() else 0
    placed = {"hbase": tuple(hbase) == (0, 0, 0), "redis": redis == 0}
    seconds: list[tuple[int, int]] = []
    with spool.opened(segment) as fd:
        tail = Tail(fd)
        for record in _records(tail, spool, segment, kind):
            if not seconds or record.received_ms // 1000 != seconds[-1][0] // 1000:
                seconds.append((record.received_ms, tail.events - len(record.events)))
            placed["hbase"] |= [tail.offset, tail.records, tail.events] == list(hbase)
            placed["redis"] |= record.offset < redis <= record.end and _begins(record, redis)
        return {
            "kind": kind.value,
            "bytes": tail.offset,
            "records": tail.records,
            "events": tail.events,
            "fault": tail.fault._asdict() if tail.fault else None,
            "misplaced": [sink for sink, found in placed.items() if not found],
            "seconds": seconds,
        }


def _begins(record: Record, offset: int) -> bool:
    """Whether an event of `record` begins at `offset`, or its last one ends there."""
    at = record.payload_at
    for event in record.events:
        if at >= offset:
            break
        at += len(event) + 1
    return at == offset


def _records(tail: Tail, spool: Spool, segment: SegmentId, kind: Kind) -> Iterator[Record]:
    """Each record, while `tail` stands behind it."""
    state = spool.state(segment, kind)
    while not tail.ended:
        records = tail.read(state, 1)
        if not records:
            return
        yield from records


def pending(spool: Spool, positions: Mapping[str, str]) -> Iterator[tuple[bytes, int]]:
    """(digest, received_ms) of each event that Redis has not counted, by its position; a source without one: of all."""
    for segment, kind in spool.scan().items():
        number, _, offset = (positions.get(segment.source) or "1:0").partition(":")
        if segment.number < int(number):
            continue
        after = int(offset) if segment.number == int(number) else 0
        with contextlib.suppress(FileNotFoundError), spool.opened(segment) as fd:
            for record in _records(Tail(fd), spool, segment, kind):
                at = record.payload_at
                for event in record.events:
                    if at >= after:
                        yield digest(event), record.received_ms
                    at += len(event) + 1


def main() -> int:
    parser = argparse.ArgumentParser(prog="primetime.shipper.survey", description="Say what lies in the spool.")
    parser.add_argument("--config", type=Path, required=True, help="the file that the shipper role writes")
    parser.add_argument("--pending", action="store_true", help="the events that Redis has yet to count")
    options = parser.parse_args()
    own = load(options.config).spool
    spools = [Spool(each) for each in (own, *adopted(own))]
    positions = json.load(sys.stdin)
    if options.pending:
        for spool in spools:
            for identity, received_ms in pending(spool, positions):
                print(identity.hex(), received_ms)
    else:
        print(json.dumps(together([survey(spool, positions) for spool in spools])))
    return 0


def together(every: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What several spools hold, as of one host; when the first of them was looked at."""
    joined: dict[str, Any] = {"at_ms": min(each["at_ms"] for each in every), "last": {}, "segments": {}}
    for each in every:
        joined["last"] |= each["last"]
        joined["segments"] |= each["segments"]
    return joined


if __name__ == "__main__":
    sys.exit(main())
