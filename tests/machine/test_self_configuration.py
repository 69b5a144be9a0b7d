"""A topology on EC2 comes up by itself: `up` alone, and hosts that boot where moto says that instances run.

Each configures itself from its user-data and proves its own roles; nothing of ours differs but the endpoint.
"""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from primetime.cloud import living, machines, names, parcel
from primetime.cloud.found import Aws
from primetime.topology import Topology, load
from tests.conftest import Bench
from tests.moto_server import REGION
from tests.nspawn_hosts import ssh
from tests.pocket import Pocket, pocket

NAME = "test-pocket"
CONFIGURED_S = 300.0
EVENT = {"id": "01JDFG0000000000000000000A", "show": "rehearsal", "pos_ms": 1, "user": "u", "type": "vote"}
TOPOLOGY = f"""\
name: {NAME}
provider: ec2
region: {REGION}
zones: [{REGION}a, {REGION}b]
network: 10.77.1.0/24
image: ami-0123456789abcdef0
controllers: [10.77.0.1/32]
shows: [rehearsal]
partial: true
groups:
  cache: {{roles: [redis], size: m6i.large, cores: 1, memory_mb: 512, count: 1}}
  collector: {{roles: [collector], size: c6i.large, cores: 1, memory_mb: 512, min: 1, max: 2, spool_gb: 20}}
"""


@dataclass(frozen=True)
class Cluster:
    """It is up: the fixed machine has configured itself, and the group's member is in service."""

    bench: Bench
    aws: Pocket
    services: Aws
    topology: Topology

    def log(self, group: str, instance: str) -> str:
        """As it is kept in the bucket."""
        return (self.services.read(NAME, names.log(group, instance)) or b"").decode()

    def members(self) -> dict[str, str]:
        """Instance → what it is doing, of the collectors."""
        return {
            each.id: each.state for each in self.services.scaling.list_auto_scale_group_members(f"{NAME}-collector")
        }

    def machine(self, name: str) -> str:
        """The instance of a node."""
        return next(each.id for each in living.machines(self.services, self.topology) if each.name == name)

    def wait_for(self, name: str) -> None:
        """Until a node's user-data has come to its end."""
        instance, until = self.machine(name), time.monotonic() + CONFIGURED_S
        while instance not in self.aws.booted:
            assert time.monotonic() < until, f"the user-data of {name} has not come to an end"
            time.sleep(1)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    path = tmp_path_factory.mktemp("topology") / "t.yml"
    path.write_text(TOPOLOGY)
    # the hosts' network is wider than EC2's: its first addresses, which moto gives away, are for fixtures there
    with pytest.MonkeyPatch.context() as patch, pocket(NAME, "10.77.0.0/23", memory_mb=768) as aws:
        patch.setenv("PRIMETIME_HOME", str(tmp_path_factory.mktemp("home")))
        bench, topology = Bench(path), load(str(path))
        cluster = Cluster(bench, aws, machines.services(topology), topology)
        bench.run("up", "--yes")
        cluster.wait_for("cache-1")
        yield cluster
        assert bench.json("down", "--yes")["left"] == []


def test_members_in_service_are_those_that_have_proved_their_roles(cluster: Cluster) -> None:
    assert cluster.members()
    for instance, state in cluster.members().items():
        assert (state, (instance, "configure", "CONTINUE") in cluster.aws.completed) == ("InService", True)
        assert "every promise is kept" in cluster.log("collector", instance)
        assert ssh(cluster.aws.hosts[instance], "systemctl is-active primetime-collector").stdout.strip() == "active"


def test_a_machine_of_a_fixed_group_configures_itself_too(cluster: Cluster) -> None:
    cache = cluster.machine("cache-1")
    assert cluster.aws.booted[cache] == 0, cluster.log("cache", cache)
    assert ssh(cluster.aws.hosts[cache], "systemctl is-active primetime-redis").stdout.strip() == "active"


def test_the_controlling_machine_finds_them_reaches_them_and_proves_them(cluster: Cluster) -> None:
    members = {f"collector-{instance}": instance for instance in cluster.members()}
    assert {node["name"] for node in cluster.bench.json("status")["nodes"]} == {"cache-1", *members}
    for name, instance in members.items():
        assert cluster.bench.ssh(name, "cat", "/etc/hostname").strip() == instance
    assert cluster.bench.json("converge")["failed"] == []  # it tells the others the names of who came after them
    assert cluster.bench.json("converge")["changes"] == []
    assert cluster.bench.json("verify")["failed"] == []


def test_a_further_member_configures_itself_and_serves(cluster: Cluster) -> None:
    cluster.bench.run("scale", "collector", "2")
    assert list(cluster.members().values()) == ["InService", "InService"]
    answered = []
    for address, port in living.inventory(cluster.topology, cluster.services).every_endpoint("collector", "http"):
        asked = urllib.request.Request(f"http://{address}:{port}/events", json.dumps([EVENT]).encode())
        with urllib.request.urlopen(asked, timeout=10) as answer:
            answered.append(answer.status)
    assert answered == [204, 204]


def test_a_bundle_that_was_changed_is_refused_and_its_launch_abandoned(cluster: Cluster) -> None:
    cluster.bench.run("scale", "collector", "2")  # one of them will go
    key = f"{names.BUNDLES}/{parcel.version(cluster.topology)}/{names.MANIFEST}"
    storage, bucket = cluster.aws.client("s3"), names.bucket(NAME, REGION, cluster.services.account)
    manifest = storage.get_object(Bucket=bucket, Key=key)["Body"].read()
    storage.put_object(Bucket=bucket, Key=key, Body=manifest.replace(b'"cached": false', b'"cached": true'))
    instance = next(iter(cluster.members()))
    try:
        assert cluster.aws.boot(instance) != 0  # its host may go before it has said so
    finally:
        storage.put_object(Bucket=bucket, Key=key, Body=manifest)
    assert cluster.aws.completed[-1] == (instance, "configure", "ABANDON") and instance not in cluster.members()
    assert "is not signed by the key that this machine was given: nothing of it was run" in cluster.log(
        "collector", instance
    )
