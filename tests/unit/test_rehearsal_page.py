"""The certificate's page: what it says, and that it needs nothing but itself."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest

from primetime.rehearsal.certificate import Certificate
from primetime.rehearsal.circumstances import Circumstances
from primetime.rehearsal.page import HEIGHT, LEFT, MOST_BARS, TOP, WIDTH, curve, page

PASSED = Certificate(
    **{"run": "01M87KBAJHAA2PA8MW", "show": "quiz-20261121", "started": "2026-11-24T20:18:24.977+00:00"},
    **{"batch": 10, "connections": 64, "sent": 2000, "acked": 2000, "refused": 0, "unanswered": 0, "stored": 2000},
    **{"unacked_stored": 0, "duplicates": 0, "conflicts": 0, "dead_lettered": 0, "missing": 0, "missing_ids": []},
    **{"accept_seconds": 1.99, "stored_seconds": 3.25, "p50_ms": 0.7, "p99_ms": 12.0, "per_second": [1100, 900]},
)  # type: ignore[arg-type]
FAILED = replace(PASSED, missing=1, missing_ids=["01M87KBAJHAA2PA8MW00000007"], stored=1999, stored_seconds=None)
WHERE = Circumstances(
    "demo", "nspawn", {"cores": "2", "kernel": "6.1"}, {"nginx": "1.22.1"}, [("store-1", 2304, "base <hbase>")]
)


def drawn(text: str) -> ElementTree.Element:
    return ElementTree.fromstring(text[text.index("<svg") : text.index("</svg>") + 6])


def test_the_verdict_comes_first() -> None:
    assert "<h1>Passed: nothing is missing</h1>" in page(PASSED, [], WHERE)
    failed = page(FAILED, [], WHERE)
    assert "<h1>Failed: 1 missing</h1>" in failed
    assert "01M87KBAJHAA2PA8MW00000007" in failed
    nothing = replace(
        PASSED, acked=0, accept_seconds=None, stored_seconds=None, p50_ms=None, p99_ms=None, per_second=[]
    )
    assert "Nothing was acknowledged" in page(nothing, [], WHERE)


def test_it_names_machine_versions_topology_batch_and_connections() -> None:
    text = re.sub(r"<[^>]+>", " ", page(PASSED, [], WHERE))
    for said in ("cores 2", "kernel 6.1", "nginx 1.22.1", "demo (nspawn)", "updates a request 10", "connections 64"):
        assert said in re.sub(r"\s+", " ", text), said


def test_it_loads_nothing_and_has_light_and_dark() -> None:
    text = page(PASSED, [], WHERE)
    assert not re.search(r"(src|href)=|url\(|@import|<script", text)
    assert "prefers-color-scheme: dark" in text


def test_what_is_not_ours_is_escaped() -> None:
    assert "base &lt;hbase&gt;" in page(PASSED, [], WHERE)


def test_a_run_of_which_the_circumstances_were_not_kept_has_a_page_too() -> None:
    assert "Accounted for" in page(PASSED, [], None)


def test_the_curve_has_a_bar_for_each_tenth_of_a_second_and_marks_when_all_was_readable() -> None:
    drawing = drawn(page(PASSED, [100, 0, 300], WHERE))
    bars = drawing.findall("rect")
    assert [bar.findtext("title") for bar in bars] == ["100 from 0.0 s to 0.1 s", "300 from 0.2 s to 0.3 s"]
    assert any(text.text == "last one readable, 3.25 s" for text in drawing.findall("text"))


def test_without_tenths_the_bars_are_seconds() -> None:
    assert len(drawn(page(PASSED, [], WHERE)).findall("rect")) == 2


@pytest.mark.parametrize("steps", [0, 1, 7, 240, 241, 6000])
def test_a_curve_of_any_length_stays_in_its_frame(steps: int) -> None:
    drawing = curve([number % 97 for number in range(steps)], 0.1, None)
    assert len(drawing.bars) <= MOST_BARS
    assert all(bar.x >= LEFT and bar.x + bar.width <= LEFT + WIDTH + 0.5 for bar in drawing.bars)
    assert all(bar.height <= HEIGHT for bar in drawing.bars)
    assert sum(int(bar.title.split()[0].replace(",", "")) for bar in drawing.bars) == sum(n % 97 for n in range(steps))


def test_what_was_stored_is_a_line_from_nothing_to_all() -> None:
    drawing = drawn(page(PASSED, [1000, 1000], WHERE, [(-0.1, 0), (1.625, 500), (3.25, 2000), (9.9, 2000)]))
    (line,) = drawing.findall("polyline")
    points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
    span = 3.25 * 1.02
    assert points == [
        (LEFT, TOP + HEIGHT),
        (round(LEFT + WIDTH * 1.625 / span, 1), TOP + HEIGHT * 3 / 4),
        (round(LEFT + WIDTH * 3.25 / span, 1), TOP),
    ]


def test_without_a_measurement_there_is_no_line() -> None:
    assert drawn(page(PASSED, [1000, 1000], WHERE)).findall("polyline") == []
