"""The presenter's script: it counts down to its next cue, or to the next broadcast; and what an hour costs."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

from primetime.cli.stage import upcoming
from primetime.stage.bill import bill
from primetime.stage.moments import MOMENTS
from primetime.stage.script import CUES, Cue, Script
from primetime.stage.snapshot import Next
from primetime.topology import load

TWO = (Cue(10, "First", "b"), Cue(20, "Second", "v"))


class Clock:
    now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


def test_it_counts_down_to_the_next_cue_and_then_to_nothing() -> None:
    clock = Clock()
    script = Script(cues=TWO, clock=clock)
    assert script.next() is None
    assert script.turn()
    assert script.next() == Next("First [B]", 1_010_000)
    clock.now_ms += 10_000
    assert script.next() == Next("Second [V]", 1_020_000)
    clock.now_ms += 10_000
    assert (script.next(), script.runs) == (None, False)


def test_it_is_ended_and_begun_again_by_the_same_key() -> None:
    clock = Clock()
    script = Script(cues=TWO, clock=clock)
    script.turn()
    assert not script.turn()
    assert script.next() is None
    clock.now_ms += 5_000
    assert script.turn()
    assert script.next() == Next("First [B]", 1_015_000)


def test_a_script_that_has_come_to_its_end_begins_anew() -> None:
    clock = Clock()
    script = Script(cues=TWO, clock=clock)
    script.turn()
    clock.now_ms += 60_000
    assert script.turn()


def test_without_a_script_it_counts_down_to_the_broadcast() -> None:
    clock = Clock()
    broadcast = Next("quiz-20261205 begins", 1_030_000)
    script = Script(broadcast, TWO, clock)
    assert script.next() == broadcast
    script.turn()
    assert script.next() == Next("First [B]", 1_010_000)
    clock.now_ms += 30_000
    assert script.next() is None


def test_every_cue_has_a_key_that_is_a_moment_s() -> None:
    assert {cue.key for cue in CUES} <= {moment.key for moment in MOMENTS}
    assert [cue.after_s for cue in CUES] == sorted(cue.after_s for cue in CUES)


def test_a_local_cluster_is_billed_as_the_one_that_it_stands_for() -> None:
    between, during = bill(load("demo")).items()
    assert between[0] == "an hour of production, which local hosts stand for, between shows"
    assert between[1].endswith("for 8 machines")
    assert during[1].endswith("for up to 18 machines")
    assert bill(load("production"))["an hour, during one"] == during[1]


def test_the_drawer_tells_each_cue_s_time() -> None:
    page = resources.files("primetime.stage").joinpath("page", "stage.html").read_text()
    told = re.findall(r'<li data-cue="(.)"><span class="when"><time>(\d+):(\d\d)</time>.*?<b>([^<]+?)\.?</b>', page)
    assert [(key, 60 * int(minutes) + int(seconds), name) for key, minutes, seconds, name in told] == [
        (cue.key, cue.after_s, cue.name) for cue in CUES
    ]


def test_a_local_topology_s_shows_have_times_too(tmp_path: Path) -> None:
    path = tmp_path / "t.yml"
    path.write_text(
        "name: a-test\nprovider: nspawn\nimage: bookworm\npartial: true\nshows:\n"
        '  - {name: quiz, start: "2026-11-28 20:15", time_zone: Europe/Berlin, lasts: 90m, updates: 1e6, within: 5s}\n'
        "groups:\n  redis: {roles: [redis], count: 1, memory_mb: 128}\n"
    )
    begins = datetime(2026, 11, 28, 19, 15, tzinfo=UTC)
    before = upcoming(load(str(path)), datetime(2026, 11, 28, 12, 0, tzinfo=UTC))
    assert before
    assert before.name.startswith("quiz")
    assert before.at_ms == begins.timestamp() * 1000
    assert upcoming(load(str(path)), begins) is None
