"""The shipper's status: per sink how far it lags and what went wrong, for `verify`, metrics.py and people.

Written by the supervisor every second, whatever the sinks are doing.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from typing import Any

from primetime.shipper.record import LINE_MAX, Head, ends, head
from primetime.shipper.reports import REDIS
from primetime.shipper.spool import Kind, SegmentId, Spool

_SUMS = ("batches", "events", "dead_letters", "resent", "retries")
_NEAR = 1024 * 1024  # how far the header of the next record is looked for
_NEXT = b"\nP1 "


def compose(spool: Spool, lanes: Mapping[str, dict[str, Any]], **supervisor: Any) -> dict[str, Any]:
    """The status, from what each lane last reported (empty when it has not yet) and what the supervisor has to say."""
    found = spool.scan()
    hbase = [report for lane, report in lanes.items() if not lane.startswith(REDIS)]
    redis = [report for lane, report in lanes.items() if lane.startswith(REDIS)]
    sinks = {"hbase": {**_lag(spool, found, _hbase_offsets(found, hbase)), **_merged(hbase)}}
    if redis:
        sinks["redis"] = {**_lag(spool, found, _redis_offsets(found, redis)), **_merged(redis)}
    else:
        sinks["redis"] = {"disabled": True}
    counted = {lane: {key: report[key] for key in _SUMS if key in report} for lane, report in lanes.items()}
    spool_bytes = sum(_on_disk(spool, segment) for segment in found)
    about = {"at_ms": time.time_ns() // 1_000_000, "segments": len(found), "spool_bytes": spool_bytes}
    return {**about, **supervisor, "sinks": sinks, "lanes": counted}


def _merged(reports: list[dict[str, Any]]) -> dict[str, Any]:
    merged: dict[str, Any] = {key: sum(report.get(key, 0) for report in reports) for key in _SUMS}
    merged["failing_s"] = max((report.get("failing_s", 0) for report in reports), default=0)
    merged["last_batch_ms"] = max((report.get("last_batch_ms") or 0 for report in reports), default=0) or None
    merged["last_error"] = next((report["last_error"] for report in reports if report.get("last_error")), None)
    merged["kept"] = {segment: reason for report in reports for segment, reason in report.get("kept", {}).items()}
    if reports and all("lost" in report for report in reports):  # else nobody knows yet
        merged["lost"] = {segment: numbers for report in reports for segment, numbers in report["lost"].items()}
    return merged


def _hbase_offsets(found: Mapping[SegmentId, Kind], reports: list[dict[str, Any]]) -> dict[SegmentId, int]:
    """The segments that are not finished, and how far each is shipped."""
    offsets = {segment: offset for report in reports for segment, offset in report.get("offsets", {}).items()}
    ended = {segment for report in reports for key in ("done", "kept") for segment in report.get(key, ())}
    return {segment: offsets.get(str(segment), 0) for segment in found if str(segment) not in ended}


def _redis_offsets(found: Mapping[SegmentId, Kind], reports: list[dict[str, Any]]) -> dict[SegmentId, int]:
    positions = {source: place for report in reports for source, place in report.get("positions", {}).items()}
    offsets = {}
    for segment in found:
        number, _, offset = positions.get(segment.source, "0:0").partition(":")
        if segment.number >= int(number):
            offsets[segment] = int(offset) if segment.number == int(number) else 0
    return offsets


def _lag(spool: Spool, found: Mapping[SegmentId, Kind], offsets: Mapping[SegmentId, int]) -> dict[str, Any]:
    """What is written and not shipped: bytes, events (estimated from the first record's mean), age of the oldest."""
    lag_bytes = lag_events = 0
    oldest_ms = now_ms = time.time_ns() // 1_000_000
    for segment, offset in offsets.items():
        with contextlib.suppress(FileNotFoundError), spool.opened(segment) as fd:
            behind = max(0, _written_end(fd, offset, found[segment]) - offset)
            first = _first(fd, offset) if behind else None
            lag_bytes += behind
            if first:
                lag_events += max(1, behind * first.events // first.payload_bytes)
                oldest_ms = min(oldest_ms, first.received_ms)
    return {"lag_bytes": lag_bytes, "lag_events": lag_events, "lag_seconds": round((now_ms - oldest_ms) / 1000, 1)}


def _first(fd: int, offset: int) -> Head | None:
    """The first record that waits; None when only the end of the segment does. Redis' position may lie inside a record:
    then the next one, received a moment later, or when none is near that one itself, or else the segment's first."""
    line = os.pread(fd, LINE_MAX, offset)
    if ends(line):
        return None
    if found := head(line):
        return found
    near = os.pread(fd, _NEAR, offset)
    before = os.pread(fd, min(offset, _NEAR), max(0, offset - _NEAR))
    return (
        head(near[near.find(_NEXT) + 1 :][:LINE_MAX])
        or head(before[before.rfind(_NEXT) + 1 :][:LINE_MAX])
        or head(os.pread(fd, LINE_MAX, 0))
    )


def _on_disk(spool: Spool, segment: SegmentId) -> int:
    """What a segment takes, its reserved space included."""
    with contextlib.suppress(FileNotFoundError), spool.opened(segment) as fd:
        return os.fstat(fd).st_blocks * 512
    return 0


def _written_end(fd: int, offset: int, kind: Kind) -> int:
    """Where the written bytes end: the first zero byte, found by halving, or the end of the file."""
    end = os.fstat(fd).st_size
    if kind is Kind.SEALED:
        return end
    while offset < end:
        middle = (offset + end) // 2
        if os.pread(fd, 1, middle) in (b"\0", b""):
            end = middle
        else:
            offset = middle + 1
    return end
