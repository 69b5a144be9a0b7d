"""A real Prometheus, which knows nothing yet, makes each page whole and takes every expression of theirs and Grafana's.

That they find something on a living cluster is tested there (tests/alerts/test_living_pages.py).
"""

from __future__ import annotations

import html
import json
import re
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from primetime.paths import REPO
from tests.pages import pages
from tests.redis_server import free_port
from tests.waiting import wait_for

TEMPLATES = REPO / "templates" / "monitoring"
PAGES = {page.name: page for page in pages()}
DASHBOARDS = sorted((REPO / "docs" / "grafana").glob("*.json"))


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "prometheus.yml").write_text("")
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        f"--web.console.templates={TEMPLATES / 'consoles'}",
        f"--web.console.libraries={TEMPLATES / 'libraries'}",
        "--log.level=error",
    ]
    process = subprocess.Popen(command)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(lambda: is_ready(url), "Prometheus is ready")
        yield url
    finally:
        process.terminate()
        process.wait()


def is_ready(url: str) -> bool:
    try:
        return bool(fetched(f"{url}/-/ready"))
    except OSError:
        return False


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return str(answer.read().decode())


def takes(prometheus: str, expression: str) -> bool:
    try:
        fetched(f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    except urllib.error.HTTPError:
        return False
    return True


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_made_whole_and_asks_nobody_else(prometheus: str, name: str) -> None:
    text = fetched(f"{prometheus}/consoles/{name}.html")
    assert text.rstrip().endswith("</html>")
    drawn = [html.unescape(each) for each in re.findall(r'data-expr="([^"]*)"', text)]
    assert drawn == [graph.expression for graph in PAGES[name].graphs]
    needed = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert needed and [address for address in needed if re.match(r"[a-z]+:|//", address)] == []
    for address in (address for address in needed if address.endswith((".js", ".css"))):
        assert fetched(f"{prometheus}{address}")


@pytest.mark.parametrize("name", PAGES)
def test_it_takes_every_expression_of_a_page(prometheus: str, name: str) -> None:
    assert [each for each in PAGES[name].expressions if not takes(prometheus, each)] == []


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_it_takes_every_expression_of_a_dashboard(prometheus: str, path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    assert asked and [each for each in asked if not takes(prometheus, each)] == []
