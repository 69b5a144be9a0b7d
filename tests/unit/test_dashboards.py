"""The pages of Prometheus, and Grafana's dashboards, which are made from them."""

from __future__ import annotations

import json

import pytest

from tests.grafana import FOLDER, written
from tests.pages import Graph, Page, Row, page, pages

PAGES = {each.name: each for each in pages()}
TEMPLATE = """{{ template "head" "Some" }}
{{ template "row" (args "a" "sum(a{x='y'})" "0") }}
{{ template "graph" (args "b" "bytes" "rate(b_total[1m])" "[[ node ]]") }}
"""


def test_a_template_is_read_as_what_it_shows() -> None:
    row, graph = Row("a", "sum(a{x='y'})", "0"), Graph("b", "bytes", "rate(b_total[1m])", "[[ node ]]")
    assert page("some", TEMPLATE) == Page("some", "Some", (row,), (graph,))


@pytest.mark.parametrize("name", PAGES)
def test_nothing_that_a_page_shows_is_left_unread(name: str) -> None:
    text = (FOLDER.parents[1] / "templates" / "monitoring" / "consoles" / f"{name}.html").read_text()
    told = len(PAGES[name].rows) + len(PAGES[name].graphs)
    assert told == text.count('template "row"') + text.count('template "graph"')


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_led_to_from_every_other(name: str) -> None:
    library = (FOLDER.parents[1] / "templates" / "monitoring" / "libraries" / "page.lib").read_text()
    assert f'<a href="{name}.html">{PAGES[name].title}</a>' in library


def test_grafana_s_dashboards_are_what_the_pages_say() -> None:
    found = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert found == written(), "write them anew: python -m tests.grafana"


@pytest.mark.parametrize("name", written())
def test_a_dashboard_asks_what_its_page_asks(name: str) -> None:
    panels = json.loads(written()[name])["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    assert asked == PAGES[name.removesuffix(".json")].expressions
