"""docs/operations.md names commands that exist."""

from __future__ import annotations

import re

import pytest

from primetime.cli import _parser
from primetime.paths import REPO
from tests.operations_page import commands

EVERY = commands("console") + commands("sh")
# in sentences and tables too: `bin/primetime VERB ...`
MENTIONED = re.findall(r"`bin/primetime ([^`]+)`", (REPO / "docs" / "operations.md").read_text())


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_the_command_is_one(words: list[str]) -> None:
    assert _parser(words).parse_args(words).verb == words[0]


@pytest.mark.parametrize("mentioned", sorted(set(MENTIONED)))
def test_what_is_mentioned_is_a_command_too(mentioned: str) -> None:
    words = mentioned.split()
    assert _parser(words).parse_args(words).verb == words[0]
