"""The live page on the demo's cluster: a burst at a key moves its numbers, and they agree with the ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from primetime.errors import PrimetimeError
from primetime.inventory import live
from primetime.paths import home
from primetime.stage import beside
from primetime.stage.hands import Hands
from primetime.stage.kept import Kept
from primetime.stage.moments import Director
from primetime.topology import load
from tests.conftest import Demo
from tests.redis_server import free_port
from tests.waiting import wait_for

SCALE = 50
GOAL = 1_000_000 // SCALE

pytestmark = pytest.mark.long


@contextmanager
def by_hand(demo: Demo) -> Iterator[str]:
    """Where a stage of the demo is, which has ended by Ctrl-C after the block and says that nothing is left."""
    command = [str(demo.repository / "bin" / "primetime"), "stage", "-t", str(demo.topology), "--json"]
    words = ["--port", str(free_port()), "--scale", f"1:{SCALE}"]
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


@pytest.fixture
def url(demo: Demo) -> Iterator[str]:
    with by_hand(demo) as found:
        yield found


def ask(url: str, path: str, method: str = "GET") -> dict[str, Any]:
    parts = urlsplit(url)
    request = urllib.request.Request(f"http://{parts.netloc}{path}", method=method)
    request.add_header("Authorization", f"Bearer {parts.fragment}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(json.load(answer))


def test_a_burst_moves_the_numbers_and_they_agree_with_the_ledger(demo: Demo, url: str) -> None:
    before = demo.json("ledger")["totals"]["stored"]
    parts = urlsplit(url)
    most = 0
    stream = urllib.request.urlopen(f"http://{parts.netloc}/snapshots?token={parts.fragment}", timeout=60)
    with stream:
        ask(url, "/moments/burst", "POST")
        for line in stream:
            snapshot = json.loads(line[6:]) if line.startswith(b"data: ") else None
            if snapshot:
                most = max(most, snapshot["counter"]["last"])
                burst = snapshot["moments"][0]
                proof = snapshot["proof"]
                if burst["state"] in ("done", "failed") and proof["stored"] >= before + GOAL and not proof["comparing"]:
                    break
    assert (burst["state"], burst["id"]) == ("done", "burst"), burst["line"]
    assert 0 < most <= GOAL
    ledger = demo.json("ledger")
    assert proof["stored"] == ledger["totals"]["stored"] == before + GOAL
    assert (proof["missing"], proof["waiting"], ledger["problems"]) == (0, 0, [])
    assert snapshot["poll"]["name"] == "q1"
    assert {node["state"] for node in snapshot["nodes"]} == {"up"}


def test_the_one_beside_a_demo_is_served_until_another_takes_its_place(demo: Demo) -> None:
    topology = load(str(demo.topology))
    with by_hand(demo), pytest.raises(PrimetimeError, match=r"`stage -t test-demo` .* serves the stage already"):
        beside.begin(topology, free_port())
    first = beside.begin(topology, free_port())
    assert ask(first, "/snapshot")["topology"] == "test-demo"
    assert beside.begin(topology, free_port()) == first
    with by_hand(demo) as second:
        assert ask(second, "/snapshot")["topology"] == "test-demo"
        assert beside.attendant("test-demo").told() is None


def test_the_one_beside_a_demo_ends_when_it_is_dismissed_and_one_that_was_killed_leaves_no_token(demo: Demo) -> None:
    topology, attendant = load(str(demo.topology)), beside.attendant("test-demo")
    for by in (signal.SIGINT, signal.SIGKILL):
        beside.begin(topology, free_port())
        told = attendant.told()
        assert told
        if by == signal.SIGKILL:
            os.kill(told["pid"], by)
        beside.discard("test-demo")
        wait_for(lambda: attendant.told() is None, "it has ended")
        assert not list((home() / "stage").glob("test-demo.*"))


def declared(demo: Demo) -> list[str]:
    return [node.name for node in load(str(demo.topology)).nodes]


def played(url: str, moment: str, beside: str = "") -> dict[str, Any]:
    """A moment that was begun, with `beside` when it asks for B, when all have ended; while the page is looked at."""
    parts = urlsplit(url)
    with urllib.request.urlopen(f"http://{parts.netloc}/snapshots?token={parts.fragment}", timeout=60):

        def states() -> dict[str, dict[str, Any]]:
            return {each["id"]: each for each in ask(url, "/snapshot")["moments"]}

        def ended() -> bool:
            return all(states()[each]["state"] in ("done", "failed") for each in (moment, beside) if each)

        ask(url, f"/moments/{moment}", "POST")
        if beside:
            wait_for(lambda: "press B" in states()[moment]["line"], f"{moment} asks for a burst", 60)
            ask(url, f"/moments/{beside}", "POST")
        wait_for(ended, f"{moment} ends", 240)
        found = states()
        for each in filter(None, (moment, beside)):
            assert found[each]["state"] == "done", found[each]["line"]
        return found[moment]


def test_a_vote_moves_the_poll_each_time_and_each_phone_counts_once(demo: Demo, url: str) -> None:
    polls = set()
    for _ in range(2):
        line = played(url, "vote")["line"]
        assert "2,000 phones voted within" in line
        poll = ask(url, "/snapshot")["poll"]
        assert sum(users for _, users in poll["choices"]) == 2_000
        polls.add(poll["name"])
    assert len(polls) == 2, polls


def test_a_collector_is_added_and_takes_its_part_and_is_removed_without_a_loss(demo: Demo, url: str) -> None:
    added = played(url, "add")
    assert "collector-2: made in" in added["line"]
    present = ask(url, "/snapshot")
    new = [node for node in present["nodes"] if node["name"] == "collector-2"]
    assert [(node["kind"], node["state"], node["verified"]) for node in new] == [
        ("collector", "up", []),
        ("shipper", "up", []),
    ]
    played(url, "burst")
    assert ask(url, "/snapshot")["accepted"].keys() == {"collector-1", "collector-2"}
    removed = played(url, "remove")
    assert "0 missing." in removed["line"]
    assert [node["name"] for node in demo.json("status")["nodes"]] == declared(demo)
    assert demo.json("verify")["failed"] == []
    assert demo.json("ledger")["problems"] == []


def test_a_collector_s_disk_is_full_under_a_burst_and_nothing_is_missing(demo: Demo, url: str) -> None:
    filled = played(url, "fill", beside="burst")
    assert "phones heard 503 for 8 s and sent again" in filled["line"]
    assert demo.json("verify")["failed"] == []
    assert demo.json("ledger")["problems"] == []


def test_a_stage_that_is_killed_over_a_full_disk_and_a_further_collector_is_mended_by_the_next(demo: Demo) -> None:
    home = Kept(demo.topology.stem)
    hands = Hands(live(load(str(demo.topology))))
    home.add(("empty", "collector-1"))
    hands.fill("collector-1")()
    begun = demo.json("ledger")["totals"]["stored"]
    hands.add(lambda line: None)
    home.add(("remove", "collector-2"))
    director = Director(Hands(live(load(str(demo.topology)))), Kept(demo.topology.stem), goal=1)
    assert len(director.mend_what_was_left()) == 2
    assert [node["name"] for node in demo.json("status")["nodes"]] == declared(demo)
    assert demo.json("verify")["failed"] == []
    assert demo.json("ledger")["totals"]["stored"] >= begun
    director.kept.forget()


def test_a_machine_is_looked_at_from_close_by(url: str, demo: Demo) -> None:
    parts = urlsplit(url)
    with urllib.request.urlopen(f"http://{parts.netloc}/snapshots?token={parts.fragment}", timeout=60):
        wait_for(lambda: bool(ask(url, "/snapshot")["nodes"]), "the hosts are read")
    found = ask(url, "/nodes/collector-1")
    assert ["primetime-collector.service", "running"] in found["services"]
    assert found["log"]
    assert found["shipper"]["sinks"].keys() == {"hbase", "redis"}
