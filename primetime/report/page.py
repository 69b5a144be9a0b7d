"""The report of a show as HTML: one file that needs nothing else. page.html.j2 has most words."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from primetime import paper
from primetime.report import chart
from primetime.report.evening import Evening

ROOM = paper.Drawing(chart.WIDTH, chart.HEIGHT, chart.LEFT, chart.TOP)


@dataclass(frozen=True)
class Verdict:
    """What the page says first."""

    headline: str
    sentence: str
    good: bool


def page(evening: Evening, written: datetime, revision: str) -> str:
    """The page; all moments in UTC."""
    return paper.render(
        __package__,
        "page.html.j2",
        {"moment": lambda at: f"{at:%Y-%m-%d %H:%M:%S}", "clock": lambda at: f"{at:%H:%M:%S}"},
        evening=evening,
        verdict=verdict(evening),
        room=ROOM,
        written=written,
        revision=revision,
    )


def verdict(evening: Evening) -> Verdict:
    """Only rehearsals prove that nothing is missing; without one the page says so."""
    every = [each.certificate for each in evening.rehearsals]
    acked = sum(each.acked for each in every)
    failed = [each.run for each in every if not each.passed]
    pages = {each.name for each in evening.fired or () if each.severity == "page"}
    woken = f" Somebody was called: {', '.join(sorted(pages))}." if pages else ""
    if failed:
        missing = sum(each.missing for each in every)
        headline = f"{missing:,} missing" if missing else f"{len(failed)} of {len(every)} rehearsals failed"
        return Verdict(headline, f"Look at {', '.join(failed)}.{woken}", good=False)
    if every:
        runs = "1 rehearsal" if len(every) == 1 else f"{len(every)} rehearsals"
        words = f"Each of the {acked:,} updates that were acknowledged in {runs} was found again by its id.{woken}"
        return Verdict("Nothing is missing", words, good=True)
    words = (
        "There was no rehearsal in this time, so nothing was compared id by id: `bin/primetime ledger` says whether "
        f"anything is missing now.{woken}"
    )
    return Verdict("Not proved", words, good=not pages)
