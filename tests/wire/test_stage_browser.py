"""The stage in Debian's Chromium: numbers move, keys work, nothing is asked of elsewhere, the layout holds."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from primetime.stage import moments, watch
from primetime.stage.audience import Audience
from primetime.stage.bill import capacity, price_of
from primetime.stage.snapshot import Node, Poll, Proof
from primetime.stage.watch import Billing
from primetime.topology import load
from tests.browser import chromium
from tests.stage import NODES, Running, Told, stage
from tests.waiting import wait_for
from tests.wire.collector_server import SHOW, collector

pytestmark = pytest.mark.long  # needs Chromium

NOW_MS = time.time_ns() // 1_000_000
SIZES = ((1280, 720), (1920, 1080), (390, 844))
OVERFLOWING = """
const words = ["header *", ".hero p:not(#counted)", ".proof dd", ".proof dt", "#buttons button", ".phones b",
  ".host .state", "#choices span"].join()
return [...document.querySelectorAll(words)]
  .filter((each) => each.offsetParent && getComputedStyle(each).display !== "inline")
  .filter((each) => each.scrollWidth > each.clientWidth + 1)
  .map((each) => `${each.className || each.tagName}: ${each.textContent}`)
"""
OUTSIDE = """
return [...document.querySelectorAll("body *")].filter((each) => each.offsetParent && !each.closest("dialog"))
  .map((each) => [each.id || each.className || each.tagName, each.getBoundingClientRect()])
  .filter(([, box]) => box.width && (box.right > innerWidth + 1 || box.left < -1))
  .map(([name]) => name)
"""
OVERLAPPING = """
const apart = "header, .hero, .map, .poll, .proof, .moments, #buttons button, .host, .phones"
const boxes = [...document.querySelectorAll(apart)].map((each) => [each, each.getBoundingClientRect()])
return boxes.flatMap(([a, one], place) => boxes.slice(place + 1)
  .filter(([b]) => !a.contains(b) && !b.contains(a))
  .filter(([, two]) => one.left < two.right - 1 && two.left < one.right - 1)
  .filter(([, two]) => one.top < two.bottom - 1 && two.top < one.bottom - 1)
  .map(([b]) => `${a.className || a.textContent} over ${b.className || b.textContent}`))
"""
CUT_OFF = """
return [...document.querySelectorAll(".map, .poll, .hero, .proof, .moments")]
  .filter((each) => each.scrollHeight > each.clientHeight + 1).map((each) => each.className)
"""
CUT_LINES = """
return [...document.querySelectorAll("#told, #told p")]
  .filter((each) => each.scrollWidth > each.clientWidth + 1 || each.scrollHeight > each.clientHeight + 1)
  .map((each) => each.textContent)
"""
# What a slow machine with two collectors makes of each.
LONGEST = {
    "burst": "100,000 updates asked for in 5 s. 100,000 accepted in 12.3 s, the last one stored after 113.6 s. "
    "0 missing.",
    "vote": "2,000 phones voted within 19.6 s, and each counts once: A leads with 1,858. 2,000 missing.",
    "add": "collector-2: made in 12.2 s, converged in 149.2 s, verified in 19.3 s. It took 1,990 of 2,000 updates. "
    "2,000 accepted in 11.9 s, the last one stored after 12.8 s. 0 missing.",
    "remove": "collector-2 was empty after 10.9 s, and then removed. 0 missing. 12 problems, the first: "
    "01M8MWQDEF2P6P9KSXQKGNF1Y5-w00-0000000011",
    "kill": "collector-1 was dead for 3 s, its disk kept. It accepts again 11.8 s after its start; "
    "C counts what it had acknowledged.",
    "unplug": "store-1 was unplugged for 8 s: 100,415 updates waited on disk. "
    "All stored 117.9 s after it was plugged in.",
    "fill": "The disk of collector-1 was full: phones heard 503 for 18 s and sent again. "
    "It accepts again 12.4 s after it got its room back.",
    "count": "1,304,000 acknowledged ids of 20 rehearsals compared one by one with what is stored. 0 missing.",
    "verify": "610 promises looked at, 110 not kept.",
    "reset": "Back in the seeded state after 118.6 s: 20,013 updates, sha256 b53e54629afc… "
    "Beside it, sent meanwhile: 100,000 events of other shows, 12 keys of Redis.",
}
FOCUSED = """
const { dataset, id } = document.activeElement
return dataset.node || dataset.moment || id
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(watch, "BOOKS_S", 0.2)


