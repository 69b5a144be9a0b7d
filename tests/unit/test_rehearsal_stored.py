"""Waiting until a run is readable, and counting what the spool held more than once."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from primetime.event import SALTS
from primetime.hbase import HbaseUnavailable
from primetime.rehearsal import stored
from primetime.rehearsal.burst import Burst, Plan
from primetime.rehearsal.stored import Found, Shipped, count_duplicates, wait_until_readable
from tests.memory_hbase import ReadHbase

BURST = Burst("01M7YFS0TCSDYY42QP", Plan("quiz-20261121", 200, 5, batch=10))
EVERYTHING = list(range(200))
PROBES = [199, 189, 179]
SEGMENT, OTHER_SEGMENT = b"01M7YFS0TC0000000000000000-w00-0000000001", b"01M7YFS0TC0000000000000000-w01-0000000001"


def silent(text: str) -> None:
    pass


def shipped(hbase: ReadHbase, events: int = len(EVERYTHING)) -> Shipped:
    """A ledger that has moved by so many events of the run's show."""
    watched = Shipped(hbase, BURST.plan.show)
    hbase.count_read(BURST.plan.show, SEGMENT, events)
    return watched


def wait(hbase: ReadHbase, found: Found, patience_s: float = 20, by_the_ledger: Shipped | None = None) -> float | None:
    until = time.monotonic() + patience_s
    return wait_until_readable(found, EVERYTHING, PROBES, by_the_ledger or shipped(hbase), hbase, until, silent)


def after(scans: int, then: Callable[[], None]) -> Callable[[str], None]:
    """Something that happens before scan number `scans` of the events table."""
    left = [scans]

    def before_scan(table: str) -> None:
        left[0] -= table == "events"
        if left[0] == 0:
            then()

    return before_scan


def test_a_run_that_is_there_is_read_once() -> None:
    hbase, found = ReadHbase(), Found(BURST)
    hbase.store_numbers(BURST, EVERYTHING)
    assert wait(hbase, found) is not None
    assert len(hbase.events_scans()) == len(PROBES) + SALTS


def test_only_the_events_acknowledged_last_are_looked_up_until_they_are_there() -> None:
    hbase, found = ReadHbase(), Found(BURST)
    hbase.before_scan = after(10 * len(PROBES), lambda: hbase.store_numbers(BURST, EVERYTHING))
    assert wait(hbase, found) is not None
    assert all(stop == start + b"\0" for start, stop in hbase.events_scans()[: 10 * len(PROBES)])


def test_while_the_ledger_says_that_events_are_missing_nothing_is_looked_up() -> None:
    hbase, found = ReadHbase(), Found(BURST)
    hbase.store_numbers(BURST, EVERYTHING)
    by_the_ledger = Shipped(hbase, BURST.plan.show)
    tables: list[str] = []

    def advance(table: str) -> None:
        tables.append(table)
        if tables == ["ledger"] * 3:
            hbase.count_read(BURST.plan.show, SEGMENT, 199)
        if tables == ["ledger"] * 5:
            hbase.count_read(BURST.plan.show, SEGMENT, 200)

    hbase.before_scan = advance
    assert wait(hbase, found, by_the_ledger=by_the_ledger) is not None
    assert tables[:5] == ["ledger"] * 5 and "ledger" not in tables[5:]
    assert [events for _, events in by_the_ledger.seen] == [0, 0, 199, 199, 200]


def test_a_ledger_without_headway_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "LEDGER_LAG_S", 0.0)
    hbase, found = ReadHbase(), Found(BURST)
    hbase.store_numbers(BURST, EVERYTHING)
    assert wait(hbase, found, by_the_ledger=shipped(hbase, 150)) is not None


def test_what_is_shipped_is_watched_while_something_else_is_done() -> None:
    hbase = ReadHbase()
    by_the_ledger = shipped(hbase, 77)
    until = time.monotonic() + 20
    with by_the_ledger.watched():
        while not by_the_ledger.seen:
            assert time.monotonic() < until
            time.sleep(0.01)
    assert by_the_ledger.seen[0][1] == 77


def test_what_comes_after_the_probes_is_waited_for_in_its_slice_alone() -> None:
    hbase, found = ReadHbase(), Found(BURST)
    hbase.store_numbers(BURST, range(1, 200))
    hbase.before_scan = after(len(PROBES) + SALTS + 5, lambda: hbase.store_numbers(BURST, [0]))
    assert wait(hbase, found) is not None
    assert len(set(hbase.events_scans()[len(PROBES) + SALTS :])) == 1
    assert not found.missing(EVERYTHING)


