"""What a monitoring host tells of shows is what the calendar has."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from primetime import series, telling
from primetime.calendar import broadcasts, changes
from primetime.paths import REPO
from primetime.showtimes import showtimes
from primetime.topology import Topology, load, parse
from primetime.topology.shows import Show
from primetime.verify.samples import read, samples
from tests.hosted import hosted
from tests.redis_server import free_port
from tests.waiting import PATIENCE_S

PROGRAM = REPO / "templates" / "monitoring" / "showtimes.py"
QUIZ = {"name": "quiz", "start": "2026-10-18 20:35", "time_zone": "Europe/Berlin", "lasts": "90m", "repeat": "weekly"}
NEWS = {"name": "news", "start": "2026-10-01 20:00", "time_zone": "Europe/London", "lasts": "2h", "repeat": "daily"}
FINAL = {"name": "final", "start": "2026-10-25 02:30", "time_zone": "Europe/Berlin", "lasts": "60m", "lead": "2h"}


def topology(*shows: dict[str, str]) -> Topology:
    timed = [{**show, "updates": "1e6", "within": "5s"} for show in shows]
    groups = {"collector": {"roles": ["collector"], "count": 3, "memory_mb": 256}}
    content = {"name": "timed", "provider": "nspawn", "image": "bookworm", "partial": True, "groups": groups}
    return parse(yaml.safe_dump({**content, "shows": ["rehearsal", *timed]}), "t.yml")


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.setitem(sys.modules, "series", series)  # on a host they lie beside the program
    monkeypatch.setitem(sys.modules, "telling", telling)
    spec = importlib.util.spec_from_file_location("showtimes_program", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module


def hours() -> Iterator[datetime]:
    """Two weeks around the night in which clocks are set back, a sample every three quarters of an hour."""
    now = datetime(2026, 10, 17, tzinfo=UTC)
    while now < datetime(2026, 10, 31, tzinfo=UTC):
        yield now
        now += timedelta(minutes=45)


def following(show: Show, now: datetime) -> dict[str, float]:
    first = broadcasts([show], now, now + timedelta(days=30))[:1]
    return {f'primetime_show_begins_timestamp_seconds{{show="{each.name}"}}': each.begins.timestamp() for each in first}


def test_the_next_of_each_show_is_the_calendar_s_at_any_hour(program: ModuleType) -> None:
    declared = topology(QUIZ, NEWS, FINAL)
    for now in hours():
        told = read(program.rendered(showtimes(declared), now))
        begins = {name: value for name, value in told.items() if "begins" in name}
        assert begins == {name: at for show in declared.timed for name, at in following(show, now).items()}, now


def test_shows_that_overlap_need_the_sum_of_theirs_as_in_the_calendar(program: ModuleType) -> None:
    declared = topology(QUIZ, NEWS, FINAL)
    every = broadcasts(declared.timed, datetime(2026, 10, 1, tzinfo=UTC), datetime(2026, 11, 10, tzinfo=UTC))
    planned = changes(every, {show.name: 3 for show in declared.timed}, 0, 100)
    seen = set()
    for now in hours():
        told = read(program.rendered(showtimes(declared), now))
        for each in broadcasts(declared.timed, now, now + timedelta(days=7)):
            name = f'primetime_show_collectors{{show="{each.name}"}}'
            if name in told:
                assert told[name] == [change.needed for change in planned if change.at <= each.begins][-1], (now, each)
                seen.add(told[name])
    assert seen == {3, 6}


def test_a_show_without_a_start_is_none_to_wait_for(program: ModuleType) -> None:
    assert program.rendered(showtimes(topology()), datetime(2026, 10, 18, tzinfo=UTC)) == ""


def test_where_collectors_come_and_go_a_show_needs_what_its_burst_asks_for() -> None:
    [quiz] = showtimes(load("production"))["shows"]
    assert (quiz["name"], quiz["start"], quiz["repeat_days"], quiz["lasts_s"]) == (
        "quiz",
        "2026-11-28T20:35:00",
        7,
        7200,
    )
    assert (quiz["collectors"] > 2, quiz["lead_s"]) == (True, 1800)


def test_the_program_tells_it_to_whoever_asks(tmp_path: Path) -> None:
    program = hosted(tmp_path, PROGRAM, "series", "telling")
    (tmp_path / "shows.json").write_text(json.dumps(showtimes(topology(NEWS))))
    port = free_port()
    command = [sys.executable, str(program), "127.0.0.1", str(port), str(tmp_path / "shows.json")]
    process = subprocess.Popen(command, env={})
    try:
        assert list(told_within(port, PATIENCE_S).values())[1] == 3
    finally:
        process.kill()
        process.wait()


def told_within(port: int, deadline_s: float) -> dict[str, float]:
    until = time.monotonic() + deadline_s
    while True:
        try:
            return samples("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.05)
