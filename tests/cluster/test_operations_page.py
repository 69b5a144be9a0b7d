"""docs/operations.md on a healthy cluster: each command that only looks does what it says, and exits 0."""

from __future__ import annotations

import pytest

from tests.conftest import Demo
from tests.operations_page import commands


@pytest.mark.parametrize("words", commands("console"), ids=" ".join)
def test_a_command_that_only_looks_exits_0(demo: Demo, words: list[str]) -> None:
    verb, *rest = words
    done = demo.run(verb, *rest)
    assert done.stdout.strip(), "it says something"