def test_the_moment_is_before_a_reading_that_found_everything_and_after_one_that_did_not() -> None:
    hbase, found = ReadHbase(), Found(BURST)
    hbase.store_numbers(BURST, EVERYTHING)
    read_at: list[float] = []
    hbase.before_scan = lambda table: read_at.append(time.monotonic())
    moment = wait(hbase, found)
    assert moment is not None and moment <= read_at[-1]

    hbase, found = ReadHbase(), Found(BURST)
    hbase.store_numbers(BURST, range(1, 200))
    stored_at: list[float] = []

    def store_the_last() -> None:
        hbase.store_numbers(BURST, [0])
        stored_at.append(time.monotonic())

    hbase.before_scan = after(len(PROBES) + SALTS + 1, store_the_last)
    moment = wait(hbase, found)
    assert moment is not None and moment >= stored_at[0]


def test_dead_letters_are_waited_for_no_longer() -> None:
    hbase, found = ReadHbase(), Found(BURST)
    hbase.store_numbers(BURST, range(199))
    hbase.bury(BURST.event(199))
    assert wait(hbase, found) is not None
    assert len(hbase.events_scans()) == len(PROBES) + SALTS


def test_past_the_deadline_the_run_has_been_read_whole_all_the_same() -> None:
    hbase, found = ReadHbase(), Found(BURST)
    hbase.store_numbers(BURST, range(150))
    assert wait(hbase, found, patience_s=0) is None
    assert found.missing(EVERYTHING) == list(range(150, 200))


def test_the_moment_is_not_before_the_probes_were_readable() -> None:
    hbase, found = ReadHbase(), Found(BURST)
    stored_at: list[float] = []

    def store_everything() -> None:
        hbase.store_numbers(BURST, EVERYTHING)
        stored_at.append(time.monotonic())

    hbase.before_scan = after(len(PROBES) + 1, store_everything)
    moment = wait(hbase, found, patience_s=0)
    assert moment is not None and moment >= stored_at[0]


def test_a_failing_hbase_is_asked_again() -> None:
    hbase, found = ReadHbase(), Found(BURST)
    hbase.store_numbers(BURST, EVERYTHING)
    hbase.failures = 1
    assert wait(hbase, found) is not None


def test_an_hbase_that_fails_past_the_deadline_is_an_error() -> None:
    hbase = ReadHbase()
    hbase.store_numbers(BURST, EVERYTHING)
    hbase.failures = 1_000
    with pytest.raises(HbaseUnavailable):
        wait(hbase, Found(BURST), patience_s=0)


def all_found(hbase: ReadHbase) -> Found:
    found = Found(BURST)
    hbase.store_numbers(BURST, EVERYTHING)
    found.read(hbase)
    return found


def test_duplicates_are_what_was_read_beyond_what_is_distinct() -> None:
    hbase = ReadHbase()
    hbase.count_read("quiz-20261121", SEGMENT, 1000)
    since = shipped(hbase, 1150)
    hbase.count_read("quiz-20261121", OTHER_SEGMENT, 57)
    hbase.count_read("quiz-20261121-late", SEGMENT, 999)
    assert count_duplicates(all_found(hbase), since, silent) == 7


def test_stored_altered_and_buried_events_are_distinct_ones() -> None:
    hbase = ReadHbase()
    found = all_found(hbase)
    hbase.store(BURST.event(3).replace(b"viewer", b"Viewer"))
    hbase.bury(BURST.event(4).replace(b"viewer", b"Viewer"))
    hbase.bury(BURST.event(5))
    found.read(hbase)
    assert count_duplicates(found, shipped(hbase, 203), silent) == 1


def test_a_ledger_that_is_behind_is_waited_for() -> None:
    hbase = ReadHbase()
    found, since = all_found(hbase), Shipped(hbase, BURST.plan.show)
    looks: list[str] = []

    def advance(table: str) -> None:
        looks.append(table)
        hbase.count_read("quiz-20261121", SEGMENT, 100 * len(looks) + 2)

    hbase.before_scan = advance
    assert count_duplicates(found, since, silent) == 2


def test_a_segment_that_has_left_the_ledger_takes_nothing_away() -> None:
    hbase = ReadHbase()
    hbase.count_read("quiz-20261121", OTHER_SEGMENT, 5000)
    since = shipped(hbase, 203)
    del hbase.tables["ledger"][OTHER_SEGMENT]
    assert count_duplicates(all_found(hbase), since, silent) == 3


def test_a_ledger_that_never_catches_up_is_no_duplicate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "LEDGER_LAG_S", 0.0)
    assert count_duplicates(all_found(ReadHbase()), Shipped(ReadHbase(), BURST.plan.show), silent) == 0
