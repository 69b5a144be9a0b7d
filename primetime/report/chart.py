"""Lines over time as SVG: numbers in, places on a drawing out. Called by evening; page.html.j2 has the elements.

Our own, since a report is one file that needs nothing else and is drawn like the certificate; a plotting library brings
its own fonts, scripts or bitmaps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from primetime.report.prometheus import Series
from primetime.report.window import Window

WIDTH, HEIGHT, LEFT, TOP = 860, 180, 64, 14
ROWS, COLUMNS = 4, 8
GAP = 3.0  # a line is broken where so many steps have no value
SPANS_S = (10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800)  # between two labels of the time


@dataclass(frozen=True)
class Line:
    """One series: its name, the SVG path, its largest value, and the number of its look (a dash beside the colour)."""

    name: str
    path: str
    most: str
    look: int


@dataclass(frozen=True)
class Chart:
    """`rows` and `columns`: (place, text); `marks`: (place, text) of rehearsals; no lines when nothing was told."""

    title: str
    unit: str
    lines: list[Line]
    rows: list[tuple[float, str]]
    columns: list[tuple[float, str]]
    marks: list[float]


def chart(
    title: str, unit: str, series: Sequence[tuple[str, Series]], window: Window, step_s: float, marks_s: Sequence[float]
) -> Chart:
    """A drawing of named series. `marks_s`: seconds since the window's begin at which a rehearsal began."""
    most = max((value for _, each in series for _, value in each.points), default=0.0)
    top = rounded_up(most)
    lines = [
        Line(name, _path(each, window.seconds, top, step_s), _text(max(value for _, value in each.points)), look)
        for look, (name, each) in enumerate(series)
        if each.points
    ]
    rows = [(TOP + HEIGHT * (1 - row / ROWS), _text(top * row / ROWS)) for row in range(ROWS + 1)]
    places = [round(LEFT + at / window.seconds * WIDTH, 1) for at in marks_s]
    return Chart(title, unit, lines, rows, _columns(window), places)


def rounded_up(most: float) -> float:
    """The next of 1, 2, 4, 8 times a power of ten, which four rows divide well; 4 when there is nothing."""
    if most <= 0:
        return 4.0
    scale = 10.0 ** math.floor(math.log10(most))
    return next((step * scale for step in (1, 2, 4, 8) if step * scale >= most), 10 * scale)


def _path(series: Series, span_s: float, top: float, step_s: float) -> str:
    words, last = [], -math.inf
    for at, value in series.points:
        command = "L" if at - last <= GAP * step_s else "M"
        words.append(f"{command}{LEFT + at / span_s * WIDTH:.1f} {TOP + HEIGHT * (1 - value / top):.1f}")
        last = at
    return " ".join(words)


def _columns(window: Window) -> list[tuple[float, str]]:
    every = next((span for span in SPANS_S if window.seconds / span <= COLUMNS), 86400)
    first = math.ceil(window.since.timestamp() / every) * every - window.since.timestamp()
    shown = "%H:%M:%S" if every < 60 else "%H:%M"
    found, at = [], first
    while at <= window.seconds:
        found.append((round(LEFT + at / window.seconds * WIDTH, 1), f"{window.since + timedelta(seconds=at):{shown}}"))
        at += every
    return found


def _text(value: float) -> str:
    for unit, scale in (("M", 1e6), ("k", 1e3)):
        if value >= 10 * scale or (scale == 1e6 and value >= scale):
            return f"{value / scale:,.1f}".removesuffix(".0") + f" {unit}"
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
