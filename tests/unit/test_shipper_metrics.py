"""The shipper's numbers for Prometheus are those of its status, and its status' age is that of the oldest event."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from primetime.errors import PrimetimeError
from primetime.shipper import exporter, metrics, reports, status
from primetime.shipper.spool import Spool
from primetime.verify.samples import read
from tests.shipping import RECEIVED_MS, SPOOL, Writer, event

SUPERVISOR = {"started_ms": RECEIVED_MS, "restarts": 4, "trouble": ""}
HBASE = {"batches": 2, "events": 70, "retries": 1, "dead_letters": 3, "failing_s": 2.5, "last_batch_ms": 1_500}
REDIS = {"batches": 5, "events": 60, "retries": 0, "resent": 9, "failing_s": 0.0, "last_batch_ms": None}


def told(spool: Path, lanes: dict[str, dict[str, Any]]) -> dict[str, float]:
    text = metrics.render(status.compose(Spool(spool), lanes, **SUPERVISOR))
    return {name.removeprefix(metrics.PREFIX): value for name, value in read(text).items()}


def age_s() -> float:
    return time.time() - RECEIVED_MS / 1000


def test_each_lane_counts_for_itself(tmp_path: Path) -> None:
    found = told(tmp_path, {"hbase-0": HBASE, "hbase-1": {**HBASE, "events": 7}, "redis-0": REDIS})
    assert found['events_total{sink="hbase",lane="hbase-0"}'] == 70
    assert found['events_total{sink="hbase",lane="hbase-1"}'] == 7
    assert found['events_total{sink="redis",lane="redis-0"}'] == 60
    assert found['batches_total{sink="redis",lane="redis-0"}'] == 5
    assert found['retries_total{sink="hbase",lane="hbase-0"}'] == 1
    assert found['dead_letters_total{sink="hbase",lane="hbase-0"}'] == 3
    assert found['resent_total{sink="redis",lane="redis-0"}'] == 9
    assert 'resent_total{sink="hbase",lane="hbase-0"}' not in found
    assert 'dead_letters_total{sink="redis",lane="redis-0"}' not in found


def test_a_sink_fails_for_as_long_as_its_worst_lane_and_took_its_last_batch_when_any_did(tmp_path: Path) -> None:
    worse = {**HBASE, "failing_s": 9.0, "last_batch_ms": 700}
    found = told(tmp_path, {"hbase-0": HBASE, "hbase-1": worse, "redis-0": REDIS})
    assert found['failing_seconds{sink="hbase"}'] == 9
    assert found['last_batch_timestamp_seconds{sink="hbase"}'] == 1.5
    assert 'last_batch_timestamp_seconds{sink="redis"}' not in found  # it has never taken one


def test_without_a_redis_there_are_no_numbers_of_one(tmp_path: Path) -> None:
    found = told(tmp_path, {"hbase-0": HBASE})
    assert found['lag_seconds{sink="hbase"}'] == 0
    assert [name for name in found if "redis" in name] == []


def test_the_spool_and_what_cannot_leave_it_are_counted(tmp_path: Path) -> None:
    kept = Writer(tmp_path, 1).write(event(1)).seal()
    Writer(tmp_path, 2).write(event(2)).seal()
    found = told(tmp_path, {"hbase-0": {**HBASE, "kept": {kept.stem: "corrupt"}}})
    assert (found["spool_segments"], found['kept_segments{sink="hbase"}']) == (2, 1)
    assert found["spool_bytes"] == sum(path.stat().st_blocks * 512 for path in tmp_path.iterdir())
    assert (found["lane_deaths_total"], found["trouble"]) == (4, 0)
    assert found["start_time_seconds"] == RECEIVED_MS / 1000


def test_what_is_lost_is_told_once_every_lane_knows(tmp_path: Path) -> None:
    lost = {**HBASE, "lost": {f"{SPOOL}-w00-0000000002": 3}}
    assert 'lost_segments{sink="hbase"}' not in told(tmp_path, {"hbase-0": lost, "hbase-1": HBASE})
    found = told(tmp_path, {"hbase-0": lost, "hbase-1": {**HBASE, "lost": {f"{SPOOL}-w01-0000000001": 1}}})
    assert found['lost_segments{sink="hbase"}'] == 4


def test_a_sink_is_as_late_as_its_oldest_event(tmp_path: Path) -> None:
    first = Writer(tmp_path, 1, worker=0).write(event(1), received_ms=RECEIVED_MS + 60_000).seal()
    second = Writer(tmp_path, 1, worker=1).write(event(2)).seal()
    lag = 'lag_seconds{sink="hbase"}'
    assert told(tmp_path, {})[lag] == pytest.approx(age_s(), abs=5)
    one_left = {"offsets": {second.stem: second.stat().st_size}}
    assert told(tmp_path, {"hbase-0": one_left})[lag] == pytest.approx(age_s() - 60, abs=5)
    none_left = {"offsets": {path.stem: path.stat().st_size for path in (first, second)}}
    assert told(tmp_path, {"hbase-0": none_left})[lag] == 0


def test_the_end_of_a_segment_is_no_event_that_waits(tmp_path: Path) -> None:
    """Sealed while idle, ten seconds after its first event: a sink that has yet to read that is not ten behind."""
    writer = Writer(tmp_path).write(event(1))
    all_events = writer.bytes
    sealed = writer.seal()
    found = told(tmp_path, {"hbase-0": {"offsets": {sealed.stem: all_events}}})
    assert (found['lag_seconds{sink="hbase"}'], found['lag_events{sink="hbase"}']) == (0, 0)


@pytest.mark.parametrize(("inside", "since_s"), [("first", 60), ("last", 60)])
def test_a_position_inside_a_record_is_as_old_as_the_next_one_or_the_last_one_as_itself(
    tmp_path: Path, inside: str, since_s: int
) -> None:
    writer = Writer(tmp_path, reserve=1 << 20).write(event(1), event(2))
    places = {"first": writer.bytes - 10}
    writer.write(event(3), event(4), received_ms=RECEIVED_MS + 60_000)
    places["last"] = writer.bytes - 10
    at = {"redis-0": {"positions": {f"{SPOOL}-w00": f"1:{places[inside]}"}}}
    found = told(tmp_path, at)
    assert found['lag_seconds{sink="redis"}'] == pytest.approx(age_s() - since_s, abs=5)
    assert found['lag_events{sink="redis"}'] >= 1
    writer.die()


def test_a_status_that_is_old_or_missing_is_not_told(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    with pytest.raises(PrimetimeError, match="not there yet"):
        exporter.fresh(path)
    now_ms = time.time_ns() // 1_000_000
    reports.write(path, {"at_ms": now_ms - 60_000})
    with pytest.raises(PrimetimeError, match="60 s old: the shipper's supervisor stands still"):
        exporter.fresh(path)
    reports.write(path, {"at_ms": now_ms})
    assert exporter.fresh(path) == {"at_ms": now_ms}
