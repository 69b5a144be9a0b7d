"""Every expression of the pages and of Grafana's dashboards finds something on a living cluster."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator

import pytest

from primetime.inventory import live
from primetime.topology import load
from tests.alerts import spool
from tests.conftest import Bench
from tests.grafana import FOLDER
from tests.pages import pages
from tests.waiting import wait_for

pytestmark = pytest.mark.long

THERE_S = 60  # two samples of every counter
ASKED = sorted({expression for page in pages() for expression in page.expressions})
DASHBOARDS = {
    f"{path.stem}: {panel['title']}": target["expr"]
    for path in sorted(FOLDER.glob("*.json"))
    for panel in json.loads(path.read_text())["panels"]
    for target in panel["targets"]
}


@pytest.fixture(scope="module")
def prometheus(watched: Bench) -> Iterator[str]:
    """Where it answers; it has seen some traffic."""
    address, port = live(load(str(watched.topology))).endpoint("monitoring", "prometheus")
    for _ in range(3):
        spool.post(watched, 500)
    yield f"http://{address}:{port}"


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def found(prometheus: str, expression: str) -> list[object]:
    asked = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    return list(json.loads(fetched(asked))["data"]["result"])


@pytest.mark.parametrize("expression", ASKED)
def test_a_page_s_expression_finds_something(watched: Bench, prometheus: str, expression: str) -> None:
    def finds() -> bool:
        spool.post(watched, 10)
        return bool(found(prometheus, expression))

    wait_for(finds, expression, THERE_S)


@pytest.mark.parametrize("title", DASHBOARDS)
def test_a_dashboard_s_expression_finds_something(watched: Bench, prometheus: str, title: str) -> None:
    def finds() -> bool:
        spool.post(watched, 10)
        return bool(found(prometheus, DASHBOARDS[title]))

    wait_for(finds, title, THERE_S)


@pytest.mark.parametrize("name", [page.name for page in pages()])
def test_a_page_has_a_number_in_each_row(prometheus: str, name: str) -> None:
    shown = f"{prometheus}/consoles/{name}.html"
    wait_for(lambda: "nobody says" not in fetched(shown), f"{name}: each row has a number", THERE_S)
