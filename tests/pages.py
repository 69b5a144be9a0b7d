"""What the pages of Prometheus show, read from their templates: the one place where it is said."""

from __future__ import annotations

import re
from dataclasses import dataclass

from primetime.paths import REPO

FOLDER = REPO / "templates" / "monitoring" / "consoles"
_TITLE = re.compile(r'\{\{ template "head" "([^"]+)" \}\}')
_SHOWN = re.compile(r'\{\{ template "(row|graph)" \(args ((?:"[^"]*" ?)+)\) \}\}')


@dataclass(frozen=True)
class Row:
    """A line of a page's table: one number, and when it is well."""

    title: str
    expression: str
    well: str


@dataclass(frozen=True)
class Graph:
    """Lines over time, in `unit`; `line` names one, with `[[ label ]]` in it."""

    title: str
    unit: str
    expression: str
    line: str


@dataclass(frozen=True)
class Page:
    """A page by its file's name."""

    name: str
    title: str
    rows: tuple[Row, ...]
    graphs: tuple[Graph, ...]

    @property
    def expressions(self) -> list[str]:
        return [each.expression for each in (*self.rows, *self.graphs)]


def page(name: str, text: str) -> Page:
    """A page from its template."""
    shown = [(kind, re.findall(r'"([^"]*)"', words)) for kind, words in _SHOWN.findall(text)]
    return Page(
        name,
        _TITLE.findall(text)[0],
        tuple(Row(*words) for kind, words in shown if kind == "row"),
        tuple(Graph(*words) for kind, words in shown if kind == "graph"),
    )


def pages() -> list[Page]:
    """All of them, in order of their names."""
    return [page(path.stem, path.read_text()) for path in sorted(FOLDER.glob("*.html"))]
