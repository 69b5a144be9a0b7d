"""`demo reset`: the seeded state is back, id by id, and nothing else is left of a show in which much was broken."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from primetime.event import ulid
from primetime.inventory import live
from primetime.providers import driver_for
from primetime.report.prometheus import Prometheus
from primetime.report.window import Window
from primetime.stage.hands import Hands
from primetime.topology import load
from tests.cluster.test_demo import post
from tests.conftest import Demo
from tests.waiting import CLUSTER_S, wait_for

pytestmark = pytest.mark.long

SHOW, SEEDED = "quiz-20261121", "quiz-20261114"


@pytest.fixture(scope="module")
def seeded(demo: Demo) -> dict[str, Any]:
    """The state that the demo ended in."""
    found: dict[str, Any] = demo.result.get("seeded") or demo.json("demo", "--no-stage", "--updates", "1000")["seeded"]
    return found


def curves(where: tuple[str, int], until: datetime) -> int:
    """How many Prometheus has of the hour until then."""
    host, port = where
    hour = Window(until - timedelta(hours=1), until, "the hour before")
    return len(Prometheus(f"http://{host}:{port}").over("up", hour, 30))


def vote(demo: Demo, choice: str) -> None:
    """A vote in the seeded show, which is over."""
    event = '{"id":"%s","show":"%s","pos_ms":901000,"user":"late","type":"vote","data":{"poll":"q1","choice":"%s"}}'
    id_ = ulid(time.time_ns() // 1_000_000, 5)
    assert post(demo, f"[{event % (id_, SEEDED, choice)}]".encode()) == 204


def test_a_demo_is_in_its_seeded_state_after_a_show_in_which_much_was_broken(
    demo: Demo, seeded: dict[str, Any]
) -> None:
    demo.json("rehearse", "--updates", "5000", "--in", "1s")
    vote(demo, "a")
    wait_for(lambda: demo.redis().hget(f"vote:{SEEDED}:q1", "late"), "the vote is counted")
    topology = load(str(demo.topology))
    prometheus = live(topology).endpoint("monitoring", "prometheus")
    driver = driver_for(topology)
    nodes = {node.name: node for node in driver.list_nodes()}
    Hands(live(topology)).fill("collector-1")()
    driver.create_node(
        "collector-9", driver.ex_size(128), next(each for each in driver.list_images() if each.id == topology.image)
    )
    driver.ex_link_down(nodes["redis-1"])
    driver.ex_kill(nodes["store-1"])
    demo.ssh("collector-1", "sh", "-c", "echo '# by hand' >> /etc/primetime/collector/nginx.conf")
    before = datetime.now(UTC)
    assert curves(prometheus, before) > 0

    said = demo.json("demo", "reset")

    assert {"collector-9 removed", "healed: link down"} <= set(said["healed"])
    assert (said["seeded"], said["beside"]) == (seeded, {})
    assert [demo.json("events", show)["events"] for show in (SHOW, SEEDED)] == [0, seeded["updates"]]
    assert not demo.redis().hexists(f"vote:{SEEDED}:q1", "late")
    ledger = demo.json("ledger")
    assert (ledger["totals"]["stored"], ledger["totals"]["waiting"]) == (seeded["updates"], 0)
    assert (ledger["runs"], ledger["problems"]) == ([], [])
    assert curves(prometheus, before) == 0
    wait_for(lambda: curves(prometheus, datetime.now(UTC)) > 0, "Prometheus looks again")
    assert [node["name"] for node in demo.json("status")["nodes"]] == [node.name for node in topology.nodes]
    assert demo.json("verify")["failed"] == []
    print(said["stages"])


def test_services_that_are_stopped_come_back_with_the_seeded_state(demo: Demo, seeded: dict[str, Any]) -> None:
    demo.ssh("redis-1", "systemctl", "disable", "--now", "primetime-redis")
    demo.ssh("store-1", "systemctl", "stop", "primetime-hbase-thrift")
    demo.ssh("collector-1", "systemctl", "stop", "primetime-shipper")
    said = demo.json("demo", "reset")
    assert (said["seeded"], said["beside"]) == (seeded, {})
    print(said["stages"])


def test_after_a_reset_a_rehearsal_is_certified_and_a_demo_finds_its_seeded_state(
    demo: Demo, seeded: dict[str, Any]
) -> None:
    demo.json("demo", "reset")
    certificate = demo.json("rehearse", "--updates", "5000", "--in", "1s")
    assert (certificate["stored"], certificate["duplicates"], certificate["missing"]) == (5000, 0, 0)
    wait_for(lambda: int(str(demo.redis().get(f"total:{SHOW}") or 0)) == 5000, "Redis counts them", CLUSTER_S)
    again = demo.json("demo", "--no-stage", "--updates", "1000")
    assert (again["seeded"], again["changed"]) == (seeded, 0)


def test_another_seed_is_another_state_and_is_not_mixed_with_the_first(demo: Demo, seeded: dict[str, Any]) -> None:
    refused = demo.run("demo", "--no-stage", "--seed", "2", check=False)
    assert refused.returncode == 3
    assert f"{SEEDED} has 20,013 events that seed 2 does not make: bin/primetime demo reset" in refused.stderr
    other = demo.json("demo", "reset", "--seed", "2")["seeded"]
    assert other["sha256"] != seeded["sha256"]
    assert demo.json("demo", "reset")["seeded"] == other  # the last one
    assert demo.json("demo", "reset", "--seed", "1")["seeded"] == seeded


def test_a_host_that_is_beyond_repair_is_made_anew(demo: Demo, seeded: dict[str, Any]) -> None:
    demo.ssh("redis-1", "rm", "-rf", "/usr/sbin", "/usr/bin")
    said = demo.json("demo", "reset")
    assert (said["healed"], said["seeded"], said["beside"]) == (["redis-1 made anew"], seeded, {})
    assert demo.json("verify")["failed"] == []
    print(said["stages"])
