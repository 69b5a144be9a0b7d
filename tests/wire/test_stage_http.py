"""The stage over HTTP: snapshots that move, buttons, and that the cluster is left alone while nobody looks."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from primetime.errors import PrimetimeError
from primetime.stage import watch
from primetime.stage.audience import Audience
from primetime.stage.server import LOOPBACK, listening
from primetime.stage.snapshot import Poll
from tests.stage import Running, stage
from tests.waiting import PATIENCE_S, wait_for


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path))
    monkeypatch.setattr(watch, "BOOKS_S", 0.2)


@pytest.fixture
def running() -> Iterator[Running]:
    with stage() as found:
        yield found


@contextmanager
def stream(running: Running) -> Iterator[Iterator[dict[str, Any]]]:
    """The snapshots that a browser gets, as they come."""
    connection = http.client.HTTPConnection(LOOPBACK, running.port, timeout=PATIENCE_S)
    connection.request("GET", f"/snapshots?token={running.token}")
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("content-type", "")[:17]) == (200, "text/event-stream")
    try:
        yield (json.loads(line[6:]) for line in answer if line.startswith(b"data: "))
    finally:
        connection.close()


def test_two_browsers_see_the_same_numbers_move_and_cost_the_cluster_what_one_costs(running: Running) -> None:
    with stream(running) as one, stream(running) as two:
        wait_for(lambda: running.watch.snapshot().counter.total == 0 and running.watch.looks > 3, "it is read")
        running.told.total = 30_000
        running.told.poll = Poll("q1", (("a", 2), ("b", 1)))
        for snapshots in (one, two):
            snapshot = next(each for each in snapshots if each["counter"]["last"] == 30_000)
            assert snapshot["poll"] == {"name": "q1", "choices": [["a", 2], ["b", 1]], "show": ""}
            assert (snapshot["goal"], snapshot["scale"]) == (100_000, 10)


def test_nothing_is_read_while_nobody_looks(running: Running) -> None:
    assert running.watch.looks == 0
    with stream(running) as snapshots:
        next(snapshots)
        wait_for(lambda: running.watch.looks > 0, "it is read")
    wait_for(lambda: not running.watch._viewers, "the browser is gone")
    before = running.watch.looks
    running.ask("GET", "/")
    running.snapshot()
    assert running.watch.looks <= before + 4  # those that were at it


def test_a_button_begins_its_moment_and_says_when_it_cannot(running: Running) -> None:
    running.hands.hold.set()
    assert running.ask("POST", "/moments/burst")[0] == 202
    status, text = running.ask("POST", "/moments/burst")
    assert (status, json.loads(text)["refused"]) == (409, "Kick-off burst: not now: it is running")
    assert running.ask("POST", "/moments/nonsense")[0] == 409
    running.hands.hold.clear()
    wait_for(lambda: running.snapshot()["moments"][0]["state"] == "done", "the burst ends")


def test_a_node_is_looked_at_and_one_that_is_not_there_is_not(running: Running) -> None:
    with stream(running) as snapshots:
        next(each for each in snapshots if each["nodes"])
    status, text = running.ask("GET", "/nodes/store-1")
    assert status == 200
    assert json.loads(text)["log"] == ["a line"]
    assert running.ask("GET", "/nodes/;reboot")[0] == 404


def test_the_page_loads_nothing_from_elsewhere_and_may_not_be_framed(running: Running) -> None:
    connection = http.client.HTTPConnection(LOOPBACK, running.port, timeout=PATIENCE_S)
    connection.request("GET", "/")
    policy = connection.getresponse().getheader("content-security-policy", "")
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    for path in ("/", "/stage.css", "/stage.js", "/map.js"):
        status, text = running.ask("GET", path, authorization="")
        assert status == 200
        assert "://" not in text.replace("http://www.w3.org/2000/svg", "")


def test_what_the_guard_refuses_does_not_reach_the_stage(running: Running) -> None:
    assert running.ask("POST", "/moments/burst", authorization="Bearer guessed")[0] == 401
    assert running.ask("POST", "/moments/burst", origin="http://attacker.example")[0] == 403
    assert running.ask("POST", "/moments/burst", host="attacker.example")[0] == 421
    assert running.ask("GET", "/snapshots", authorization="")[0] == 401
    assert running.hands.did == []


def test_the_room_may_vote_and_nothing_else() -> None:
    with stage(audience=Audience("quiz", [(LOOPBACK, 1)])) as running:
        for path in ("/vote", "/vote.css", "/vote.js", "/poll", "/vote.svg"):
            assert running.ask("GET", path, authorization="")[0] == 200, path
        own = {"authorization": "", "origin": f"http://{LOOPBACK}:{running.port}"}
        assert running.ask("POST", "/votes", b"{}", **own)[0] == 400
        assert running.ask("POST", "/votes", b"x" * 100_000, **own)[0] == 400
        assert running.ask("POST", "/votes", b"{}", authorization="")[0] == 403
        assert running.ask("POST", "/moments/burst", **own)[0] == 401
        assert running.ask("GET", "/snapshot", **own)[0] == 401
        assert running.snapshot()["vote_at"].endswith("/vote")


def test_without_a_share_there_is_no_room(running: Running) -> None:
    assert [running.ask("GET", path)[0] for path in ("/vote", "/poll", "/vote.svg")] == [404, 404, 404]
    assert running.ask("POST", "/votes", b"{}")[0] == 404
    assert running.snapshot()["vote_at"] == ""


def test_a_port_that_is_taken_is_told(running: Running) -> None:
    with pytest.raises(PrimetimeError, match=f"{running.port}: Address already in use: .* choose another --port"):
        listening(LOOPBACK, running.port)


def test_it_listens_on_loopback_alone(running: Running) -> None:
    with socket.socket() as probe, pytest.raises(OSError):
        probe.settimeout(2)
        probe.connect(("127.0.0.2", running.port))


def test_the_stage_ends_while_browsers_look() -> None:
    with stage() as running:
        connection = http.client.HTTPConnection(LOOPBACK, running.port, timeout=PATIENCE_S)
        connection.request("GET", f"/snapshots?token={running.token}")
        answer = connection.getresponse()
        answer.readline()
        running.server.stop()
        answer.read()  # to its proper end: a stream that is cut off raises IncompleteRead
        wait_for(lambda: not running.serving.is_alive(), "the stage is over")


def test_the_script_counts_down_for_every_browser_until_it_is_ended(running: Running) -> None:
    assert json.loads(running.ask("POST", "/script")[1]) == {"runs": True}
    assert running.snapshot()["next"]["name"] == "The question is asked [B]"
    assert json.loads(running.ask("POST", "/script")[1]) == {"runs": False}
    assert running.snapshot()["next"] is None


def test_the_machines_stay_for_another_hour_when_asked_to(running: Running) -> None:
    assert json.loads(running.ask("POST", "/expiry")[1]) == {"more_s": 3600}
    assert running.hands.did == ["stay 3600"]
    running.hands.expires = False
    assert running.ask("POST", "/expiry")[0] == 409
    assert running.ask("POST", "/expiry", authorization="Bearer guessed")[0] == 401
    assert running.ask("POST", "/expiry", origin="http://attacker.example")[0] == 403
    assert running.hands.did == ["stay 3600"] * 2


def test_what_came_before_anybody_looked_is_not_counted_and_the_best_five_seconds_stay(running: Running) -> None:
    running.told.total = 500_000

    def counts(last: int) -> bool:
        counter = running.snapshot()["counter"]
        return (counter["last"], counter["best"], counter["total"]) == (last, 30_000, 30_000)

    with stream(running):
        wait_for(lambda: running.watch.looks > 3, "it is read")
        running.told.total += 30_000
        wait_for(lambda: counts(last=30_000), "what came is counted", 4)
        wait_for(lambda: counts(last=0), "the best five seconds stay", 20)
        running.director.begin("reset")
        wait_for(lambda: running.snapshot()["counter"]["best"] == 0, "they are of another show", 20)
        assert running.snapshot()["counter"]["total"] == 0


def test_a_collector_that_says_nothing_is_told_from_one_that_accepts_nothing(running: Running) -> None:
    running.told.each = {"10.0.0.2": 7}
    with stream(running):
        wait_for(lambda: running.snapshot()["accepted"] == {"collector-1": 0}, "it accepts nothing", 20)
        running.told.refusing = ["10.0.0.2"]
        wait_for(lambda: running.snapshot()["refusing"] == ["collector-1"], "it says that it takes nothing", 20)
        running.told.each = {}
        wait_for(lambda: running.snapshot()["accepted"] == {"collector-1": None}, "it says nothing", 20)
        assert running.snapshot()["refusing"] == []


def test_a_session_is_saved_with_the_token_only_and_without_it_nothing_is_told(running: Running) -> None:
    with stream(running) as snapshots:
        wait_for(lambda: running.watch.looks > 3, "it is read")
        running.told.total = 4_321
        next(each for each in snapshots if each["counter"]["last"] == 4_321)
    status, page = running.ask("GET", "/session.html")
    assert (status, '"last":4321' in page, running.token in page) == (200, True, False)
    assert running.ask("GET", "/session.html", authorization="Bearer guessed")[0] == 401
