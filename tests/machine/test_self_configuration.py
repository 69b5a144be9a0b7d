"""A topology on EC2 comes up by itself: `up` alone, and hosts that boot where moto says that instances run.

Each configures itself from its user-data and proves its own roles; nothing of ours differs but the endpoint.
"""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from primetime.cloud import living, machines, names, parcel
from primetime.cloud.found import find
from primetime.guard.marks import NAME as MARK
from primetime.guard.marks import OWNER
from primetime.topology import load
from roles.hbase.settings import HbaseThrift
from tests.conftest import Bench
from tests.hbase_gateway import GatewayServer
from tests.moto_server import REGION
from tests.nspawn_hosts import ssh
from tests.pocket import PIN, pocket
from tests.pocket_cluster import Cluster
from tests.pocket_hooks import ENDING, SERVING

NAME = "test-pocket"
GROUP = f"{NAME}-collector"
IMAGE, PINNED, OPEN = "ami-0123456789abcdef0", "ami-00000000000000bad", "ami-0000000000000dead"
IDENTITY = ("/etc/machine-id", "/etc/ssh/ssh_host_ed25519_key.pub")
SERVER = "systemd-run --unit others-server python3 -m http.server 9999"  # what an image has, and should not
EVENT = {"id": "01JDFG0000000000000000000A", "show": "rehearsal", "pos_ms": 1, "user": "u", "type": "vote"}
TOPOLOGY = f"""\
name: {NAME}
provider: ec2
region: {REGION}
zones: [{REGION}a, {REGION}b]
network: 10.77.1.0/24
image: {IMAGE}
controllers: [10.77.0.1/32]
shows: [rehearsal]
partial: true
groups:
  cache: {{roles: [redis], size: m6i.large, cores: 1, memory_mb: 512, count: 1}}
  collector:
    roles: [collector, shipper, guard]
    size: c6i.large
    cores: 1
    memory_mb: 512
    min: 1
    max: 4
    spool_gb: 20
"""


def posted(address: str, port: int) -> int:
    """What a collector answers to an event."""
    asked = urllib.request.Request(f"http://{address}:{port}/events", json.dumps([EVENT]).encode())
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        return refused.code


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    path = tmp_path_factory.mktemp("topology") / "t.yml"
    path.write_text(TOPOLOGY)
    # the hosts' network is wider than EC2's: its first addresses, which moto gives away, are for fixtures there
    with pytest.MonkeyPatch.context() as patch, pocket(NAME, "10.77.0.0/23", lambda name: 768) as aws:
        patch.setenv("PRIMETIME_HOME", str(tmp_path_factory.mktemp("home")))
        bench, topology = Bench(path), load(str(path))
        cluster = Cluster(bench, aws, machines.services(topology), topology)
        bench.run("up", "--yes")
        cluster.wait_for("cache-1")
        yield cluster
        # nothing stores here, so events wait in spools
        left = bench.json("down", "--yes", "--leave-spools", check=False)["left"]
        assert left and [each for each in left if not each.startswith("spool vol-")] == []


@pytest.fixture(autouse=True)
def settled(cluster: Cluster) -> Iterator[None]:
    """Each test finds a member in service, and leaves none that is in any other state."""
    if not cluster.serving():
        cluster.bench.run("scale", "collector", "1")
    yield
    for instance, state in cluster.members().items():
        if state == ENDING:
            cluster.time_is_over(instance)
    cluster.wait_until(lambda: set(cluster.members().values()) <= {SERVING}, "a member is neither in service nor gone")


def test_members_in_service_are_those_that_have_proved_their_roles(cluster: Cluster) -> None:
    assert cluster.members()
    for instance, state in cluster.members().items():
        assert (state, (instance, "configure", "CONTINUE") in cluster.aws.hooks.completed) == ("InService", True)
        assert "every promise is kept" in cluster.log("collector", instance)
        assert ssh(cluster.aws.hosts[instance], "systemctl is-active primetime-collector").stdout.strip() == "active"


