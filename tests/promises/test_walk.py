"""Every promise of every role, broken by hand: `verify` names exactly that promise and that host, and exits 3.

All of them: `bin/primetime test --all --group promises`.
"""

from __future__ import annotations

import json
import time
from fnmatch import fnmatchcase
from typing import Any

import pytest

from primetime.settings import known
from primetime.topology import load
from primetime.verify.judge import ANSWERS
from primetime.verify.promises import everything
from tests.conftest import Demo
from tests.promises.breaking import CONVERGED, Break, do, table, way

SETTLED_S = 120  # a JVM starts, a session ends, a status grows old
Walked = tuple[str, str]  # inventory group, promise; `is as converged` stands for one operation of the group


def walked() -> list[Walked]:
    """Everything that the demo's hosts promise, and one operation of each daemon undone by hand."""
    here = set(load("demo").all_groups())
    daemons = [group for group, cls in known().items() if getattr(cls, "services", ())]
    found = [("base", ANSWERS)] + [(promise.group, promise.sentence) for promise in everything()]
    found += [(group, CONVERGED.rstrip(": ")) for group in daemons]
    return [(group, sentence) for group, sentence in found if group in here]


def cases() -> list[Any]:
    return [pytest.param(*case, id=f"{case[0]}: {case[1]}", marks=pytest.mark.long) for case in walked()]


def the_way(group: str, sentence: str) -> Break:
    promises = {promise.sentence: promise for promise in everything() if promise.group == group}
    found = way(promises[sentence]) if sentence in promises else table(group).get(sentence)
    assert found, f"{group}: {sentence}: tests/unit/test_promises.py says what to write"
    return found


def verify(demo: Demo) -> tuple[int, list[dict[str, str]]]:
    done = demo.run("verify", "--json", check=False)
    return done.returncode, json.loads(done.stdout.splitlines()[-1])["failed"]


def test_a_promise_is_walked_once() -> None:
    assert len(walked()) == len(set(walked()))


@pytest.mark.parametrize(("group", "sentence"), cases())
def test_verify_names_exactly_what_was_broken(demo: Demo, group: str, sentence: str) -> None:
    wrong, node = the_way(group, sentence), load("demo").in_group(group)[0].name
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

    try:
        do(wrong.how, demo, node)
        ends = time.monotonic() + SETTLED_S
        while True:
            code, failed = verify(demo)
            strangers = [broken for broken in failed if not is_it(broken) and not follows(broken)]
            if code == 3 and any(map(is_it, failed)) and not strangers:
                break
            assert time.monotonic() < ends, f"verify exits {code} and names {failed}"
    finally:
        do(wrong.mend, demo, node)
        ends = time.monotonic() + SETTLED_S
        while (told := verify(demo)) != (0, []):
            assert time.monotonic() < ends, f"mended, and verify still names {told}"
