"""The commands of docs/operations.md."""

from __future__ import annotations

import re
import shlex

from primetime.paths import REPO

BLOCK = re.compile(r"^```(console|sh)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(kind: str) -> list[list[str]]:
    """The words after `bin/primetime` of each command: `console` only looks, `sh` changes something."""
    text = (REPO / "docs" / "operations.md").read_text()
    lines = [line for found, block in BLOCK.findall(text) if found == kind for line in block.splitlines()]
    return [shlex.split(line.removeprefix("bin/primetime ")) for line in lines]