@pytest.fixture
def told() -> Told:
    return Told(
        poll=Poll("q1", (("a", 40_123), ("b", 28_571), ("c", 14_286), ("d", 14_285))),
        proof=Proof(sent=1_000_000, stored=1_000_000, at_ms=NOW_MS, checked_ms=NOW_MS),
    )


@pytest.fixture
def running(told: Told) -> Iterator[Running]:
    with stage(told) as found:
        yield found


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("browser") / "profile") as driver:
        yield driver


def sized(browser: Any, width: int, height: int, scheme: str = "light", motion: str = "no-preference") -> None:
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    features = [("prefers-color-scheme", scheme), ("prefers-reduced-motion", motion)]
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": name, "value": value} for name, value in features]}
    )


def open_(browser: Any, running: Running, width: int = 1280, height: int = 720) -> None:
    sized(browser, width, height)
    browser.get("about:blank")
    browser.get(running.url)
    wait_for(lambda: "live" in text(browser, "contact"), "the page is live")


def text(browser: Any, id_: str) -> str:
    return str(browser.execute_script("return document.getElementById(arguments[0])?.textContent ?? ''", id_))


def press(browser: Any, *keys: str) -> None:
    browser.find_element(By.TAG_NAME, "body").send_keys(*keys)


def test_the_number_moves_and_the_token_does_not_stay_in_the_address(browser: Any, running: Running) -> None:
    open_(browser, running)
    assert running.token not in browser.current_url
    wait_for(lambda: running.watch.looks > 4, "it is read")
    running.told.total = 61_234
    wait_for(lambda: text(browser, "last") == "61,234", "the number is there")
    assert text(browser, "goal") == "of 100,000"
    assert "1:10" in text(browser, "scale")
    assert "61,234 since first opened · counted by a test" in text(browser, "counted")


def test_it_asks_nobody_but_the_stage(browser: Any, running: Running) -> None:
    open_(browser, running)
    asked = browser.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)")
    assert asked
    assert [each for each in asked if not each.startswith(f"http://127.0.0.1:{running.port}/")] == []


def test_a_key_begins_a_moment_and_its_line_is_told(browser: Any, running: Running) -> None:
    open_(browser, running)
    press(browser, "b")
    wait_for(lambda: "0 missing." in text(browser, "told"), "the burst's line")
    assert running.hands.did == ["burst 100000"]


def test_a_refusal_is_told(browser: Any, running: Running) -> None:
    running.hands.busy = "`converge` (pid 7)"
    open_(browser, running)
    press(browser, "k")
    wait_for(lambda: "`converge` (pid 7) is at work" in text(browser, "told"), "why not")


def test_a_fault_s_line_stands_beside_its_burst_s_and_neither_is_cut(browser: Any, running: Running) -> None:
    open_(browser, running)
    running.hands.hold.set()
    press(browser, "u")
    wait_for(lambda: "has no cable" in text(browser, "told"), "the fault's line")
    press(browser, "b")
    wait_for(lambda: "sending" in text(browser, "told"), "the burst's line")
    assert "has no cable" in text(browser, "told")
    assert browser.execute_script(CUT_LINES) == []
    running.hands.hold.clear()
    wait_for(lambda: "0 missing." in text(browser, "told"), "the burst's end")
    assert "has no cable" in text(browser, "told")
    assert browser.execute_script(CUT_LINES) == []


@pytest.mark.parametrize("moment", moments.MOMENTS, ids=lambda moment: moment.id)
def test_a_moment_s_longest_line_is_read_whole(browser: Any, running: Running, moment: moments.Moment) -> None:
    said = LONGEST[moment.id]
    running.director._set(moment, "done", said, 1)
    open_(browser, running)
    wait_for(lambda: said in text(browser, "told"), "its line")
    for width, height in SIZES:
        sized(browser, width, height)
        assert browser.execute_script(CUT_LINES) == []


def test_the_reset_is_in_the_drawer_and_pressed_twice(browser: Any, running: Running) -> None:
    open_(browser, running)
    press(browser, "d")
    button = browser.find_element(By.ID, "reset")
    button.click()
    wait_for(lambda: button.text == "Press again to reset", "it asks again")
    assert running.hands.did == []
    button.click()
    wait_for(lambda: "Back in the seeded state after" in text(browser, "reset-says"), "its line")
    assert running.hands.did == ["reset"]


