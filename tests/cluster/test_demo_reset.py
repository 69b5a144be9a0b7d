"""`demo reset`: nothing that a show left stays, faults are healed, hosts that were added are gone, and it works."""

from __future__ import annotations

import pytest

from primetime.inventory import live
from primetime.providers import driver_for
from primetime.stage.hands import Hands
from primetime.topology import load
from tests.conftest import Demo
from tests.waiting import wait_for

pytestmark = pytest.mark.long

SHOW = "quiz-20261121"


def test_a_demo_is_reset_after_a_show_in_which_much_was_broken(demo: Demo) -> None:
    demo.json("rehearse", "--updates", "5000", "--in", "1s")
    topology = load(str(demo.topology))
    driver = driver_for(topology)
    nodes = {node.name: node for node in driver.list_nodes()}
    Hands(live(topology)).fill("collector-1")()
    driver.create_node(
        "collector-9", driver.ex_size(128), next(each for each in driver.list_images() if each.id == topology.image)
    )
    driver.ex_link_down(nodes["redis-1"])
    driver.ex_kill(nodes["store-1"])
    demo.ssh("collector-1", "sh", "-c", "echo '# by hand' >> /etc/primetime/collector/nginx.conf")

    said = demo.json("demo", "reset")

    assert {"collector-9 removed", "healed: link down"} <= set(said["healed"])
    assert demo.redis().dbsize() == 0
    assert demo.json("events", SHOW)["events"] == 0
    ledger = demo.json("ledger")
    assert (ledger["totals"]["stored"], ledger["runs"], ledger["problems"]) == (0, [], [])
    assert [node["name"] for node in demo.json("status")["nodes"]] == [node.name for node in topology.nodes]
    assert demo.json("verify")["failed"] == []
    certificate = demo.json("rehearse", "--updates", "5000", "--in", "1s")
    assert (certificate["stored"], certificate["duplicates"], certificate["missing"]) == (5000, 0, 0)
    wait_for(lambda: int(demo.redis().get(f"total:{SHOW}") or 0) == 5000, "Redis counts them")
    print(said["stages"])
