"""A show read back: order, borders, and how much is held at a time."""

from __future__ import annotations

import json
import random
from collections import Counter

import pytest

from primetime import reading
from primetime.event import SALTS, qualifier, row_key, split_row_key, ulid
from primetime.hbase import HbaseUnavailable
from primetime.reading import events
from tests.memory_hbase import ReadHbase

SHOW = "quiz-20261121"


def event(number: int, pos_ms: int, show: str = SHOW, **more: str) -> bytes:
    fields = {"id": ulid(1_763_670_400_000, number), "show": show, "pos_ms": pos_ms, "user": f"u{number}", **more}
    return json.dumps(fields).encode()


def hbase_with(*stored: bytes) -> ReadHbase:
    hbase = ReadHbase()
    for each in stored:
        hbase.store(each)
    return hbase


def read(hbase: ReadHbase, from_ms: int = 0, to_ms: int | None = None, show: str = SHOW) -> list[bytes]:
    return list(events(lambda: hbase, show, from_ms, to_ms))


def test_events_come_out_by_position_then_id_whatever_slice_holds_them() -> None:
    wanted = [
        event(number, pos_ms) for pos_ms in (0, 5, 999, 1000, 1001, 7_000) for number in range(pos_ms, pos_ms + 90)
    ]
    shuffled = random.Random(1).sample(wanted, len(wanted))
    hbase = hbase_with(*shuffled)
    assert len({split_row_key(row)[0] for row in hbase.tables["events"]}) == SALTS
    assert read(hbase) == wanted


@pytest.mark.parametrize("border", [10_000, 10_001, 10_999, 11_000])
def test_a_range_begins_with_its_first_millisecond_and_ends_before_its_last(border: int) -> None:
    before, at, after = event(1, border - 1), event(2, border), event(3, border + 1)
    hbase = hbase_with(before, at, after)
    assert read(hbase, from_ms=border) == [at, after]
    assert read(hbase, to_ms=border) == [before]
    assert read(hbase, border, border + 1) == [at]


def test_an_empty_range_is_empty() -> None:
    assert read(hbase_with(event(1, 10_000)), 10_000, 10_000) == []


def test_the_last_millisecond_of_a_show_is_read_when_no_end_is_given() -> None:
    last = event(1, 86_400_000)
    assert read(hbase_with(last)) == [last]


def test_another_show_whose_name_goes_on_is_not_read() -> None:
    mine, other = event(1, 1000, show="quiz"), event(2, 1000, show="quiz-2")
    assert read(hbase_with(mine, other), show="quiz") == [mine]


def test_both_of_a_conflict_come_out() -> None:
    one, other = event(1, 1000, type="vote"), event(1, 1000, type="join")
    assert sorted(read(hbase_with(one, other))) == sorted([one, other])


def test_bytes_come_out_as_they_were_stored() -> None:
    odd = b'{ "show":"quiz-20261121" , "pos_ms":5,"id":"' + ulid(1, 1).encode() + b'", "n":1.50, "user":"\\u00e9"}'
    assert read(hbase_with(odd)) == [odd]


def test_an_event_that_python_cannot_read_comes_out_in_its_second() -> None:
    deep = b'{"id":"' + ulid(1, 1).encode() + b'","pos_ms":4200,"data":' + b"[" * 5000 + b"]" * 5000 + b"}"
    hbase = hbase_with(event(2, 3_999), event(3, 5_000))
    hbase.put("events", {row_key(deep[7:33], SHOW.encode(), 4200): [(qualifier(deep[7:33], deep), deep, 1)]})
    assert read(hbase)[1] == deep


def test_one_scan_is_open_at_a_time() -> None:
    hbase = hbase_with(*(event(number, number * 50) for number in range(500)))
    read(hbase)
    assert hbase.most_open_scans == 1


def seconds_scanned(hbase: ReadHbase) -> list[int]:
    """How many seconds of the show each scan was for."""
    return [split_row_key(stop)[2] - split_row_key(start)[2] for start, stop in hbase.events_scans()]


def test_a_crowded_show_is_read_second_by_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WINDOW_EVENTS", 40)
    wanted = [event(number, number * 10) for number in range(1000)]
    hbase = hbase_with(*wanted)
    assert read(hbase, to_ms=10_000) == wanted
    assert max(seconds_scanned(hbase)) == 1


def test_a_burst_after_quiet_minutes_is_held_second_by_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "WINDOW_EVENTS", 40)
    wanted = [event(1, 0), *(event(number, 3_000_000 + number * 20) for number in range(100, 2000))]
    hbase = hbase_with(*wanted)
    assert read(hbase) == wanted
    scans = Counter((split_row_key(start)[2], split_row_key(stop)[2]) for start, stop in hbase.events_scans())
    held = [window for window, times in scans.items() if times == SALTS]
    assert max(count_in(wanted, first, stop) for first, stop in held) == 50  # one second of the burst


def count_in(stored: list[bytes], first: int, stop: int) -> int:
    return sum(1 for each in stored if first * 1000 <= json.loads(each)["pos_ms"] < stop * 1000)


def test_a_quiet_day_takes_few_scans() -> None:
    hbase = hbase_with(event(1, 40_000_000))
    assert len(read(hbase)) == 1
    assert len(hbase.scans) < 64 * 50


def test_a_failure_half_way_loses_and_repeats_nothing() -> None:
    wanted = [event(number, number * 100) for number in range(300)]
    hbase = hbase_with(*wanted)
    hbase.failures = 1
    assert read(hbase) == wanted


def test_an_hbase_that_stays_away_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PATIENCE_S", 0.0)
    hbase = hbase_with(event(1, 0))
    hbase.failures = 1_000
    with pytest.raises(HbaseUnavailable):
        read(hbase)