def test_what_an_hour_costs_and_when_it_is_over_stand_on_the_page(browser: Any, running: Running) -> None:
    demo = load("demo")
    running.watch.billing = Billing("demo", "quiz", 10, price=price_of(demo), capacity=capacity(demo))
    running.watch._expiry = Ends(time.time() + 7_000)
    open_(browser, running)
    wait_for(lambda: text(browser, "expiry").startswith("removes itself in 1:56:"), "the clock")
    assert re.fullmatch(r"on EC2 \$\d+\.\d\d an hour, up to \$\d+\.\d\d during a show", text(browser, "price"))
    press(browser, "d")
    row = "return document.querySelector('#capacity tbody tr')?.innerText ?? ''"
    group = ["collector", "1", "2", "to", "12", "c6i.large"]
    wait_for(lambda: browser.execute_script(row).split()[:6] == group, "a group")
    browser.find_element(By.ID, "stay").click()
    wait_for(lambda: running.hands.did == ["stay 3600"], "an hour more")


@dataclass
class Ends:
    """A topology that removes itself."""

    at_s: float

    def at_ms(self) -> int:
        return int(self.at_s * 1000)


def test_everything_is_reached_by_tab_and_a_machine_opens_by_enter(browser: Any, running: Running) -> None:
    open_(browser, running)
    wait_for(lambda: len(browser.find_elements(By.CSS_SELECTOR, ".host")) == 4, "the map")
    browser.execute_script("document.activeElement.blur()")
    reached = []
    for _ in range(13):
        press_active(browser, Keys.TAB)
        reached.append(browser.execute_script(FOCUSED))
    assert {"collector-1", "store-1", "redis-1", "burst", "kill", "unplug", "open-drawer"} <= set(reached)
    browser.execute_script("document.querySelector('[data-node=\"store-1\"]').focus()")
    press_active(browser, Keys.ENTER)
    wait_for(lambda: "a line" in text(browser, "node-body"), "the end of its log")
    press_active(browser, "b")
    press_active(browser, Keys.ESCAPE)
    assert not browser.execute_script("return document.getElementById('node').open")
    assert running.hands.did == []


def press_active(browser: Any, key: str) -> None:
    browser.switch_to.active_element.send_keys(key)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_the_layout_holds_at_every_size(browser: Any, told: Told, shared: bool, scheme: str, tmp_path: Path) -> None:
    """Screenshots go to STAGE_SCREENSHOTS, to be looked at."""
    with stage(told, audience=Audience(SHOW, [("127.0.0.1", 1)]) if shared else None) as running:
        holds(browser, running, Path(os.environ.get("STAGE_SCREENSHOTS", tmp_path)), f"{scheme}-{shared}", scheme)


def holds(browser: Any, running: Running, folder: Path, name: str, scheme: str) -> None:
    open_(browser, running)
    running.told.total, running.told.waiting = 1_000_000, 31_234
    running.told.nodes = [*NODES[:2], Node("store-1", "hbase", "10.0.0.3", ("base",), "cut"), *NODES[3:]]
    running.hands.hold.set()
    press(browser, "b")
    wait_for(lambda: text(browser, "last") == "1,000,000", "a million")
    measured(browser, folder, name, scheme)
    running.hands.hold.clear()


def measured(browser: Any, folder: Path, name: str, scheme: str) -> None:
    """At every size nothing is cut off, nothing lies over anything else, and a large screen needs no scrolling."""
    for width, height in SIZES:
        sized(browser, width, height, scheme)
        browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        browser.save_screenshot(str(folder / f"stage-{name}-{width}.png"))
        assert browser.execute_script(OVERFLOWING) == []
        assert browser.execute_script(OUTSIDE) == []
        assert browser.execute_script(OVERLAPPING) == []
        assert browser.execute_script(CUT_OFF) == []
        if width > 760:
            assert browser.execute_script("return document.documentElement.scrollHeight") <= height


def collectors(count: int) -> list[Node]:
    """So many, each with its shipper; the addresses are 10.0.0.20 and following."""
    return [
        Node(f"collector-{number + 1}", kind, f"10.0.0.{20 + number}", ("base", "collector", "shipper"))
        for number in range(count)
        for kind in ("collector", "shipper")
    ]


