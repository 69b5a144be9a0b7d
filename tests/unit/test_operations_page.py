"""docs/operations.md and the runbooks name commands that exist."""

from __future__ import annotations

import re

import pytest

from primetime.cli import _parser
from tests.operations_page import OPERATIONS, RUNBOOKS, commands, of_runbooks, page

EVERY = commands("console") + commands("sh") + of_runbooks("console") + of_runbooks("sh")
# in sentences and tables too: `bin/primetime VERB ...`
MENTIONED = [words for path in (OPERATIONS, *RUNBOOKS) for words in re.findall(r"`bin/primetime ([^`]+)`", page(path))]


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_the_command_is_one(words: list[str]) -> None:
    assert _parser(words).parse_args(words).verb == words[0]


@pytest.mark.parametrize("mentioned", sorted(set(MENTIONED)))
def test_what_is_mentioned_is_a_command_too(mentioned: str) -> None:
    words = mentioned.split()
    assert _parser(words).parse_args(words).verb == words[0]
