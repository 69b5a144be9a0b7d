"""A show's report: when it was, what fired, how lines are drawn, and what the page says first."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from primetime.calendar import Broadcast
from primetime.capacity import Crowd
from primetime.errors import UsageError
from primetime.rehearsal.certificate import Certificate
from primetime.rehearsal.page import curve
from primetime.report import window
from primetime.report.chart import HEIGHT, LEFT, TOP, WIDTH, chart, rounded_up
from primetime.report.evening import Evening, Fired, Rehearsed, certificates, fired, size
from primetime.report.page import page, verdict
from primetime.report.prometheus import POINTS, Series, step_s
from primetime.report.window import Window
from primetime.topology import load
from primetime.topology.cloud import Show
from tests.unit.test_rehearsal_page import FAILED, PASSED

AT = datetime(2026, 11, 28, 19, 35, tzinfo=UTC)
NOW = AT + timedelta(hours=20)
QUIZ = Show("quiz", AT.replace(tzinfo=None), "UTC", 5400, 1800, 1_000_000, 5.0)
TONIGHT = Broadcast(
    "quiz-20261128", AT - timedelta(minutes=30), AT, AT + timedelta(minutes=90), AT + timedelta(hours=2), QUIZ
)
WINDOW = Window(AT, AT + timedelta(minutes=10), "as asked for")


def run_at(moment: datetime) -> Certificate:
    return replace(PASSED, started=moment.isoformat())


def rehearsal(certificate: Certificate) -> Rehearsed:
    return Rehearsed(certificate, curve(certificate.per_second, 1.0, certificate.stored_seconds))


def test_a_show_that_was_broadcast_is_looked_at_from_its_begin_to_the_end_of_its_overrun() -> None:
    before = replace(TONIGHT, begins=AT - timedelta(days=7), until=AT - timedelta(days=7, hours=-2))
    found = window.of("quiz", (None, None), [before, TONIGHT], [run_at(AT - timedelta(days=3))], NOW)
    assert (found.since, found.until) == (AT - window.BEFORE, TONIGHT.until)


def test_without_a_broadcast_the_rehearsals_of_the_last_day_say_when_it_was() -> None:
    runs = [run_at(AT - timedelta(days=2)), run_at(AT), run_at(AT + timedelta(hours=1))]
    found = window.of("quiz", (None, None), [], runs, NOW)
    ends = AT + timedelta(hours=1, seconds=3.25) + window.AFTER
    assert (found.since, found.until, found.why) == (AT - window.BEFORE, ends, "2 rehearsals of a day")


def test_a_show_that_goes_on_is_looked_at_until_now() -> None:
    assert window.of("quiz", (None, None), [TONIGHT], [], AT + timedelta(minutes=5)).until == AT + timedelta(minutes=5)


def test_what_is_asked_for_goes_first() -> None:
    asked = (AT, AT + timedelta(minutes=1))
    found = window.of("quiz", asked, [TONIGHT], [run_at(AT)], NOW)
    assert (found.since, found.until) == asked


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ((None, None), "nothing tells when quiz was"),
        ((AT, AT), "--from must be before --until"),
        ((NOW + timedelta(hours=1), None), "both before now"),
        ((AT - timedelta(days=3), AT), "more than 2 days"),
    ],
)
def test_a_time_with_nothing_in_it_is_refused(asked: window.Window, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        window.of("quiz", asked, [], [], NOW)  # type: ignore[arg-type]


def test_a_moment_is_in_utc_unless_it_says_where_it_is() -> None:
    assert window.instant("2026-11-28T19:35") == window.instant("2026-11-28T20:35+01:00") == AT
    with pytest.raises(UsageError, match="'half past' is not a moment: write it like 2026"):
        window.instant("half past")


def test_an_alert_fired_once_for_each_stretch_without_a_break() -> None:
    moments = [*range(60, 120, 5), *range(300, 605, 5)]
    labels = {"alertname": "HostDown", "severity": "page", "node": "store-1"}
    first, second = fired([Series(labels, [(float(at), 1.0) for at in moments])], WINDOW, 5.0)
    assert (first.since, first.until, first.went_on) == (AT + timedelta(seconds=60), AT + timedelta(seconds=115), False)
    assert (second.since, second.went_on, second.where) == (AT + timedelta(seconds=300), True, "store-1")


def test_a_line_is_broken_where_nobody_told_anything() -> None:
    series = Series({}, [(0.0, 0.0), (5.0, 100.0), (300.0, 50.0), (600.0, 50.0)])
    (line,) = chart("Updates", "updates/s", [("accepted", series)], WINDOW, 100.0, [300]).lines
    assert line.path == (
        f"M{LEFT:.1f} {TOP + HEIGHT:.1f} L{LEFT + WIDTH / 120:.1f} {TOP:.1f} "
        f"L{LEFT + WIDTH / 2:.1f} {TOP + HEIGHT / 2:.1f} L{LEFT + WIDTH:.1f} {TOP + HEIGHT / 2:.1f}"
    ).replace(f" L{LEFT + WIDTH / 2:.1f}", f" L{LEFT + WIDTH / 2:.1f}")
    (broken,) = chart("Updates", "updates/s", [("accepted", series)], WINDOW, 5.0, []).lines
    assert re.findall("[ML]", broken.path) == ["M", "L", "M", "M"]


@pytest.mark.parametrize(("most", "top"), [(0, 4), (1, 1), (3, 4), (9, 10), (213_000, 400_000), (0.03, 0.04)])
def test_the_scale_is_the_next_round_number(most: float, top: float) -> None:
    assert rounded_up(most) == pytest.approx(top)


def test_a_long_evening_has_no_more_points_than_fit() -> None:
    assert step_s(WINDOW, 5.0) == 5.0
    assert 86400 / step_s(Window(AT, AT + timedelta(days=1), ""), 5.0) <= POINTS


def test_only_a_show_s_own_certificates_are_in_its_report(tmp_path: Path) -> None:
    for run, show in (("A", "quiz-20261121"), ("B", "another")):
        (tmp_path / run).mkdir()
        replace(PASSED, run=run, show=show).save(tmp_path / run / "certificate.json")
    assert [each.run for _, each in certificates(tmp_path, "quiz-20261121")] == ["A"]


def test_the_page_says_first_whether_anything_is_missing() -> None:
    evening = Evening("quiz", "demo", WINDOW, rehearsals=[rehearsal(PASSED)])
    assert verdict(evening).headline == "Nothing is missing"
    evening.rehearsals.append(rehearsal(FAILED))
    said = verdict(evening)
    assert (said.headline, said.good) == ("1 missing", False)
    assert FAILED.run in said.sentence


def test_without_a_rehearsal_nothing_is_claimed() -> None:
    said = verdict(Evening("quiz", "demo", WINDOW))
    assert said.headline == "Not proved"
    assert "bin/primetime ledger" in said.sentence


def test_who_was_called_is_said_first_too() -> None:
    called = Fired("HostDown", "page", "store-1", AT, AT, went_on=False, runbook="docs/runbooks/HostDown.md")
    waits = replace(called, name="DiskFullSoon", severity="ticket")
    evening = Evening("quiz", "demo", WINDOW, rehearsals=[rehearsal(PASSED)], fired=[called, waits])
    assert verdict(evening).sentence.endswith("Somebody was called: HostDown.")


def test_the_page_needs_nothing_but_itself_and_escapes_what_it_is_told() -> None:
    evening = Evening("<b>quiz</b>", "demo", WINDOW, rehearsals=[rehearsal(PASSED)], unknown=["Curves: <script>"])
    size(evening, load("demo"), None)
    text = page(evening, NOW, "abc")
    assert not re.findall(r"(?:src|href)=|url\(|@import", text)
    assert "<b>quiz" not in text
    assert "<script" not in text
    assert "2026-11-28 19:35:00" in text


def test_capacity_is_that_of_the_declared_crowd_or_of_the_largest_rehearsal() -> None:
    evening = Evening(
        "quiz", "demo", WINDOW, rehearsals=[rehearsal(PASSED), rehearsal(replace(PASSED, sent=1_000_000))]
    )
    size(evening, load("demo"), Crowd(5000, 5.0))
    assert evening.crowd == Crowd(5000, 5.0)
    evening.rehearsals[1] = rehearsal(replace(PASSED, sent=1_000_000, acked=1_000_000, accept_seconds=4.81))
    size(evening, load("demo"), None)
    assert evening.crowd == Crowd(1_000_000, 4.8, batch=10)
    assert evening.has == {"collectors": 1, "stores": 1}
    assert evening.needs is not None
    assert json.dumps(evening.needs.as_json())


def test_a_group_that_scales_counts_with_its_most() -> None:
    evening = Evening("quiz", "production", WINDOW)
    size(evening, load("production"), Crowd(1_000_000, 5.0))
    assert evening.has == {"collectors": 12, "stores": 3}