FLOWS = """
return [...document.querySelectorAll("#flows path[data-from]")]
  .map(({ dataset }) => `${dataset.from} > ${dataset.place} ${dataset.to}`)
"""
WIDTHS = """
return Object.fromEntries([...document.querySelectorAll("#flows path[data-place=collector]")]
  .map((each) => [each.dataset.to, Number(each.getAttribute("stroke-width"))]))
"""
MARKS = "return [...document.querySelectorAll('.host')].map((each) => each.querySelector('.state').textContent)"


def test_the_map_draws_the_path_and_a_balancer_only_where_there_is_one(browser: Any, running: Running) -> None:
    open_(browser, running)
    shipped = ["collector-1 > shipper collector-1", "collector-1 > hbase store-1", "collector-1 > redis redis-1"]
    wait_for(lambda: browser.execute_script(FLOWS) == ["phones > collector collector-1", *shipped], "the path")
    running.told.nodes = [Node("balancer-1", "balancer", "10.0.0.9", ("base", "balancer")), *NODES]
    through = ["phones > balancer balancer-1", "balancer-1 > collector collector-1"]
    wait_for(lambda: browser.execute_script(FLOWS) == [*through, *shipped], "the path through the balancer")


def test_a_flow_is_as_wide_as_it_is_fast_and_a_shipper_fills_with_what_waits(browser: Any, running: Running) -> None:
    running.told.nodes = [*collectors(2), *NODES[2:]]
    running.told.each = {"10.0.0.20": 0, "10.0.0.21": 0}
    open_(browser, running)
    wait_for(lambda: len(browser.execute_script(WIDTHS)) == 2, "two collectors")
    running.told.each = {"10.0.0.20": 16_000, "10.0.0.21": 1_000}
    running.told.waiting = 25_000
    fill = "return document.querySelector('[data-node=\"collector-1\"][data-kind=shipper] .queue')?.style.width"
    wait_for(lambda: browser.execute_script(fill) == "25%", "a quarter of the goal waits")

    def one_is_wider() -> bool:
        widths = browser.execute_script(WIDTHS)
        return bool(widths["collector-1"] > widths["collector-2"] > 2.0)

    wait_for(one_is_wider, "the faster flow is the wider one")


def test_a_store_is_out_of_reach_only_when_no_shipper_reaches_it(browser: Any, running: Running) -> None:
    running.told.nodes = [*collectors(2), *NODES[2:]]
    running.told.failing = "no route"
    open_(browser, running)
    said = "return document.querySelector('[data-kind=hbase] .load')?.textContent"
    wait_for(lambda: browser.execute_script(said) == "out of reach", "nobody reaches it")
    running.told.silent = "collector-2"
    running.told.failing = ""
    wait_for(lambda: browser.execute_script(said) == "0/s stored", "one of them reaches it")
    second = "return document.querySelector('[data-node=\"collector-2\"][data-kind=shipper] .load')?.textContent"
    wait_for(lambda: browser.execute_script(second) == "says nothing", "the other one is silent")
    running.told.nodes, running.told.silent = list(NODES), "collector-1"
    alone = "return document.querySelector('[data-node=\"collector-1\"][data-kind=shipper] .load')?.textContent"
    wait_for(lambda: browser.execute_script(alone) == "says nothing", "a collector that is silent")
    assert browser.execute_script(said) == "0/s stored"


def test_a_collector_that_takes_nothing_says_so_and_one_that_does_not_run_keeps_no_promise(
    browser: Any, running: Running
) -> None:
    running.director.kept.prove({node.name: () for node in NODES}, NOW_MS)
    running.told.each, running.told.refusing = {"10.0.0.2": 0}, ["10.0.0.2"]
    open_(browser, running)
    said = "return document.querySelector('[data-kind=collector]')?.innerText ?? ''"
    wait_for(lambda: "answers 503: wait\n✓ promises kept" in browser.execute_script(said), "it takes nothing")
    running.told.nodes = [Node("collector-1", "collector", "10.0.0.2", ("base", "collector"), "down"), *NODES[1:]]
    wait_for(lambda: "does not run" in browser.execute_script(said), "it does not run")
    assert "prove" not in browser.execute_script(said)
    assert "promises" not in browser.execute_script(said)
    assert browser.execute_script(MARKS)[0] == "✕ down"


def test_each_node_bears_its_verify_result(browser: Any, running: Running) -> None:
    running.hands.report["failed"] = [{"node": "collector-1", "role": "shipper", "promise": "it is running"}]
    open_(browser, running)
    press(browser, "p")
    wait_for(lambda: browser.execute_script(MARKS) == ["● up ✓", "● up ✕1", "● up ✓", "● up ✓"], "marks of all")


