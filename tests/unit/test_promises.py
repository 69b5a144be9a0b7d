"""No promise without a way to break it: a promise that nothing can break says nothing."""

from __future__ import annotations

import pytest

from primetime.settings import known
from primetime.verify.judge import ANSWERS
from primetime.verify.promises import Promise, everything
from tests.promises.breaking import CONVERGED, table, way

ALL = everything()
DAEMONS = [group for group, cls in known().items() if getattr(cls, "services", ())]


def where(group: str) -> str:
    """The table that a group's ways to be broken stand in."""
    role, _, daemon = group.partition("_")
    return f"{daemon.upper() or 'BREAKS'} in tests/promises/{role}.py"


@pytest.mark.parametrize("promise", ALL, ids=lambda promise: f"{promise.role}: {promise.sentence}")
def test_a_promise_can_be_broken(promise: Promise) -> None:
    assert way(promise), (
        f"nobody has said how to break what {promise.check.__module__}.{promise.check.__name__} promises: write\n"
        f'    "{promise.sentence}": Break("COMMAND THAT BREAKS IT", "COMMAND THAT MENDS IT"),\n'
        f"into {where(promise.group)} (shell commands on a host; a third argument, a tuple, names consequences:\n"
        f'"{promise.role}: another promise"; tests/promises/breaking.py has changed(), mode(), overridden(), ...), '
        "and see it work:\n"
        f"    bin/primetime test --all -- tests/promises -k '{promise.sentence}'"
    )


@pytest.mark.parametrize("group", DAEMONS)
def test_an_operation_of_each_daemon_can_be_undone(group: str) -> None:
    sentence = CONVERGED.rstrip(": ")
    assert sentence in table(group), (
        f"nobody has said how something of {group} is no longer as converged: write\n"
        f'    "{sentence}": changed("/ITS/CONFIGURATION", "$ a # by hand", "{group}: {CONVERGED}THE OPERATION"),\n'
        f"into {where(group)}"
    )


@pytest.mark.parametrize("group", known())
def test_a_table_breaks_what_is_promised(group: str) -> None:
    promised = {promise.sentence for promise in ALL if promise.group == group} | {ANSWERS, CONVERGED.rstrip(": ")}
    assert set(table(group)) - promised == set(), f"{where(group)} names promises that nobody makes (any more)"