def test_a_member_s_spool_is_the_volume_that_outlives_it(cluster: Cluster) -> None:
    for each in living.machines(cluster.services, cluster.topology):
        found = ssh(cluster.aws.hosts[each.id], "findmnt -n -o SOURCE,FSTYPE /var/spool/primetime; true").stdout.split()
        assert found == ([cluster.aws.devices[each.spool], "ext4"] if each.group == "collector" else [])


def test_a_machine_of_a_fixed_group_configures_itself_too(cluster: Cluster) -> None:
    cache = cluster.machine("cache-1")
    assert cluster.aws.booted[cache] == 0, cluster.log("cache", cache)
    assert ssh(cluster.aws.hosts[cache], "systemctl is-active primetime-redis").stdout.strip() == "active"


def test_the_controlling_machine_finds_them_reaches_them_and_proves_them(cluster: Cluster) -> None:
    members = {f"collector-{instance}": instance for instance in cluster.members()}
    assert {node["name"] for node in cluster.bench.json("status")["nodes"]} == {"cache-1", *members}
    for name, instance in members.items():
        assert cluster.bench.ssh(name, "cat", "/etc/hostname").strip() == instance
    assert [cluster.bench.json("converge")[told] for told in ("failed", "changes")] == [[], []]
    assert cluster.bench.json("verify")["failed"] == []


def test_a_further_member_configures_itself_and_serves(cluster: Cluster) -> None:
    cluster.bench.run("scale", "collector", "2")
    assert list(cluster.members().values()) == ["InService", "InService"]
    every = living.inventory(cluster.topology, cluster.services).every_endpoint("collector", "http")
    assert [posted(address, port) for address, port in every] == [204, 204]


def test_what_waits_in_a_spool_protects_its_member_and_down_refuses(cluster: Cluster) -> None:
    cluster.bench.run("scale", "collector", "2")
    for address, port in living.inventory(cluster.topology, cluster.services).every_endpoint("collector", "http"):
        assert posted(address, port) == 204
    cluster.wait_until(
        lambda: all(each.protected for each in cluster.services.scaling.list_auto_scale_group_members(GROUP)),
        "members are not protected",
    )
    refused = cluster.bench.run("down", "--yes", check=False)
    assert (refused.returncode, "has spools that are not shipped" in refused.stderr) == (1, True)


def test_a_member_that_has_to_go_drains_and_is_held_while_its_spool_waits(cluster: Cluster) -> None:
    cluster.bench.run("scale", "collector", "2")
    going, staying = cluster.serving()
    cluster.services.scaling.ex_terminate_member(going, shrink=True)
    cluster.wait_until(lambda: going in cluster.aws.hooks.heartbeats, f"{going} asks for no time")
    targets = find(cluster.services, NAME)["target-group", "collector"].id
    cluster.wait_until(
        lambda: going not in cluster.services.balancing.ex_target_health(targets), f"{going} has not left its balancer"
    )
    found = {each.id: each.address for each in living.machines(cluster.services, cluster.topology)}
    cluster.wait_until(lambda: posted(found[going], 8080) == 503, f"{going} does not drain")
    assert posted(found[staying], 8080) == 204
    assert cluster.members() == {going: "Terminating:Wait", staying: "InService"}


@contextmanager
def stored_at(cluster: Cluster, instance: str) -> Iterator[GatewayServer]:
    """An HBase for the shippers of one host, which look for it on the host itself."""
    gateway = GatewayServer()
    gateway.start()
    node, region = cluster.aws.hosts[instance], gateway.regionserver.port
    ways = [f"{HbaseThrift.port}:127.0.0.1:{gateway.port}", f"{region}:127.0.0.1:{region}"]
    words = [word for way in ways for word in ("-R", f"127.0.0.1:{way}")]
    words += ["-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes"]  # a shared connection would keep the ways
    through = subprocess.Popen(["ssh", "-F", node.extra["ssh_config"], "-N", *words, node.name])
    try:
        yield gateway
    finally:
        through.terminate()
        through.wait()


