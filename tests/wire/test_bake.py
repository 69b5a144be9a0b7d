"""Golden images: against moto, where a machine bakes in no time, fails, or is left half done; what is cleaned out."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest

from primetime.cloud import bake, cleaning, machines, names, parcel
from primetime.cloud.found import BAKE, Aws
from primetime.drivers.ec2 import USER_DATA_BYTES
from primetime.errors import PrimetimeError
from primetime.topology import parse
from tests.conftest import Bench
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401
from tests.pocket_hooks import acting, imaging
from tests.wire.test_cloud import EVENING, Crash, crashing, on_air, quiet, small_bundle  # noqa: F401

FIRST, CALLS = 25, 72  # of a bake: the first that changes something, and the last
SAMPLE = (49,)  # its image is made


@dataclass
class World:
    """What a machine does that is baked."""

    services: Aws
    moto: Moto
    proves: bool = True
    told: list[str] = field(default_factory=list)
    asked: int = 0

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=self.moto.url)

    def baking(self) -> list[str]:
        """Machines that bake, and have not ended."""
        states = ["pending", "running", "stopping", "stopped"]
        filters = [{"Name": "tag-key", "Values": [BAKE]}, {"Name": "instance-state-name", "Values": states}]
        found = self.client("ec2").describe_instances(Filters=filters)["Reservations"]
        return [each["InstanceId"] for one in found for each in one["Instances"]]

    def turn(self, seconds: float = 0) -> None:
        self.asked += 1
        assert self.asked < 50, "it waits for what will not come"
        for instance in self.baking():
            said = "launch: CONTINUE" if self.proves else "its roles did not come to keep their promises"
            bucket = names.bucket("evening", REGION, self.services.account)
            key = names.log("collector", instance)
            self.client("s3").put_object(Bucket=bucket, Key=key, Body=f"a log\n{said}\n".encode())
            self.client("ec2").stop_instances(InstanceIds=[instance])

    def bake(self, **how: Any) -> list[str]:
        self.asked = 0
        return bake.bake(self.services, EVENING, self.told.append, **how)

    def images(self) -> list[str]:
        return [each["ImageId"] for each in self.client("ec2").describe_images(Owners=["self"])["Images"]]


@pytest.fixture
def world(moto: Moto, small_bundle: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:  # noqa: F811
    with acting(), imaging():
        world = World(machines.services(EVENING), moto)
        monkeypatch.setattr("primetime.cloud.bake.time.sleep", world.turn)
        machines.up(world.services, EVENING, quiet, wait=False)
        yield world


def test_what_is_made_from_then_on_is_made_of_the_image(world: World) -> None:
    [image] = world.bake()
    assert (world.images(), world.baking()) == ([image], [])
    machines.up(world.services, EVENING, quiet, wait=False)
    templates = {each.name: each for each in world.services.ec2.ex_list_launch_templates()}
    boots = {name: world.services.ec2.ex_get_launch_template_data(each)["imageId"] for name, each in templates.items()}
    assert boots == {"evening-collector": image, "evening-cache": EVENING.image}
    assert machines.look(world.services, EVENING).clear


@pytest.mark.long
def test_a_second_bake_of_the_same_makes_nothing(world: World) -> None:
    first, before = world.bake(), len(world.services.calls)
    assert world.bake() == first
    assert {"RunInstances", "CreateImage"}.isdisjoint(world.services.calls[before:])


def test_the_machine_is_told_to_become_an_image_and_has_no_spool_of_its_own(world: World) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(bake, "BAKED_S", -1.0)
        with pytest.raises(PrimetimeError, match=r"no image of group collector after .*i-\S+ converges"):
            world.bake()
    [machine] = world.baking()
    said = world.client("ec2").describe_instance_attribute(InstanceId=machine, Attribute="userData")
    user_data = base64.b64decode(said["UserData"]["Value"])
    assert b"'bake': True" in user_data and b"'hook': ''" in user_data and len(user_data) <= USER_DATA_BYTES


def test_one_that_does_not_prove_its_roles_becomes_no_image(world: World) -> None:
    world.proves = False
    with pytest.raises(PrimetimeError, match=r"i-\S+ did not prove the roles of group collector \(its roles did not"):
        world.bake()
    assert (world.images(), world.baking()) == ([], [])
    world.proves = True
    assert len(world.bake()) == 1


@pytest.mark.long
def test_a_bake_of_what_is_declared_no_more_is_ended_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(bake, "BAKED_S", -1.0)
        with pytest.raises(PrimetimeError, match="no image"):
            world.bake()
    [old] = world.baking()
    monkeypatch.setattr(parcel, "version", lambda topology: "0123456789ab")
    machines.up(world.services, EVENING, quiet, wait=False)
    world.bake()
    assert any(f"ending {old}" in each for each in world.told) and world.baking() == []


@pytest.mark.long
def test_images_that_nobody_goes_back_to_are_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for version in ("1", "2", "3"):
        monkeypatch.setattr(parcel, "version", lambda topology, version=version: version)
        machines.up(world.services, EVENING, quiet, wait=False)
        made += world.bake()
    assert sorted(world.images()) == sorted(made[-bake.KEPT :])
    assert len(bake.snapshots(world.services, "evening")) == bake.KEPT


def test_down_removes_images_and_what_is_half_done(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.bake()
    monkeypatch.setattr(parcel, "version", lambda topology: "0123456789ab")
    with monkeypatch.context() as patched:
        patched.setattr(bake, "BAKED_S", -1.0)
        with pytest.raises(PrimetimeError, match="no image"):
            world.bake()
    assert len(world.baking()) == len(world.images()) == 1
    machines.down(world.services, "evening", quiet)
    assert machines.left(world.services, "evening")[0] == []
    assert (world.images(), world.baking(), bake.snapshots(world.services, "evening")) == ([], [], [])


def test_a_show_keeps_it_away(world: World) -> None:
    with pytest.raises(PrimetimeError, match=r"is on until .*: up --bake changes nothing"):
        bake.bake(world.services, parse(on_air(), "evening.yml"), quiet)


def _walk(world: World, monkeypatch: pytest.MonkeyPatch, call: int, sent: bool) -> None:
    with monkeypatch.context() as patched:
        crashing(patched, call, sent)
        with contextlib.suppress(Crash):  # past its last call it does not die
            world.bake()
    world.bake()
    assert (len(world.images()), world.baking()) == (1, [])
    machines.down(world.services, "evening", quiet)
    assert machines.left(world.services, "evening")[0] == []


@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "answer lost"])
@pytest.mark.parametrize("call", SAMPLE)
def test_a_bake_that_dies_at_a_call_is_finished_by_the_next(
    call: int, sent: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _walk(world, monkeypatch, call, sent)


@pytest.mark.long
@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "answer lost"])
@pytest.mark.parametrize("call", range(FIRST, CALLS + 1))
def test_a_bake_that_dies_at_any_call_is_finished_by_the_next(
    call: int, sent: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _walk(world, monkeypatch, call, sent)


def test_the_walk_over_crashes_covers_every_call_of_a_bake(world: World) -> None:
    fresh = machines.services(EVENING)
    bake.bake(fresh, EVENING, quiet)
    assert len(fresh.calls) == CALLS


SECRET = b"a-secret-of-thirty-two-characters"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine's disk."""
    for name, content in {
        "etc/machine-id": b"0123\n",
        "etc/ssh/ssh_host_ed25519_key": b"a key",
        "etc/ssh/sshd_config": b"Port 22\n",
        "root/.ssh/authorized_keys": b"ssh-ed25519 AAAA",
        "etc/primetime/shipper/redis.password": SECRET + b"\n",
        "etc/primetime/shipper/shipper.toml": b"spool = 1\n",
        "opt/primetime/jars/large": bytes(cleaning.CHUNK - 7) + SECRET + bytes(9),
        "var/cache/primetime/jars/1/jars.tar": b"jars",
        "var/spool/primetime/spool.ulid": b"01J\n",
        "var/lib/cloud/instance/user-data.txt": b"user data",
        "var/log/journal/1/system.journal": b"a log with " + SECRET,
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to("/etc/hostname")
    return tmp_path


def test_an_image_has_neither_secrets_nor_who_its_machine_was(root: Path) -> None:
    removed = cleaning.clean(root, [SECRET])
    left = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and not path.is_symlink()}
    assert left == {
        *("etc/machine-id", "etc/ssh/sshd_config", "etc/primetime/shipper/shipper.toml"),
        "var/cache/primetime/jars/1/jars.tar",
    }
    assert (root / "etc/machine-id").read_bytes() == b""
    assert {path.name for path in removed} == {"redis.password", "large"}
    assert list(cleaning.holding(root, [SECRET])) == []


def test_what_held_a_secret_is_overwritten_before_it_goes(root: Path) -> None:
    with (root / "etc/primetime/shipper/redis.password").open("rb") as file:  # its blocks, whatever its name
        cleaning.clean(root, [SECRET])
        assert file.read() == bytes(len(SECRET) + 1)


@pytest.mark.long
def test_bake_wants_machines_that_serve(world: World) -> None:
    refused = Bench(Path("production")).run("up", "--yes", "--bake", "--no-wait", "--during-show", check=False)
    assert (refused.returncode, "--bake needs machines that serve" in refused.stderr) == (2, True)
