"""Two collectors behind a balancer, on real hosts: what phones notice when one goes, and that nothing is lost."""

from __future__ import annotations

import http.client
import itertools
import json
import re
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from primetime.inventory import live
from primetime.machines import driver_for
from primetime.rehearsal.ids import event_id, new_run
from primetime.topology import load
from tests.conftest import Bench
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NAME = "test-balancer"
DRAINING = "/run/primetime-collector/draining"
SHOW = "rehearsal"


def topology(collectors: int) -> str:
    groups = {
        "balancer": {"roles": ["balancer"], "count": 1, "memory_mb": 128},
        "collector": {"roles": ["collector"], "count": collectors, "memory_mb": 256},
    }
    head = {"name": NAME, "provider": "nspawn", "image": "bookworm", "shows": [SHOW], "partial": True}
    return yaml.safe_dump({**head, "groups": groups})


@dataclass(frozen=True)
class Balanced(Bench):
    """The topology, and where phones connect."""

    way_in: tuple[str, int] = ("", 0)

    def up(self) -> dict[str, str]:
        """Collector → 1 where the balancer passes connections on to it."""
        metrics = ask(http.client.HTTPConnection(self.way_in[0], 8405, timeout=10), "GET", "/metrics")[1]
        return dict(re.findall(r'server_status\{proxy="collectors",server="([^"]+)",state="UP"\} ([01])', metrics))

    def stored(self) -> list[str]:
        """The ids in every collector's spool."""
        found: list[str] = []
        for node in load(str(self.topology)).in_group("collector"):
            # zeros mean not yet written
            text = self.ssh(node.name, "sh", "-c", "cat /var/spool/primetime/*-w* | tr -d '\\0'")
            found += re.findall(r'"id":"([0-9A-Z]{26})"', text)
        return found


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    path = tmp_path_factory.mktemp("topology") / f"{NAME}.yml"
    path.write_text(topology(2))
    bench = Bench(path)
    try:
        bench.run("up", "--yes")
        bench.run("converge")
        (way_in,) = live(load(str(path))).entrance()
        balanced = Balanced(path, way_in=way_in)
        wait_for(lambda: set(balanced.up().values()) == {"1"}, "both collectors")
        yield balanced
    finally:
        assert bench.json("down", "--yes")["left"] == []


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None = None
) -> tuple[int, str, dict[str, str]]:
    connection.request(method, path, body)
    answer = connection.getresponse()
    return answer.status, answer.read().decode(), dict(answer.getheaders())


def batch(name: str) -> str:
    event: dict[str, Any] = {"id": name, "show": SHOW, "pos_ms": 0, "user": "u", "type": "vote"}
    return json.dumps([event], separators=(",", ":"))


class Phones:
    """Sends one event after the other, each again until it is acknowledged, each on a connection of its own."""

    def __init__(self, way_in: tuple[str, int]) -> None:
        self._way_in = way_in
        self._run = new_run(0).encode()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self.acknowledged: list[str] = []
        self.answers: list[int] = []

    def __enter__(self) -> Phones:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def more(self, number: int = 50) -> None:
        """Wait until so many more are acknowledged."""
        wanted = len(self.acknowledged) + number
        wait_for(lambda: len(self.acknowledged) >= wanted, f"{number} more")

    def _send(self) -> None:
        for number in itertools.count():
            name = event_id(self._run, number).decode()
            while not self._acknowledged(batch(name)):
                if self._ending.is_set():
                    return
            self.acknowledged.append(name)
            if self._ending.is_set():
                return

    def _acknowledged(self, body: str) -> bool:
        connection = http.client.HTTPConnection(*self._way_in, timeout=5)
        try:
            status = ask(connection, "POST", "/events", body)[0]
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
        self.answers.append(status)
        return status == 204


def test_both_collectors_have_their_part(balanced: Balanced) -> None:
    with Phones(balanced.way_in) as phones:
        phones.more(100)
    for node in load(str(balanced.topology)).in_group("collector"):
        assert "P1 1" in balanced.ssh(node.name, "sh", "-c", "cat /var/spool/primetime/*-w* | tr -d '\\0'")
    assert set(phones.acknowledged) <= set(balanced.stored())


def test_one_that_drains_gets_no_new_connection_and_phones_notice_nothing_soon(balanced: Balanced) -> None:
    with Phones(balanced.way_in) as phones:
        phones.more()
        balanced.ssh("collector-1", "touch", DRAINING)
        wait_for(lambda: balanced.up()["collector-1"] == "0", "the balancer to see it")
        seen = len(phones.answers)
        phones.more()
        assert set(phones.answers[seen + 1 :]) == {204}  # one may have been under way
        balanced.ssh("collector-1", "rm", DRAINING)
        wait_for(lambda: balanced.up()["collector-1"] == "1", "the balancer to see it again")
    assert set(phones.acknowledged) <= set(balanced.stored())


def test_where_none_is_ready_phones_hear_so_from_a_collector(balanced: Balanced) -> None:
    for node in ("collector-1", "collector-2"):
        balanced.ssh(node, "touch", DRAINING)
    wait_for(lambda: set(balanced.up().values()) == {"0"}, "none to be ready")
    connection = http.client.HTTPConnection(*balanced.way_in, timeout=10)
    status, text, headers = ask(connection, "POST", "/events", batch("01ARZ3NDEKTSV4RRFFQ69G5FAV"))
    connection.close()
    assert (status, headers["Retry-After"]) == (503, "1")
    assert text.startswith("the collector is draining")
    for node in ("collector-1", "collector-2"):
        balanced.ssh(node, "rm", DRAINING)
    wait_for(lambda: set(balanced.up().values()) == {"1"}, "both again")


def test_one_that_dies_loses_nothing_that_was_acknowledged(balanced: Balanced) -> None:
    driver = driver_for(load(str(balanced.topology)))
    (victim,) = [node for node in driver.list_nodes() if node.name == "collector-1"]
    with Phones(balanced.way_in) as phones:
        phones.more()
        driver.ex_kill(victim)
        wait_for(lambda: balanced.up()["collector-1"] == "0", "the balancer to see it")
        seen = len(phones.answers)
        phones.more()
        assert set(phones.answers[seen:]) == {204}
        driver.start_node(victim)
        wait_for(lambda: balanced.up()["collector-1"] == "1", "it to be back")
        phones.more()
    assert set(phones.acknowledged) <= set(balanced.stored())


def test_a_new_collector_is_taken_in_and_open_connections_stay_open(balanced: Balanced) -> None:
    connection = http.client.HTTPConnection(*balanced.way_in, timeout=10)
    assert ask(connection, "GET", "/live")[0] == 200
    open_socket = connection.sock
    balanced.topology.write_text(topology(3))
    balanced.run("up", "--yes")
    balanced.run("converge")
    wait_for(lambda: set(balanced.up().values()) == {"1"} and len(balanced.up()) == 3, "three collectors")
    assert ask(connection, "GET", "/live")[0] == 200
    assert connection.sock is open_socket, "the balancer closed a connection that it had"
    connection.close()
    assert balanced.json("converge")["changes"] == []
