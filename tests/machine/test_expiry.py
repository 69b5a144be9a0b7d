"""Machines that remove themselves: at their hour, once, and not when somebody did before."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from primetime import expiry
from primetime.drivers.nspawn import leftovers
from primetime.topology import Topology, load
from tests.conftest import Bench
from tests.waiting import wait_for

NAME = "test-expiry"
FAR_S = 3600.0


@pytest.fixture
def topology(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Topology]:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path / "home"))
    path = tmp_path / "t.yml"
    path.write_text(
        f"name: {NAME}\nprovider: nspawn\nimage: bookworm\nshows: [quiz]\npartial: true\n"
        "groups:\n  redis: {roles: [redis], count: 1, memory_mb: 128}\n"
    )
    yield load(str(path))
    expiry.end(NAME)
    leftovers.sweep(NAME)


def waits() -> list[int]:
    """The processes that wait to remove it."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"primetime.expiry" in words and any(word.endswith(b"/t.yml") for word in words):
            found.append(int(path.parent.name))
    return found


def test_machines_are_gone_after_their_hour_and_nothing_is_left(topology: Topology) -> None:
    bench = Bench(Path(topology.file))
    bench.run("up", "--yes")
    expiry.begin(topology, at := time.time() + FAR_S)
    assert bench.json("status")["expires"] == pytest.approx(at)
    assert re.search(r"removes itself in (1 h 0|5\d) min", bench.run("status").stdout)
    expiry.begin(topology, time.time())
    wait_for(lambda: leftovers.find(NAME) == [], "it has removed itself", 180)
    wait_for(lambda: waits() == [], "nothing waits")


def test_a_later_hour_takes_the_place_of_an_earlier_one(topology: Topology) -> None:
    expiry.begin(topology, time.time() + FAR_S)
    [first] = waits()
    expiry.begin(topology, later := time.time() + 2 * FAR_S)
    wait_for(lambda: first not in waits(), "the first one, which no longer waits, has ended")
    assert len(waits()) == 1
    assert expiry.of(NAME) == later


def test_down_ends_what_waits_and_leaves_nothing(topology: Topology) -> None:
    expiry.begin(topology, time.time() + FAR_S)
    assert Bench(Path(topology.file)).json("down", "--yes")["left"] == []
    assert (expiry.of(NAME), leftovers.find(NAME)) == (None, [])
    wait_for(lambda: waits() == [], "what no longer waits has ended")


def test_one_that_was_killed_is_not_believed_and_the_next_one_waits(topology: Topology) -> None:
    expiry.begin(topology, time.time() + FAR_S)
    os.kill(waits()[0], signal.SIGKILL)
    wait_for(lambda: expiry.of(NAME) is None, "it is dead")
    expiry.begin(topology, time.time() + FAR_S)
    assert len(waits()) == 1
