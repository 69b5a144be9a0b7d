"""Collectors on EC2 come and go while phones send through a balancer, and nothing that was acknowledged is missing.

All of it is real but AWS: hosts that configure themselves in a pocket, HBase on HDFS and Redis behind them on one host,
the smallest store there is (as the demo's: one DataNode, so one copy of each block).
"""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from primetime.cli.rehearse import runs
from primetime.cloud import living, machines
from primetime.guard.hook import DRAIN
from primetime.rehearsal import crowd
from primetime.rehearsal.burst import Burst, Plan
from primetime.rehearsal.ids import new_run
from primetime.rehearsal.record import Record
from primetime.rehearsal.share import ACKED
from primetime.topology import load
from tests.conftest import Bench
from tests.moto_server import REGION
from tests.pocket import PIN, pocket
from tests.pocket_balancer import Balancer, balancer
from tests.pocket_cluster import Cluster
from tests.pocket_hooks import ENDING, SERVING

pytestmark = pytest.mark.long

NAME = "test-pocket-traffic"
SHOW = "rehearsal"
IMAGE, BAD, NEWER = "ami-0123456789abcdef0", "ami-00000000000000bad", "ami-0123456789abcdef1"
BALANCER = "10.78.0.200"  # hosts' links are named after its last byte, which no instance has
BURST_S, UPDATES, CONNECTIONS = 10, 5000, 32
SPOOL = "/var/spool/primetime"
TOPOLOGY = f"""\
name: {NAME}
provider: ec2
region: {REGION}
zones: [{REGION}a, {REGION}b]
network: 10.78.1.0/24
image: {IMAGE}
controllers: [10.78.0.1/32]
shows: [{SHOW}]
groups:
  store:
    roles: [zookeeper, hdfs/namenode, hdfs/datanode, hbase/master, hbase/regionserver, hbase/thrift, redis]
    size: m6i.large
    cores: 1
    memory_mb: 2560
    count: 1
  collector:
    roles: [collector, shipper, guard]
    size: c6i.large
    cores: 1
    memory_mb: 512
    min: 1
    max: 3
    spool_gb: 20
settings:
  hdfs_replication: 1
"""
NUMBERS = itertools.count()  # of bursts: each is in seconds of the show that are its own


def of_image(image: str) -> str:
    """The topology with another image, whose machines are given up early."""
    return TOPOLOGY.replace(IMAGE, image).replace("spool_gb: 20", "spool_gb: 20\n    configured_within: 1m")


class Phones:
    """Burst after burst, each over connections of its own, each update again until it is acknowledged."""

    def __init__(self, way_in: tuple[str, int], folder: Path) -> None:
        self._way_in, self._folder = way_in, folder
        self._ending = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self.records: list[Record] = []

    def __enter__(self) -> Phones:
        self._sending: Future[None] = self._pool.submit(self._send)
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._pool.shutdown()
        self._sending.result()

    def more(self, bursts: int = 1) -> None:
        """Until so many that begin from now on are answered."""
        wanted = len(self.records) + bursts + 1  # one is under way
        Cluster.wait_until(lambda: len(self.records) >= wanted or self._sending.done(), f"no {bursts} bursts more")

    def _send(self) -> None:
        while not self._ending.is_set():
            start_ms = next(NUMBERS) * BURST_S * 1000
            plan = Plan(SHOW, UPDATES, BURST_S, connections=CONNECTIONS, start_pos_ms=start_ms)
            burst = Burst(new_run(time.time_ns() // 1_000_000), plan)
            record = Record.of(burst, crowd.send(burst, [self._way_in], lambda text: None))
            record.save(self._folder / burst.run)
            self.records.append(record)

    def assert_all_is_acknowledged(self) -> None:
        """Nobody was left without a 204, whoever came and went."""
        assert [record.refusals for record in self.records if set(record.outcomes) != {ACKED}] == []


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cluster, Balancer]]:
    path = tmp_path_factory.mktemp("topology") / "t.yml"
    path.write_text(TOPOLOGY)
    with (
        pytest.MonkeyPatch.context() as patch,
        pocket(NAME, "10.78.0.0/23", lambda name: 3072 if name.startswith("store") else 768) as aws,
        balancer(aws, BALANCER) as before,
    ):
        patch.setenv("PRIMETIME_HOME", str(tmp_path_factory.mktemp("home")))
        topology = load(str(path))
        cluster = Cluster(Bench(path), aws, machines.services(topology), topology)
        cluster.bench.run("up", "--yes")
        cluster.wait_for("store-1")
        yield cluster, before
        assert cluster.bench.json("down", "--yes")["left"] == []  # all is shipped: no spool is left either


