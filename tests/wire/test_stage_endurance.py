"""A stage and its page under load for minutes: neither grows, and no update is dropped on the way to the page.

STAGE_MINUTES says for how long (1 when left out); what was found is printed, as docs/measurements/stage.md has it.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from primetime.stage.app import TICK_S
from primetime.stage.snapshot import Poll, Proof
from tests.browser import chromium
from tests.stage import NODES, Told, stage
from tests.waiting import wait_for
from tests.wire.test_stage_browser import collectors, open_, text

pytestmark = pytest.mark.long  # needs Chromium, and takes its time

MINUTES = float(os.environ.get("STAGE_MINUTES", "1"))
STEP_S, STEP = 0.25, 5_000  # 20,000 updates a second
LOOKS = 21
GROWTH_MB = {"stage": 6.0, "page": 2.0, "browser": 30.0}  # what noise may add, whatever the minutes
HEARD = """
const source = new EventSource(`/snapshots?token=${arguments[0]}`)
window.heard = { snapshots: 0, last: 0, gap_ms: 0, at: 0 }
source.onmessage = (event) => {
  const now = performance.now(), heard = window.heard
  if (heard.snapshots) heard.gap_ms = Math.max(heard.gap_ms, now - heard.at)
  heard.snapshots += 1
  heard.at = now
  heard.last = JSON.parse(event.data).counter.total
}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path / "home"))


@contextmanager
def load(told: Told) -> Iterator[None]:
    """A burst without an end on two collectors, with votes, queues and proof that move."""
    ends = threading.Event()

    def run() -> None:
        while not ends.wait(STEP_S):
            told.each = {"10.0.0.20": told.total // 2, "10.0.0.21": told.total // 2}
            told.total += STEP
            told.waiting = told.total % 90_000
            told.poll = Poll("q1", tuple((choice, told.total // place) for place, choice in enumerate("abcd", 2)))
            told.proof = Proof(sent=told.total, stored=told.total, at_ms=time.time_ns() // 1_000_000, checked_ms=1)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def own_mb() -> float:
    gc.collect()
    return resident_mb(os.getpid())


def resident_mb(pid: int) -> float:
    """Memory of a process that is no file's, its part of what it shares, in MiB; 0 when it has ended.

    Pages of programs count less while another browser runs on the machine, and more when that ends.
    """
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith(("Pss_Anon:", "Pss_Shmem:"))) / 1024


def heap_mb(browser: Any) -> float:
    """The page's own memory, after all that nobody holds is gone."""
    browser.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
    return float(browser.execute_cdp_cmd("Runtime.getHeapUsage", {})["usedSize"]) / (1 << 20)


def processes(profile: Path) -> list[int]:
    """A browser's processes: all that were told its profile, and what they started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if f"--user-data-dir={profile}".encode() in words:
            found.append(int(path.parent.name))
    return found


def test_neither_the_stage_nor_its_page_grows_and_no_update_is_dropped(tmp_path: Path) -> None:
    told = Told(nodes=[*collectors(2), *NODES[2:]])
    profile = tmp_path / "profile"
    with chromium(profile) as browser, stage(told) as running:
        open_(browser, running)
        browser.execute_script(HEARD, running.token)
        with load(told):
            looks = [look(browser, profile) for _ in pauses(LOOKS)]
            heard = browser.execute_script("return window.heard")
        print(report(looks, heard, told.total))
        print(f"the session so far, as a page: {len(running.ask('GET', '/session.html')[1]) / (1 << 20):.1f} MiB")
        shown = f"{told.total:,} since first opened"
        wait_for(lambda: shown in text(browser, "counted"), f"the page has all of them: {shown}")
        assert browser.execute_script("return window.heard.last") == told.total
    assert heard["snapshots"] > 0.8 * MINUTES * 60 / TICK_S
    for what, most_mb in GROWTH_MB.items():
        assert grown(looks, what) < most_mb, report(looks, heard, told.total)


def grown(looks: list[dict[str, float]], what: str) -> float:
    """MiB between the medians of the middle third and of the last one: caches have filled by then."""
    third = len(looks) // 3
    middle, last = ([each[what] for each in part] for part in (looks[third : 2 * third], looks[2 * third :]))
    return median(last) - median(middle)


def report(looks: list[dict[str, float]], heard: dict[str, float], total: int) -> str:
    lines = [f"{MINUTES:g} minutes, {total:,} updates, {heard['snapshots']:,} snapshots at the page, "]
    lines[0] += f"the longest pause between two {heard['gap_ms']:.0f} ms"
    for what in GROWTH_MB:
        values = ", ".join(f"{each[what]:.1f}" for each in looks)
        lines.append(f"{what}, MiB: {values}; from the middle third to the last: {grown(looks, what):+.1f}")
    return "\n".join(lines)


def look(browser: Any, profile: Path) -> dict[str, float]:
    return {
        "stage": own_mb(),
        "page": heap_mb(browser),
        "browser": sum(resident_mb(pid) for pid in processes(profile)),
    }


def pauses(count: int) -> Iterator[int]:
    """So many, evenly over the time."""
    began = time.monotonic()
    for number in range(count):
        until = began + MINUTES * 60 * (number + 1) / count
        wait_for(lambda until=until: time.monotonic() > until, "the next look", MINUTES * 60)
        yield number
