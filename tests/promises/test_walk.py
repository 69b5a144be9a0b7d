"""Every promise of every role, broken by hand: `verify` names exactly that promise and that host, and exits 3.

All of them: `bin/primetime test --all --group promises`; a few, other ones with each commit, in `test`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from primetime.paths import REPO
from primetime.settings import known
from primetime.topology import load
from primetime.verify.judge import ANSWERS
from primetime.verify.promises import everything
from tests import hudson
from tests.conftest import Bench, Demo
from tests.promises.breaking import CONVERGED, Break, do, table, way
from tests.rotation import rotating

SETTLED_S = 120  # a JVM starts, a session ends, a status grows old
QUICK = 3  # in `test`


BESIDE = str(REPO / "tests" / "promises" / "beside.yml")
STAND_IN = str(REPO / "tests" / "promises" / "jenkins.yml")


class Walked(NamedTuple):
    """A promise of an inventory group; `is as converged` stands for one operation of the group."""

    group: str
    sentence: str

    def __str__(self) -> str:
        return f"{self.group}: {self.sentence}"


def walked() -> dict[str, list[Walked]]:
    """Topology → everything that its hosts promise, and one operation of each daemon undone by hand; each once."""
    daemons = [group for group, cls in known().items() if getattr(cls, "services", ())]
    found = [Walked("base", ANSWERS)] + [Walked(promise.group, promise.sentence) for promise in everything()]
    found += [Walked(group, CONVERGED.rstrip(": ")) for group in daemons]
    places: dict[str, list[Walked]] = {}
    for topology in ("demo", BESIDE, STAND_IN):
        groups = set(load(topology).all_groups()) - {walk.group for walks in places.values() for walk in walks}
        places[topology] = [walk for walk in found if walk.group in groups]
    return places


def cases(topology: str, quick: int) -> list[Any]:
    walks = walked()[topology]
    now = rotating("promises broken", walks, quick) if quick else []
    return [pytest.param(*walk, id=str(walk), marks=() if walk in now else pytest.mark.long) for walk in walks]


def the_way(group: str, sentence: str) -> Break:
    promises = {promise.sentence: promise for promise in everything() if promise.group == group}
    found = way(promises[sentence]) if sentence in promises else table(group).get(sentence)
    assert found, f"{group}: {sentence}: tests/unit/test_promises.py says what to write"
    return found


def verify(bench: Bench, *words: str) -> tuple[int, list[dict[str, str]]]:
    done = bench.run("verify", "--json", *words, check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])["failed"]


def until(settled: Callable[[int, list[dict[str, str]]], bool], bench: Bench, *words: str) -> None:
    """Verify until its exit code and what it names are `settled`."""
    ends = time.monotonic() + SETTLED_S
    while not settled(*(told := verify(bench, *words))):
        assert time.monotonic() < ends, f"verify exits {told[0]} and names {told[1]}"


def whole(code: int, failed: list[dict[str, str]]) -> bool:
    return (code, failed) == (0, [])


@pytest.fixture(scope="module")
def mended(demo: Demo) -> Iterator[Demo]:
    """The demo, of which nothing is broken before all this, and after it."""
    until(whole, demo)
    yield demo
    until(whole, demo)


@pytest.fixture(scope="module")
def beside() -> Iterator[Bench]:
    """The roles that the demo has not, nothing broken, as above."""
    bench = Bench(Path(BESIDE))
    try:
        bench.run("up", "--yes")
        bench.run("converge")
        until(whole, bench)
        yield bench
        until(whole, bench)
    finally:
        assert bench.json("down", "--yes")["left"] == []


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Jenkins' role with Hudson in place of Jenkins."""
    file = tmp_path_factory.mktemp("topology") / "jenkins.yml"
    file.write_text(hudson.topology("test-jenkins-walk"))
    bench = Bench(file)
    try:
        hudson.up(bench)
        bench.run("converge")
        until(whole, bench)
        yield bench
        until(whole, bench)
    finally:
        assert bench.json("down", "--yes")["left"] == []


def test_a_promise_is_walked_once() -> None:
    walks = [walk for walks in walked().values() for walk in walks]
    assert len(walks) == len(set(walks))


def test_every_daemon_is_walked_somewhere() -> None:
    daemons = {group for group, cls in known().items() if getattr(cls, "services", ())}
    assert daemons - {walk.group for walks in walked().values() for walk in walks} == set()


@pytest.mark.parametrize(("group", "sentence"), cases("demo", QUICK))
def test_verify_names_exactly_what_was_broken(mended: Demo, group: str, sentence: str) -> None:
    names_exactly(mended, "demo", group, sentence)


@pytest.mark.parametrize(("group", "sentence"), cases(BESIDE, 0))
def test_verify_names_exactly_what_was_broken_beside_the_demo(beside: Bench, group: str, sentence: str) -> None:
    names_exactly(beside, BESIDE, group, sentence)


@pytest.mark.parametrize(("group", "sentence"), cases(STAND_IN, 0))
def test_verify_names_exactly_what_was_broken_of_jenkins(stand_in: Bench, group: str, sentence: str) -> None:
    names_exactly(stand_in, STAND_IN, group, sentence)


def names_exactly(bench: Bench, topology: str, group: str, sentence: str) -> None:
    wrong, node = the_way(group, sentence), load(topology).in_group(group)[0].name
    role = group.replace("_", "/", 1)

    def is_it(broken: dict[str, str]) -> bool:
        if (broken["node"], broken["role"]) != (node, role):
            return False
        return broken["promise"] == sentence or (
            f"{sentence}: " == CONVERGED and broken["promise"].startswith(CONVERGED)
        )

    def follows(broken: dict[str, str]) -> bool:
        on_the_host = f"{broken['role']}: {broken['promise']}"
        anywhere = f"{broken['node']}: {on_the_host}"
        return any(
            fnmatchcase(anywhere, pattern) or (broken["node"] == node and fnmatchcase(on_the_host, pattern))
            for pattern in wrong.also
        )

    def named(code: int, failed: list[dict[str, str]]) -> bool:
        return code == 3 and any(map(is_it, failed)) and all(is_it(broken) or follows(broken) for broken in failed)

    try:
        do(wrong.how, bench, node)
        until(named, bench)
    finally:
        do(wrong.mend, bench, node)
        until(whole, bench, "--node", node)