@pytest.mark.long
def test_the_spool_of_one_that_died_without_its_hook_is_shipped_by_another(cluster: Cluster) -> None:
    cluster.bench.run("scale", "collector", "2")
    dying, surviving = cluster.serving()
    found = {each.id: each for each in living.machines(cluster.services, cluster.topology)}
    assert posted(found[dying].address, 8080) == 204
    spool = found[dying].spool
    cluster.aws.hooks.die(GROUP, dying)
    named = cluster.bench.json("status")["spools"]
    assert len([each for each in named if spool in each]) == 1
    with stored_at(cluster, surviving) as gateway:
        cluster.wait_until(lambda: spool not in cluster.spools(), lambda: f"not shipped: {cluster.told(surviving)}")
        assert EVENT["id"] in {json.loads(each)["id"] for each in gateway.events()}
    assert [each for each in cluster.bench.json("status")["spools"] if spool in each] == []
    assert ssh(cluster.aws.hosts[surviving], "ls /var/spool/primetime-adopted").stdout == ""


@pytest.mark.long
def test_a_spool_is_taken_over_by_hand_where_no_guard_does(cluster: Cluster) -> None:
    there = next(each for each in living.machines(cluster.services, cluster.topology) if each.group == "collector")
    marks = [{"Key": OWNER, "Value": NAME}, {"Key": MARK, "Value": "collector"}]
    tagged = [{"ResourceType": "volume", "Tags": marks}]
    made = cluster.aws.client("ec2").create_volume(AvailabilityZone=there.zone, Size=1, TagSpecifications=tagged)
    cluster.aws.make_disk(made["VolumeId"])
    ssh(cluster.aws.hosts[there.id], "systemctl stop primetime-guard")
    try:
        told = cluster.bench.json("spool", "adopt", made["VolumeId"])["told"]
    finally:
        ssh(cluster.aws.hosts[there.id], "systemctl start primetime-guard")
    assert told == f"{made['VolumeId']}: all of it is shipped, and the volume is deleted"
    assert made["VolumeId"] not in cluster.spools()


def of_image(image: str) -> str:
    """The topology with another image, whose machines are given up early."""
    return TOPOLOGY.replace(IMAGE, image).replace("spool_gb: 20", "spool_gb: 20\n    configured_within: 1m")


@contextmanager
def untouched(cluster: Cluster) -> Iterator[list[str]]:
    """The members in service now, which serve on in the block, by the same process, and after it."""
    told = "systemctl show -P MainPID,InvocationID primetime-collector"
    before = {each: cluster.aws.shell(each, told) for each in cluster.serving()}
    yield list(before)
    assert {each: cluster.aws.shell(each, told) for each in before} == before
    found = {each.id: each.address for each in living.machines(cluster.services, cluster.topology)}
    assert {posted(found[each], 8080) for each in before} == {204}
    assert before.keys() <= set(cluster.serving())


def given_up(cluster: Cluster) -> list[str]:
    """Instances whose launch was abandoned, in that order."""
    completed = cluster.aws.hooks.completed
    return [instance for instance, hook, result in completed if (hook, result) == ("configure", "ABANDON")]


@pytest.mark.long
def test_newcomers_whose_converge_fails_never_serve_and_it_is_told_why(cluster: Cluster) -> None:
    cluster.aws.put_in[PINNED] = PIN
    with untouched(cluster) as before:
        wanted, earlier = len(before) + 1, given_up(cluster)
        cluster.declare(of_image(PINNED))
        try:
            failed = cluster.bench.run("scale", "collector", str(wanted), check=False)
            newcomers = [each for each in given_up(cluster) if each not in earlier]
            status = cluster.bench.json("status", check=False)
            log = cluster.bench.run("status", "--log", newcomers[0]).stdout
        finally:
            cluster.declare(TOPOLOGY)  # waits until as many serve as are wanted
        assert (failed.returncode, len(newcomers)) == (1, 2)
        why = "Collector | Install nginx and its Lua module failed"
        for told in (failed.stderr.splitlines()[-1], *status["lacking"]):
            assert f"collector-{newcomers[-1]} did not prove its roles and was given up" in told and why in told
            assert f"--log {newcomers[-1]} shows its log" in told
        assert why in log and "launch: ABANDON" in log
        assert not {(each, "configure", "CONTINUE") for each in newcomers} & set(cluster.aws.hooks.completed)
        assert len(cluster.serving()) == wanted
    go(cluster, before)


