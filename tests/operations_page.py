"""The commands of docs/operations.md and of the alerts' runbooks."""

from __future__ import annotations

import re
import shlex

from primetime.paths import REPO

BLOCK = re.compile(r"^```(console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPERATIONS = "docs/operations.md"
RUNBOOKS = sorted(str(path.relative_to(REPO)) for path in (REPO / "docs" / "runbooks").glob("*.md"))


def page(path: str) -> str:
    """The text of a page."""
    return (REPO / path).read_text()


def commands(kind: str, path: str = OPERATIONS) -> list[list[str]]:
    """The words after `bin/primetime` of each command: `console` only looks, `sh` changes something."""
    lines = [line for found, block in BLOCK.findall(page(path)) if found == kind for line in block.splitlines()]
    return [shlex.split(line.removeprefix("bin/primetime ")) for line in lines]


def of_runbooks(kind: str) -> list[list[str]]:
    """The same of all runbooks together, each command once."""
    every = (tuple(words) for path in RUNBOOKS for words in commands(kind, path))
    return [list(words) for words in dict.fromkeys(every)]