def scaled(cluster: Cluster, before: Balancer, members: int) -> None:
    """The group has so many, all in service, and the balancer sends to these alone."""
    cluster.bench.run("scale", "collector", str(members))
    cluster.wait_until(
        lambda: (
            list(cluster.members().values()) == [SERVING] * members
            and before.ready == before.sent_to.keys() == cluster.members().keys()
        ),
        lambda: f"{cluster.members()}, the balancer sends to {before.sent_to}, of which {before.ready} are ready",
    )


def ledger(cluster: Cluster, phones: Phones) -> dict[str, Any]:
    """What `ledger` says when nothing waits any more: nothing is missing of what these phones have sent."""

    def told() -> dict[str, Any]:
        return cluster.bench.json("ledger", "--runs", str(len(phones.records)), check=False)

    cluster.wait_until(lambda: told()["totals"]["waiting"] == 0, lambda: f"still waiting: {told()['waiting']}")
    said = told()
    assert said["problems"] == []
    of_each = {run["run"]: (run["acked"], run["missing"]) for run in said["runs"]}
    assert of_each == {record.burst.run: (UPDATES, 0) for record in phones.records}
    return said


def by_spool(said: dict[str, Any]) -> dict[str, int]:
    """Spool → how many of its events are stored."""
    stored: dict[str, int] = {}
    for each in said["segments"]:
        stored[each["spool"]] = stored.get(each["spool"], 0) + each["stored"]
    return stored


def test_from_one_to_three_and_back_nothing_is_missing(served: tuple[Cluster, Balancer]) -> None:
    cluster, before = served
    with Phones(before.way_in, runs(cluster.topology)) as phones:
        phones.more()
        scaled(cluster, before, 3)
        phones.more()
        every = set(cluster.members())
        own = {cluster.aws.shell(each, f"cat {SPOOL}/spool.ulid").strip() for each in every}
        scaled(cluster, before, 1)
        phones.more()
        went = every - set(cluster.members())
    phones.assert_all_is_acknowledged()
    assert {each for each in cluster.aws.hooks.completed if each[1] == DRAIN.name} == {
        (each, DRAIN.name, "CONTINUE") for each in went
    }
    stored = by_spool(ledger(cluster, phones))
    assert len(own) == 3 and all(stored[each] for each in own), f"not all three took their part: {stored}"
    assert cluster.bench.json("ledger", "reconcile")["differences"] == []
    cluster.wait_until(lambda: len(cluster.spools()) == 1, lambda: f"volumes of who went: {cluster.spools()}")