@pytest.mark.long
def test_a_newcomer_that_does_not_keep_its_promises_never_serves(cluster: Cluster) -> None:
    cluster.aws.put_in[OPEN] = SERVER
    with untouched(cluster) as before:
        earlier = given_up(cluster)
        cluster.declare(of_image(OPEN))
        try:
            cluster.bench.run("scale", "collector", str(len(before) + 1), "--no-wait")
            cluster.wait_until(lambda: len(given_up(cluster)) > len(earlier), "nobody is given up")
            [told] = cluster.bench.json("status", check=False)["lacking"]
        finally:
            cluster.declare(TOPOLOGY)
        assert "something listens on 9999 (tcp)" in told
        assert len(cluster.serving()) == len(before) + 1
    go(cluster, before)


def go(cluster: Cluster, before: list[str]) -> None:
    """Those that came since."""
    for each in set(cluster.serving()) - set(before):
        cluster.services.scaling.ex_terminate_member(each, shrink=True)


def changes(log: str) -> int:
    """How many operations of its first converge had something to change."""
    found = re.search(r"(\d+) of \d+ operations would change something", log)
    assert found, log
    return int(found[1])


@pytest.mark.long
def test_members_of_a_baked_image_have_nothing_of_its_builder_and_little_to_do(cluster: Cluster) -> None:
    with untouched(cluster) as before:
        with ThreadPoolExecutor(1) as pool:
            baked = pool.submit(cluster.bench.json, "up", "--yes", "--bake")
            cluster.wait_until(lambda: bool(cluster.aws.baking & cluster.aws.reached), "nothing is baked")
            [builder] = cluster.aws.baking
            identity = cluster.aws.shell(builder, f"cat {' '.join(IDENTITY)}").splitlines()
            [image] = baked.result()["images"]
        assert cluster.aws.images[image].node == builder
        cluster.wait_until(lambda: builder not in cluster.aws.hosts, f"{builder} still runs")
        parameters = cluster.aws.client("ssm").get_parameters_by_path(
            Path=names.parameters(NAME), Recursive=True, WithDecryption=True
        )["Parameters"]
        secrets = [line for each in parameters for line in each["Value"].splitlines() if len(line) > 20]
        told = [each.encode() for each in (*secrets, *identity) if "PRIVATE KEY" not in each]
        disk = cluster.aws.disk(image)
        holding = [(path, each) for path in disk for each in told if each in bytes(path) + b"\n" + path.read_bytes()]
        assert holding == []
        assert [path for path in disk if {"ssh_host_ed25519_key", "authorized_keys", "spool.ulid"} & {path.name}] == []
        assert any(path.name == "nginx.conf" for path in disk)  # it looked where something is

        cluster.bench.run("scale", "collector", str(len(before) + 1))
        [newcomer] = set(cluster.serving()) - set(before)
        assert cluster.aws.image_of[newcomer] == image
        assert not set(identity) & set(cluster.aws.shell(newcomer, f"cat {' '.join(IDENTITY)}").splitlines())
        few, all_of_it = (changes(cluster.log("collector", each)) for each in (newcomer, before[0]))
        assert 2 * few < all_of_it
    go(cluster, before)


def test_a_bundle_that_was_changed_is_refused_and_its_launch_abandoned(cluster: Cluster) -> None:
    key = f"{names.BUNDLES}/{parcel.version(cluster.topology)}/{names.MANIFEST}"
    storage, bucket = cluster.aws.client("s3"), names.bucket(NAME, REGION, cluster.services.account)
    manifest = storage.get_object(Bucket=bucket, Key=key)["Body"].read()
    storage.put_object(Bucket=bucket, Key=key, Body=manifest.replace(b'"cached": false', b'"cached": true'))
    before = cluster.members()
    try:
        cluster.services.scaling.ex_terminate_member(cluster.serving()[0], shrink=False)
        [instance] = cluster.members().keys() - before.keys()
        cluster.wait_until(lambda: instance not in cluster.members(), f"{instance} is neither in service nor gone")
    finally:
        storage.put_object(Bucket=bucket, Key=key, Body=manifest)
    assert cluster.aws.hooks.completed[-1] == (instance, "configure", "ABANDON")
    assert "is not signed by the key that this machine was given: nothing of it was run" in cluster.log(
        "collector", instance
    )
