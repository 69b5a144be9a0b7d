"""The certificate as a page for people: one file that needs nothing else, light and dark, with the curve of the burst.

Called by `rehearse`, which writes it beside the certificate. page.html.j2 has the words, this the numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from primetime import paper
from primetime.rehearsal.certificate import Certificate
from primetime.rehearsal.circumstances import Circumstances

WIDTH, HEIGHT = paper.BURST.inner_width, paper.BURST.inner_height
LEFT, TOP = paper.BURST.left, paper.BURST.top
MOST_BARS = 240
TICKS = 4


@dataclass(frozen=True)
class Bar:
    """Updates answered in one step of time, as a rectangle of the drawing."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True)
class Curve:
    """Bars, the lines with their labels: (place, text), and the points of the line of what is stored."""

    bars: list[Bar]
    rows: list[tuple[float, str]]
    columns: list[tuple[float, str]]
    marks: list[tuple[float, str]]
    stored: str
    step_s: float


def page(
    certificate: Certificate,
    per_tenth: Sequence[int],
    circumstances: Circumstances | None,
    shipped: Sequence[tuple[float, int]] = (),
) -> str:
    """The page as HTML. `per_tenth`: updates answered in each 100 ms; per second when that was not kept. `shipped`:
    seconds since the first byte, and how many were stored by then."""
    return paper.render(
        __package__,
        "page.html.j2",
        certificate=certificate,
        circumstances=circumstances,
        curve=of_burst(certificate, per_tenth, shipped),
    )


def of_burst(certificate: Certificate, per_tenth: Sequence[int], shipped: Sequence[tuple[float, int]]) -> Curve:
    """The drawing of a certified burst; the parameters are those of `page`."""
    counts, step_s = (per_tenth, 0.1) if per_tenth else (certificate.per_second, 1.0)
    return curve(counts, step_s, certificate.stored_seconds, shipped)


def curve(
    counts: Sequence[int], step_s: float, stored_s: float | None, shipped: Sequence[tuple[float, int]] = ()
) -> Curve:
    """The drawing of so many updates a step; a long burst is drawn in larger steps. `stored_s` is marked, and `shipped`
    drawn as the part of all of them: from the base to the top."""
    factor = -(-len(counts) // MOST_BARS) or 1
    sums = [sum(counts[start : start + factor]) for start in range(0, len(counts), factor)]
    step_s *= factor
    span_s = max(len(sums) * step_s, (stored_s or 0) * 1.02, step_s)
    top = _round_up(max(sums, default=0))
    per_s, per_update = WIDTH / span_s, HEIGHT / top
    bars = [
        Bar(
            x=round(LEFT + place * step_s * per_s, 1),
            y=round(TOP + HEIGHT - count * per_update, 1),
            width=round(max(step_s * per_s - 1, 0.8), 1),
            height=round(count * per_update, 1),
            title=f"{count:,} from {place * step_s:.1f} s to {(place + 1) * step_s:.1f} s",
        )
        for place, count in enumerate(sums)
        if count
    ]
    rows = [(TOP + HEIGHT * (1 - tick / TICKS), f"{top * tick // TICKS:,}") for tick in range(TICKS + 1)]
    seconds = max(1, -(-int(span_s) // 12))
    columns = [(LEFT + at * per_s, f"{at} s") for at in range(0, int(span_s) + 1, seconds)]
    marks = [(LEFT + stored_s * per_s, f"last one readable, {stored_s:.2f} s")] if stored_s else []
    return Curve(bars, rows, columns, marks, _stored_line(shipped, sum(counts), span_s), round(step_s, 1))


def _stored_line(shipped: Sequence[tuple[float, int]], all_: int, span_s: float) -> str:
    """The points of an SVG polyline; none without a measurement."""
    inside = [(at, min(events, all_)) for at, events in shipped if 0 <= at <= span_s]
    if not inside or not all_:
        return ""
    points = [(0.0, 0), *inside]
    return " ".join(f"{LEFT + at / span_s * WIDTH:.1f},{TOP + HEIGHT * (1 - part / all_):.1f}" for at, part in points)


def _round_up(value: int) -> int:
    """The next of 4, 8, 12, 20, 40, ...: four rows of it have whole numbers."""
    scale = 1
    while True:
        for step in (4, 8, 12, 16, 20, 24, 32):
            if step * scale >= value:
                return step * scale
        scale *= 10