def test_a_host_that_no_update_passes_stands_beside_the_path_and_opens(browser: Any, running: Running) -> None:
    running.told.nodes = [*NODES, Node("monitoring-1", "other", "10.0.0.5", ("base", "monitoring"))]
    open_(browser, running)
    wait_for(lambda: len(browser.find_elements(By.CSS_SELECTOR, "[data-kind=other]")) == 1, "it is there")
    browser.find_element(By.CSS_SELECTOR, "[data-kind=other]").click()
    wait_for(lambda: "a line" in text(browser, "node-body"), "the end of its log")


@pytest.mark.parametrize("shared", [False, True], ids=["alone", "shared"])
def test_the_layout_holds_with_a_balancer_three_collectors_and_monitoring(
    browser: Any, told: Told, shared: bool, tmp_path: Path
) -> None:
    audience = Audience(SHOW, [("127.0.0.1", 1)]) if shared else None
    beside = Node("monitoring-1", "other", "10.0.0.5", ("base", "monitoring"))
    told.nodes = [Node("balancer-1", "balancer", "10.0.0.9", ("base",)), *collectors(3), *NODES[2:], beside]
    with stage(told, audience=audience) as running:
        open_(browser, running)
        wait_for(lambda: len(browser.find_elements(By.CSS_SELECTOR, ".host")) == len(told.nodes), "all of them")
        measured(browser, Path(os.environ.get("STAGE_SCREENSHOTS", tmp_path)), f"wide-{shared}", "light")


def test_light_and_dark_and_no_motion_for_whoever_wants_none(browser: Any, running: Running) -> None:
    open_(browser, running)
    paper = "return getComputedStyle(document.body).backgroundColor"
    light = browser.execute_script(paper)
    press(browser, "t")
    assert browser.execute_script(paper) != light
    sized(browser, 1280, 720, motion="reduce")
    running.told.total = 50_000
    wait_for(
        lambda: browser.execute_script("return document.querySelectorAll('path.pulse.moving').length > 0"), "a flow"
    )
    assert browser.execute_script("return document.getAnimations().length") == 0


def test_a_state_is_never_told_by_colour_alone(browser: Any, running: Running) -> None:
    running.told.nodes = [
        Node("store-1", "hbase", "10.0.0.3", ("base",), "cut"),
        Node("redis-1", "redis", "", (), "down"),
    ]
    running.told.proof = Proof(sent=10, stored=9, missing=1, at_ms=1, checked_ms=1)
    open_(browser, running)
    wait_for(lambda: "✕" in text(browser, "mark"), "the verdict")
    states = browser.execute_script(
        "return [...document.querySelectorAll('.host .state')].map((each) => each.textContent)"
    )
    assert states == ["✕ cut", "✕ down"]


def test_two_browsers_at_once_and_a_stage_that_is_started_again(browser: Any, told: Told, tmp_path: Path) -> None:
    with chromium(tmp_path / "second") as other:
        with stage(told) as first:
            open_(browser, first)
            open_(other, first)
            told.total = 1_111
            for each in (browser, other):
                wait_for(lambda each=each: text(each, "last") == "1,111", "both move")
        wait_for(lambda: "no contact" in text(browser, "contact"), "it says that it has lost the stage", 15)
        told.total = 0
        with stage(told, port=first.port) as again:
            assert again.token == first.token
            wait_for(lambda: again.watch.looks > 4, "somebody looks again")
            told.total = 2_222
            for each in (browser, other):
                wait_for(
                    lambda each=each: text(each, "last") == "2,222" and "live" in text(each, "contact"), "both go on"
                )


def test_without_its_token_the_page_says_what_to_do(browser: Any, running: Running) -> None:
    for address in (f"http://127.0.0.1:{running.port}/#guessed", f"http://localhost:{running.port}/"):
        browser.get("about:blank")
        browser.get(address)
        wait_for(lambda: "open the address" in text(browser, "stop").lower(), "what to do", 10)


