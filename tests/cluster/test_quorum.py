"""Three ZooKeepers: one of them leads, whichever, and `verify` knows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from roles.zookeeper.settings import Zookeeper
from tests.conftest import Bench
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NODES = ("quorum-1", "quorum-2", "quorum-3")
TOPOLOGY = """\
name: test-quorum
provider: nspawn
image: bookworm
shows: [rehearsal]
groups:
  quorum: {roles: [zookeeper], count: 3, memory_mb: 384}
"""


@pytest.fixture(scope="module")
def quorum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    path: Path = tmp_path_factory.mktemp("topology") / "test-quorum.yml"
    path.write_text(TOPOLOGY)
    with Bench(path).converged() as bench:
        yield bench


def leaders(quorum: Bench) -> list[str]:
    port = f"sport = :{Zookeeper().peer_port}"
    return [node for node in NODES if quorum.ssh(node, "ss", "-Hltn", port)]


def test_a_second_converge_changes_nothing(quorum: Bench) -> None:
    assert quorum.json("converge")["changes"] == []


def test_every_promise_is_kept_though_the_leader_alone_listens_to_its_peers(quorum: Bench) -> None:
    assert quorum.json("verify")["failed"] == []
    assert len(leaders(quorum)) == 1


def test_verify_names_the_leader_that_was_stopped_and_is_content_with_its_successor(quorum: Bench) -> None:
    (leader,) = leaders(quorum)
    quorum.ssh(leader, "systemctl", "stop", "primetime-zookeeper")
    try:
        wait_for(lambda: bool(set(leaders(quorum)) - {leader}), "another leader")
        done = quorum.json("verify", check=False)
    finally:
        quorum.ssh(leader, "systemctl", "start", "primetime-zookeeper")
    assert done["failed"] == [{"node": leader, "role": "zookeeper", "promise": "primetime-zookeeper is running"}]
    assert {broken["node"] for broken in done["following"]} == {leader}
    assert quorum.json("verify")["failed"] == []


def test_verify_names_a_group_without_a_leader_once(quorum: Bench) -> None:
    (leader,) = leaders(quorum)
    others = [node for node in NODES if node != leader]
    for node in others:
        quorum.ssh(node, "systemctl", "stop", "primetime-zookeeper")
    try:
        wait_for(lambda: leaders(quorum) == [], "no leader")
        done = quorum.json("verify", check=False)
    finally:
        for node in others:
            quorum.ssh(node, "systemctl", "start", "primetime-zookeeper")
    wait_for(lambda: len(leaders(quorum)) == 1, "a leader again")
    promises = [broken["promise"] for broken in done["failed"] + done["following"]]
    assert sum("one host of its group" in promise for promise in promises) == 1
