"""What `vagrant --machine-readable` prints, as rows. Called by commands; pure.

A line is `time,target,type,data...`. Vagrant writes a comma within a field as `%!(VAGRANT_COMMA)`, line ends as `\\n`
and `\\r`, and a backslash as itself: one before an n of its own reads as a line end. Some commands print a plain copy
of their answer too (`ssh-config`): lines that are no rows are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_LINE = re.compile(r"(\d+),([^,]*),([a-z][a-z0-9-]*)((?:,.*)?)", re.DOTALL)
_COMMA = "%!(VAGRANT_COMMA)"


@dataclass(frozen=True)
class Row:
    """One row; `target` is a machine's name, empty when it is about no machine."""

    time_s: int
    target: str
    kind: str
    data: tuple[str, ...]


def rows(text: str) -> list[Row]:
    """Every row of what vagrant printed."""
    return [row for line in text.splitlines() if (row := parse(line))]


def parse(line: str) -> Row | None:
    """A line's row; None when it is none."""
    found = _LINE.fullmatch(line.rstrip("\r"))
    if found is None:
        return None
    time_s, target, kind, rest = found.groups()
    fields = rest.split(",")[1:]
    return Row(int(time_s), _plain(target), kind, tuple(_plain(field) for field in fields))


def _plain(field: str) -> str:
    return field.replace(_COMMA, ",").replace("\\n", "\n").replace("\\r", "\r")


def by_target(found: Iterable[Row], kind: str) -> dict[str, str]:
    """Machine → the first field of its last row of a kind."""
    return {row.target: row.data[0] if row.data else "" for row in found if row.kind == kind}


def progress(row: Row) -> Iterator[str]:
    """What a row says to people, a line each; nothing for rows that are for programs, and for its counting."""
    if row.kind == "ui" and len(row.data) > 1 and row.data[0] in ("info", "output", "success", "warn"):
        for line in row.data[1].splitlines():
            text = line.removeprefix("==> ").strip()
            if text:
                yield text