def test_a_phone_s_vote_is_on_a_collector_s_disk(browser: Any) -> None:
    with collector() as server, stage(audience=Audience(SHOW, [("127.0.0.1", server.settings.port)])) as running:
        sized(browser, 390, 844)
        browser.get(f"http://127.0.0.1:{running.port}/vote")
        wait_for(lambda: len(browser.find_elements(By.CSS_SELECTOR, "main button")) == 4, "four choices")
        for place in (0, 2):
            browser.find_elements(By.CSS_SELECTOR, "main button")[place].click()
            wait_for(lambda place=place: f"✓ {'ABCD'[place]} is on disk" in text(browser, "said"), "it is on disk")
        if folder := os.environ.get("STAGE_SCREENSHOTS"):
            browser.save_screenshot(str(Path(folder) / "vote-390.png"))
        votes = [json.loads(event) for event in server.stored()]
        assert [vote["data"]["choice"] for vote in votes] == ["a", "c"]
        assert len({vote["user"] for vote in votes}) == 1
        assert votes[0]["pos_ms"] < votes[1]["pos_ms"]
        sized(browser, 1280, 720)
        open_(browser, running)
        wait_for(
            lambda: browser.execute_script("return document.getElementById('scan-code').naturalWidth > 0"), "the code"
        )
        press(browser, "q")
        assert browser.execute_script("return document.getElementById('code').open")
        if folder:
            browser.save_screenshot(str(Path(folder) / "code-1280.png"))


def test_the_script_s_countdown_is_shown(browser: Any, running: Running) -> None:
    open_(browser, running)
    press(browser, "s")
    wait_for(lambda: "The question is asked [B]" in text(browser, "next-name"), "what comes next")
    assert text(browser, "next-in") in ("0:59", "1:00")
    press(browser, "s")
    wait_for(lambda: text(browser, "next-name") == "S begins the script", "nothing comes next")


@pytest.fixture
def saved(browser: Any, running: Running, tmp_path: Path) -> Path:
    """A session in which 1,111 came, and then 77,777, as the page saves it."""
    folder = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.execute_cdp_cmd("Browser.setDownloadBehavior", folder)
    open_(browser, running)
    for total, word in ((1_111, "1,111"), (78_888, "78,888")):
        running.told.total = total
        wait_for(lambda word=word: text(browser, "last") == word, word)
        wait_for(lambda word=word: recorded(running, word), f"{word} is recorded")
    press(browser, "w")
    wait_for(lambda: bool(list(tmp_path.glob("quiz-*.html"))), "the page is saved")
    return next(tmp_path.glob("quiz-*.html"))


def recorded(running: Running, word: str) -> bool:
    return f'"last":{word.replace(",", "")}' in running.ask("GET", "/session.html")[1]


def test_a_saved_session_plays_without_a_stage_and_asks_nobody(browser: Any, saved: Path) -> None:
    sized(browser, 1280, 720)
    browser.get(saved.as_uri())
    wait_for(lambda: "▶ recorded" in text(browser, "contact"), "it says what it is")
    wait_for(lambda: text(browser, "last") == "78,888", "it plays to its end")
    wait_for(lambda: text(browser, "play").endswith("Play"), "it stands at its end")
    assert browser.execute_script("return performance.getEntriesByType('resource').map((each) => each.name)") == []
    browser.execute_script(
        "const it = document.getElementById('place'); it.value = 0; it.dispatchEvent(new Event('input'))"
    )
    wait_for(lambda: text(browser, "last") != "78,888", "it goes back")
    press(browser, "b")
    wait_for(lambda: "This is a recording." in text(browser, "told"), "nothing can be asked of it")
    for width, height in SIZES:
        sized(browser, width, height)
        browser.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        if folder := os.environ.get("STAGE_SCREENSHOTS"):
            browser.save_screenshot(str(Path(folder) / f"recorded-{width}.png"))
        assert browser.execute_script(CUT_OFF) == []
        if width > 760:
            assert browser.execute_script("return document.querySelector('h1').getClientRects().length") == 1
        assert browser.execute_script(OVERFLOWING) == []
        assert browser.execute_script(OUTSIDE) == []
        assert browser.execute_script(OVERLAPPING) == []


def test_a_saved_session_is_played_on_the_live_page_which_is_then_live_again(
    browser: Any, running: Running, saved: Path
) -> None:
    open_(browser, running)
    press(browser, "d")
    browser.find_element(By.ID, "replay").send_keys(str(saved))
    wait_for(lambda: "▶ recorded" in text(browser, "contact"), "it says what it is")
    running.told.total = 99_999
    browser.find_element(By.ID, "leave").click()
    wait_for(lambda: "live" in text(browser, "contact"), "it is live")
    wait_for(lambda: "99,999 since first opened" in text(browser, "counted"), "the live number")