def test_of_one_that_dies_in_the_middle_of_its_drain_nothing_is_missing(served: tuple[Cluster, Balancer]) -> None:
    cluster, before = served
    with Phones(before.way_in, runs(cluster.topology)) as phones:
        scaled(cluster, before, 2)
        dying, staying = cluster.serving()
        cluster.aws.shell(dying, "systemctl stop primetime-shipper")  # so that its drain has a middle
        phones.more()
        cluster.services.scaling.ex_terminate_member(dying, shrink=True)
        cluster.wait_until(lambda: dying in cluster.aws.hooks.heartbeats, f"{dying} asks for no time")
        cluster.wait_until(lambda: dying not in before.sent_to, f"{dying} has not left its balancer")
        cluster.wait_until(
            lambda: cluster.aws.shell(dying, "ls /run/primetime-collector").split().count("draining") == 1,
            f"{dying} does not drain",
        )
        ulid = cluster.aws.shell(dying, f"cat {SPOOL}/spool.ulid").strip()
        waiting = cluster.aws.shell(dying, f"ls {SPOOL}").split()
        assert [each for each in waiting if each.startswith(ulid)], "nothing waits in its spool"
        assert cluster.members()[dying] == ENDING
        spool = {each.id: each.spool for each in living.machines(cluster.services, cluster.topology)}[dying]
        cluster.aws.driver.ex_kill(cluster.aws.hosts[dying])
        cluster.aws.hooks.die(cluster.group, dying)
        phones.more()
        cluster.wait_until(lambda: spool not in cluster.spools(), lambda: f"not shipped: {cluster.told(staying)}")
    phones.assert_all_is_acknowledged()
    assert (dying, DRAIN.name, "CONTINUE") not in cluster.aws.hooks.completed
    assert by_spool(ledger(cluster, phones))[ulid]
    assert cluster.bench.json("ledger", "reconcile")["differences"] == []


class Fewest:
    """How many members served at least while the block lasted."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster, self._ending = cluster, threading.Event()
        self.members = len(cluster.serving())

    def __enter__(self) -> Fewest:
        self._watching = threading.Thread(target=self._watch)
        self._watching.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._watching.join()

    def _watch(self) -> None:
        while not self._ending.wait(0.5):
            self.members = min(self.members, len(self._cluster.serving()))


def test_a_roll_stops_at_a_bad_one_is_resumed_and_put_back_and_nothing_is_missing(
    served: tuple[Cluster, Balancer],
) -> None:
    cluster, before = served
    cluster.aws.put_in[BAD] = PIN
    with Phones(before.way_in, runs(cluster.topology)) as phones:
        scaled(cluster, before, 2)
        first = set(cluster.members())
        with Fewest(cluster) as fewest:
            cluster.declare(of_image(BAD))
            stopped = cluster.bench.run("roll", "--yes", check=False)
            bad, *more = [each for each, image in cluster.aws.image_of.items() if image == BAD]
            assert stopped.returncode == 1
            assert f"roll stopped: {bad} of group collector did not prove its roles, or died" in stopped.stderr
            assert (
                "Install nginx and its Lua module failed" in stopped.stderr and "the others serve on" in stopped.stderr
            )
            for each in cluster.members().keys() & set(more):  # its group had launched it in the place of the bad one
                assert cluster.members()[each] == ENDING
                cluster.time_is_over(each)
            assert cluster.members() == dict.fromkeys(first, SERVING)
            phones.more()
            cluster.declare(of_image(NEWER))
            refused = cluster.bench.run("roll", "--yes", check=False)
            assert (refused.returncode, "the last roll stopped" in refused.stderr) == (3, True)
            cluster.bench.run("roll", "--yes", "--resume")
            assert [cluster.aws.image_of[each] for each in cluster.serving()] == [NEWER, NEWER]
            phones.more()
            cluster.bench.run("roll", "--yes", "--back")
            assert [cluster.aws.image_of[each] for each in cluster.serving()] == [IMAGE, IMAGE]
            assert not first & cluster.members().keys()
            phones.more()
    assert fewest.members == 2
    phones.assert_all_is_acknowledged()
    ledger(cluster, phones)
    assert cluster.bench.json("ledger", "reconcile")["differences"] == []
    cluster.wait_until(lambda: len(cluster.spools()) == 2, lambda: f"volumes of who went: {cluster.spools()}")
    cluster.declare(TOPOLOGY)
    assert cluster.bench.run("plan").stdout.rstrip().endswith("no changes")
