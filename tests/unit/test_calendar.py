"""From declared shows to instants and numbers of collectors: clocks that change, shows that overlap, overruns."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from primetime.calendar import Broadcast, broadcasts, changes, collectors, on_air
from primetime.capacity_figures import FIGURES
from primetime.topology.shows import Show


def show(start: str, name: str = "quiz", zone: str = "Europe/Berlin", repeat: int | None = None, **values: int) -> Show:
    when = datetime.strptime(start, "%Y-%m-%d %H:%M")
    given = {"lasts_s": 5400, "overrun_s": 1800, "updates": 1_000_000, "within_s": 5} | values
    return Show(name, when, zone, repeat_days=repeat, **given)


def utc(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)


def between(since: str, until: str, *shows: Show) -> list[Broadcast]:
    return broadcasts(shows, utc(since), utc(until))


@pytest.mark.parametrize(
    ("what", "start", "zone", "begins"),
    [
        ("winter", "2026-11-28 20:35", "Europe/Berlin", "2026-11-28 19:35"),
        ("summer", "2026-07-28 20:35", "Europe/Berlin", "2026-07-28 18:35"),
        ("a time that the clock skips is an hour later", "2026-03-29 02:30", "Europe/Berlin", "2026-03-29 01:30"),
        ("a time that it shows twice is the first", "2026-10-25 02:30", "Europe/Berlin", "2026-10-25 00:30"),
        ("half an hour's zone", "2026-11-28 20:35", "Asia/Kolkata", "2026-11-28 15:05"),
        ("the day before in UTC", "2026-11-28 02:00", "Australia/Sydney", "2026-11-27 15:00"),
    ],
)
def test_a_show_begins_when_its_own_clock_says(what: str, start: str, zone: str, begins: str) -> None:
    [found] = between("2026-01-01 00:00", "2027-01-01 00:00", show(start, zone=zone))
    assert found.begins == utc(begins), what


def test_a_series_keeps_its_time_over_the_end_of_summer() -> None:
    found = between("2026-10-18 00:00", "2026-11-03 00:00", show("2026-10-18 20:35", repeat=7))
    assert [(each.name, each.begins) for each in found] == [
        ("quiz-20261018", utc("2026-10-18 18:35")),
        ("quiz-20261025", utc("2026-10-25 19:35")),
        ("quiz-20261101", utc("2026-11-01 19:35")),
    ]


def test_a_show_that_may_still_overrun_is_on() -> None:
    assert between("2026-11-28 21:34", "2026-11-29 00:00", show("2026-11-28 20:35"))
    assert not between("2026-11-28 21:35", "2026-11-29 00:00", show("2026-11-28 20:35"))


def test_collectors_come_before_the_show_and_go_after_the_longest_overrun() -> None:
    found = changes(between("2026-11-28 00:00", "2026-11-29 00:00", show("2026-11-28 20:35")), {"quiz": 6}, 2, 12)
    assert [(each.at, each.collectors) for each in found] == [
        (utc("2026-11-28 19:05"), 6),
        (utc("2026-11-28 21:35"), 2),
    ]


def test_a_show_s_own_lead_says_how_long_before_it_they_come() -> None:
    one = between("2026-11-28 00:00", "2026-11-29 00:00", show("2026-11-28 20:35", lead_s=45 * 60))
    assert changes(one, {"quiz": 6}, 2, 12)[0].at == utc("2026-11-28 18:50")
    assert on_air(one, utc("2026-11-28 18:50")) == one


def test_shows_that_overlap_need_the_sum_of_theirs_while_they_do() -> None:
    two = show("2026-11-28 20:35"), show("2026-11-28 21:35", name="sing")
    found = changes(between("2026-11-28 00:00", "2026-11-29 00:00", *two), {"quiz": 6, "sing": 4}, 2, 12)
    assert [(each.collectors, each.broadcasts) for each in found] == [
        (6, ("quiz",)),
        (10, ("quiz", "sing")),
        (4, ("sing",)),
        (2, ()),
    ]


def test_a_show_that_begins_as_another_s_overrun_ends_sends_nobody_home_between() -> None:
    two = show("2026-11-28 20:35"), show("2026-11-28 23:05", name="late")
    found = changes(between("2026-11-28 00:00", "2026-11-30 00:00", *two), {"quiz": 6, "late": 6}, 2, 12)
    assert [each.collectors for each in found] == [6, 2]


def test_a_group_s_limits_hold_and_what_was_needed_is_kept() -> None:
    one = between("2026-11-28 00:00", "2026-11-29 00:00", show("2026-11-28 20:35"))
    assert [(each.collectors, each.needed) for each in changes(one, {"quiz": 20}, 2, 12)] == [(12, 20), (2, 0)]
    assert {each.collectors for each in changes(one, {"quiz": 1}, 2, 12)} == {2}


def test_a_larger_crowd_needs_more_collectors() -> None:
    small, large = show("2026-11-28 20:35"), show("2026-11-28 20:35", updates=8_000_000)
    assert 0 < collectors(small, 3, 2, FIGURES) < collectors(large, 3, 2, FIGURES)


@pytest.mark.parametrize(
    ("now", "on"), [("2026-11-28 19:04", 0), ("2026-11-28 19:05", 1), ("2026-11-28 21:34", 1), ("2026-11-28 21:35", 0)]
)
def test_machines_are_not_to_be_touched_from_lead_to_overrun(now: str, on: int) -> None:
    every = between("2026-11-28 00:00", "2026-11-29 00:00", show("2026-11-28 20:35"))
    assert len(on_air(every, utc(now))) == on
