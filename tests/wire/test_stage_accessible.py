"""The stage's pages under axe-core: no finding that it calls serious or critical, in light and dark, at every size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import selenium_axe_python
from selenium.webdriver.common.by import By

from primetime.stage.audience import Audience
from primetime.stage.snapshot import Node
from tests.browser import chromium
from tests.stage import NODES, Running, Told, stage
from tests.waiting import wait_for
from tests.wire.collector_server import SHOW
from tests.wire.test_stage_browser import SIZES, home, open_, press, saved, sized, text, told  # noqa: F401

pytestmark = pytest.mark.long  # needs Chromium

AXE = (Path(selenium_axe_python.__file__).parent / "axe-core" / "axe.min.js").read_text()
RUN = """
const [done] = arguments
axe.run(document, { resultTypes: ["violations"] }).then((found) => done(found.violations))
"""
GRAVE = ("serious", "critical")
SCHEMES = ("light", "dark")


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as driver:
        yield driver


@pytest.fixture
def running(told: Told) -> Iterator[Running]:  # noqa: F811
    """With a room, something that fails, and something beside the path."""
    told.nodes = [*NODES[:2], Node("store-1", "hbase", "10.0.0.3", ("base",), "cut"), NODES[3]]
    told.nodes += [Node("watch-1", "other", "10.0.0.5", ("base", "monitoring"))]
    with stage(told, audience=Audience(SHOW, [("127.0.0.1", 1)])) as found:
        yield found


def grave(browser: Any) -> list[str]:
    """What axe finds on the page as it stands, a line each."""
    browser.execute_script(AXE)
    return [
        f"{each['impact']}: {each['id']}: {node['html']}: {node['failureSummary']}"
        for each in browser.execute_async_script(RUN)
        for node in each["nodes"]
        if each["impact"] in GRAVE
    ]


def everywhere(browser: Any, look: Callable[[], None] = lambda: None) -> list[str]:
    """The same at each size, light and dark; `look` is called before each."""
    found = []
    for scheme in SCHEMES:
        for width, height in SIZES:
            sized(browser, width, height, scheme, motion="reduce")  # no colour is on its way to another
            look()
            found += [f"{width}, {scheme}: {line}" for line in grave(browser)]
    return found


def test_the_live_page(browser: Any, running: Running) -> None:
    open_(browser, running)
    wait_for(lambda: len(browser.find_elements(By.CSS_SELECTOR, ".host")) == 5, "the map")
    running.hands.hold.set()
    press(browser, "b")
    wait_for(lambda: "sending" in text(browser, "told"), "a burst is being sent")
    assert everywhere(browser) == []
    running.hands.hold.clear()


@pytest.mark.parametrize(
    ("opened", "says"), [("drawer", "Between two shows"), ("node", "End of the log"), ("code", "/vote")]
)
def test_what_opens_over_it(browser: Any, running: Running, opened: str, says: str) -> None:
    open_(browser, running)
    if opened == "node":
        wait_for(lambda: bool(browser.find_elements(By.CSS_SELECTOR, ".host")), "the map")
        browser.find_element(By.CSS_SELECTOR, ".host").click()
    else:
        press(browser, {"drawer": "d", "code": "q"}[opened])
    wait_for(lambda: says in text(browser, opened), "it is open")
    assert everywhere(browser) == []


def test_the_audience_s_page(browser: Any, running: Running) -> None:
    browser.get(f"http://127.0.0.1:{running.port}/vote")
    wait_for(lambda: len(browser.find_elements(By.CSS_SELECTOR, "main button")) == 4, "four choices")
    browser.find_element(By.CSS_SELECTOR, "main button").click()
    wait_for(lambda: "No collector answers" in text(browser, "said"), "it was pressed")
    assert everywhere(browser) == []


def test_a_saved_session(browser: Any, saved: Path) -> None:  # noqa: F811
    browser.get(saved.as_uri())
    wait_for(lambda: "▶ recorded" in text(browser, "contact"), "it plays")
    assert everywhere(browser) == []


def test_a_page_without_its_token(browser: Any, running: Running) -> None:
    browser.get("about:blank")
    browser.get(f"http://localhost:{running.port}/")
    wait_for(lambda: "open the address" in text(browser, "stop").lower(), "what to do", 10)
    assert everywhere(browser) == []
