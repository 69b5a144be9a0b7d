"""A topology on EC2 against moto: up, down, and whatever happens between them."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import boto3
import pytest

from primetime.calendar import collectors
from primetime.capacity_figures import FIGURES
from primetime.cloud import freeze, lock, machines, parcel, spools, steps
from primetime.cloud.found import Aws, find
from primetime.cloud.wanted import owned
from primetime.drivers.aws import wire
from primetime.drivers.aws.connection import AwsConnection
from primetime.drivers.aws.errors import AwsError, Refusal
from primetime.drivers.ec2 import Ec2Driver
from primetime.drivers.volumes import Volumes
from primetime.errors import NotAsDeclared, PrimetimeError, UsageError
from primetime.guard.marks import KEPT, SHIPPED
from primetime.topology import Topology, load, parse
from tests.conftest import Bench
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401
from tests.pocket_hooks import acting
from tests.unit.test_cloud_plan import QUIET, TEXT

EVENING = parse(QUIET, "evening.yml")
CALLS_OF_UP = 99
SAMPLE = (28, 31, 66, 78)  # a bundle without its signature; half a role; groups half made; machines half made


@pytest.fixture
def small_bundle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bundles of a few bytes: what is in them is not the matter here, and 200 MB would be sent for each test."""

    def files(topology: Topology, making: Path, progress: Any) -> list[parcel.File]:
        path = making / "tree.tar"
        path.write_text("a tree")
        return [parcel.File("tree", path)]

    monkeypatch.setattr(parcel, "files", files)


def quiet(text: str) -> None:
    pass


@pytest.fixture
def services(moto: Moto, small_bundle: None) -> Aws:  # noqa: F811
    return machines.services(EVENING)


def up(services: Aws, topology: Topology = EVENING) -> int:
    return machines.up(services, topology, quiet)


def down(services: Aws) -> list[str]:
    machines.down(services, EVENING.name, quiet)
    return machines.left(services, EVENING.name)[0]


class Crash(BaseException):
    """The process dies here."""


def crashing(monkeypatch: pytest.MonkeyPatch, call: int, sent: bool) -> None:
    """Die at the `call`th call: before it is sent, or when it was carried out and its answer is on the way."""
    once, made = AwsConnection._once, [0]

    def dying(self: Any, asked: dict[str, Any]) -> Any:
        made[0] += 1
        if made[0] == call and not sent:
            raise Crash
        answer = once(self, asked) if made[0] <= call else None
        if made[0] >= call:
            raise Crash  # a dead process makes no further calls
        return answer

    monkeypatch.setattr(AwsConnection, "_once", dying)


def test_up_makes_all_of_it_a_second_up_nothing_and_down_leaves_nothing(services: Aws) -> None:
    made = up(services)
    assert made == len(machines.look(services, EVENING).found)
    assert up(services) == 0
    assert down(services) == []


def test_an_unchanged_plan_asks_once_for_each_kind_of_resource(services: Aws) -> None:
    up(services)
    fresh = machines.services(EVENING)
    assert machines.look(fresh, EVENING).sentences() == ["no changes"]
    assert len(fresh.calls) == len(set(fresh.calls)) == 21


def _walk(services: Aws, monkeypatch: pytest.MonkeyPatch, call: int, sent: bool, verb: Any) -> None:
    with monkeypatch.context() as patched:
        crashing(patched, call, sent)
        with contextlib.suppress(Crash):  # past its last call it does not die
            verb()
    up(services)
    assert machines.look(services, EVENING).clear
    assert down(services) == []


@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "answer lost"])
@pytest.mark.parametrize("call", SAMPLE)
def test_an_up_that_dies_at_a_call_is_completed_by_the_next(
    call: int, sent: bool, services: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    _walk(services, monkeypatch, call, sent, lambda: up(services))


@pytest.mark.long
@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "answer lost"])
@pytest.mark.parametrize("call", range(1, CALLS_OF_UP + 1))
def test_an_up_that_dies_at_any_call_is_completed_by_the_next(
    call: int, sent: bool, services: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    _walk(services, monkeypatch, call, sent, lambda: up(services))


def test_the_walk_over_crashes_covers_every_call_of_up(services: Aws) -> None:
    up(services)
    assert len(services.calls) <= CALLS_OF_UP


@pytest.mark.parametrize("call", [20, 38])
def test_a_down_that_dies_is_completed_by_the_next(call: int, services: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    up(services)
    with monkeypatch.context() as patched:
        crashing(patched, call, True)
        with pytest.raises(Crash):
            down(services)
    assert down(services) == []


def test_an_up_whose_answer_is_lost_looks_again_and_makes_nothing_twice(
    services: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests

    once = AwsConnection._once
    lost: list[dict[str, Any]] = []

    def losing(self: Any, asked: dict[str, Any]) -> Any:
        answer = once(self, asked)
        if asked["Action"] == "CreateVpc" and not lost:
            lost.append(asked)
            raise requests.ConnectionError("half-open")
        return answer

    monkeypatch.setattr(AwsConnection, "_once", losing)
    up(services)
    assert lost and services.calls.count("CreateVpc") == 1
    assert down(services) == []


def test_a_role_that_ec2_does_not_know_yet_is_waited_for(services: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    once = AwsConnection._once
    unknown = {
        "CreateAutoScalingGroup": "Value (x) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance "
        "Profile name",
        "RunInstances": "Invalid IamInstanceProfile: x",
    }

    def late(self: Any, asked: dict[str, Any]) -> Any:
        if message := unknown.pop(asked["Action"], None):
            raise AwsError(Refusal("ValidationError", message, asked["Action"], 400))
        return once(self, asked)

    monkeypatch.setattr(AwsConnection, "_once", late)
    monkeypatch.setattr(steps, "AGAIN_S", 0.01)
    up(services)
    assert unknown == {} and machines.look(services, EVENING).clear


def test_what_somebody_else_owns_is_neither_taken_nor_removed(services: Aws) -> None:
    services.ec2.ex_create_launch_template("evening-cache", {"InstanceType": "t3.nano"}, {"owner": "somebody"})
    with pytest.raises(NotAsDeclared, match="template cache: there is one that evening does not own"):
        up(services)
    assert down(services) == []
    assert [each.name for each in services.ec2.ex_list_launch_templates()] == ["evening-cache"]


def orphan(services: Aws, zone_letter: str = "a") -> str:
    """A spool's volume whose instance is gone."""
    tags = wire.tagged("volume", owned(EVENING, "collector"))
    zone = {"AvailabilityZone": f"{REGION}{zone_letter}", "Size": 20}
    return str(services.ec2.connection.ask("CreateVolume", **zone, **tags)["volumeId"])


def test_a_spool_that_outlived_its_machine_is_named_and_not_deleted(services: Aws) -> None:
    up(services)
    spool = orphan(services)
    with pytest.raises(PrimetimeError, match=rf"spools that are not shipped \({spool}\)"):
        down(services)
    machines.down(services, EVENING.name, quiet, leave_spools=True)
    assert down(services) == [f"spool {spool}: not deleted, for it may hold events"]  # nobody lives who could ship it


def test_plan_and_up_name_spools_whose_instances_are_gone(services: Aws) -> None:
    up(services)
    spool, told = orphan(services), list[str]()
    said = f"spool {spool} of collector in {REGION}a: its instance is gone, and it may hold events"
    assert machines.look(services, EVENING).sentences()[0].startswith(said)
    machines.up(services, EVENING, told.append)
    assert told[-1].startswith(said)
    Volumes(services.ec2.connection).ex_mark_volume(spool, {KEPT: "cannot be shipped: x"})
    assert (
        "cannot be shipped: x: see docs/ledger.md, then spool adopt" in machines.look(services, EVENING).sentences()[0]
    )


def test_down_deletes_spools_that_are_marked_as_shipped(services: Aws) -> None:
    up(services)
    Volumes(services.ec2.connection).ex_mark_volume(orphan(services), {SHIPPED: "now"})
    assert down(services) == []


def test_a_spool_is_taken_over_in_its_own_zone_or_not_at_all(services: Aws) -> None:
    up(services)
    with pytest.raises(UsageError, match="vol-1 is no spool of evening whose instance is gone: those are: none"):
        spools.adopt(services, EVENING, "vol-1", quiet)
    spool = orphan(services, "b")  # moto puts all members into one zone
    with pytest.raises(PrimetimeError, match=f"{spool} lies in {REGION}b, where no member of group collector lives"):
        spools.adopt(services, EVENING, spool, quiet)


def test_down_sends_members_that_have_guards_by_their_hooks(services: Aws) -> None:
    told: list[str] = []
    with acting():
        machines.up(services, EVENING, quiet, wait=False)

        def progress(text: str) -> None:
            """Their guards, in the end."""
            told.append(text)
            if text.startswith("waiting: "):
                for each in services.scaling.list_auto_scale_group_members("evening-collector"):
                    services.scaling.ex_complete_hook("evening-collector", "drain", each.id, proceed=True)

        machines.down(services, EVENING.name, progress, guarded=["collector"])
    assert told[0] == "drain group collector" and "Terminating:Wait" in told[1]
    assert machines.left(services, EVENING.name)[0] == []


def test_down_does_not_wait_for_ever_for_members_that_do_not_drain(
    services: Aws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machines, "DRAINED_S", 0.0)
    with acting():
        machines.up(services, EVENING, quiet, wait=False)
        with pytest.raises(PrimetimeError, match=r"down waited 0 s for members to drain \(i-\S+ is Terminating:Wait"):
            machines.down(services, EVENING.name, quiet, guarded=["collector"])
        machines.down(services, EVENING.name, quiet, leave_spools=True, guarded=["collector"])
    assert machines.left(services, EVENING.name)[0] == []


def test_down_waits_for_spools_that_are_not_shipped_unless_they_are_left(services: Aws) -> None:
    up(services)
    first, *_ = services.scaling.list_auto_scale_group_members("evening-collector")
    services.scaling.ex_protect_members("evening-collector", [first.id], True)  # as its guard does
    before = machines.left(services, EVENING.name)[0]
    with pytest.raises(PrimetimeError, match=rf"spools that are not shipped \(evening-collector {first.id}\)"):
        down(services)
    assert machines.left(services, EVENING.name)[0] == before
    machines.down(services, EVENING.name, quiet, leave_spools=True)
    assert machines.left(services, EVENING.name)[0] == []


def test_a_group_s_number_is_the_autoscaler_s(services: Aws) -> None:
    up(services)
    services.scaling.update_auto_scale_group("evening-collector", MinSize=6, DesiredCapacity=6)  # as a show does
    assert machines.look(services, EVENING).clear


def test_scale_sets_a_number_within_limits(services: Aws) -> None:
    up(services)
    machines.scale(services, EVENING, "collector", 6, quiet)
    assert len(services.scaling.list_auto_scale_group_members("evening-collector")) == 6
    with pytest.raises(UsageError, match="13 is not within 2 and 12"):
        machines.scale(services, EVENING, "collector", 13, quiet)
    with pytest.raises(UsageError, match="group cache of evening does not scale"):
        machines.scale(services, EVENING, "cache", 3, quiet)


def test_members_that_do_not_become_healthy_are_told_with_a_deadline(services: Aws) -> None:
    up(services)
    targets = find(services, EVENING.name)["target-group", "collector"].id
    [first, *_] = services.scaling.list_auto_scale_group_members("evening-collector")
    services.balancing.ex_deregister(targets, [first.id])
    with pytest.raises(PrimetimeError, match="not healthy after 0 s: group collector has 1 healthy members of 2"):
        machines.wait_until_healthy(services, EVENING, quiet, within_s=0)


def test_a_saved_plan_is_done_or_refused(services: Aws, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    machines.save(machines.look(services, EVENING), EVENING, saved)
    machines.up(services, EVENING, quiet, saved)
    with pytest.raises(NotAsDeclared, match="what exists has moved"):
        machines.up(services, EVENING, quiet, saved)
    machines.save(machines.look(services, EVENING), EVENING, saved)
    with pytest.raises(NotAsDeclared, match="declares something else"):
        machines.up(services, parse(QUIET.replace("max: 12", "max: 9"), "t.yml"), quiet, saved)


def test_a_second_operator_has_to_wait_and_is_told_for_whom(services: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Ec2Driver()
    with lock.held(other, EVENING.name, "up"):
        monkeypatch.setattr("socket.gethostname", lambda: "elsewhere")
        with pytest.raises(PrimetimeError, match=rf"down has to wait: `up` on \S+ \(pid {os.getpid()}\) is at work"):
            down(services)
    assert down(services) == []


def test_a_lock_that_its_holder_left_behind_is_taken_over(services: Aws) -> None:
    past = time.time() - lock.LASTS_S - 1
    lock._take(services.ec2, EVENING.name, "up", lambda: past)
    with lock.held(services.ec2, EVENING.name, "down"):
        assert len(services.ec2.ex_list_launch_templates()) == 1
    assert services.ec2.ex_list_launch_templates() == []


def test_an_outside_reader_finds_what_the_topology_declares(services: Aws, moto: Moto) -> None:  # noqa: F811
    up(services)
    session = {"region_name": REGION, "endpoint_url": moto.url}
    ec2, scaling = boto3.client("ec2", **session), boto3.client("autoscaling", **session)
    [vpc] = ec2.describe_vpcs(Filters=[{"Name": "tag:primetime:topology", "Values": ["evening"]}])["Vpcs"]
    subnets = ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc["VpcId"]]}])["Subnets"]
    [group] = scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
    names = {"Name": "tag:primetime:node", "Values": ["*"]}
    nodes = [each for one in ec2.describe_instances(Filters=[names])["Reservations"] for each in one["Instances"]]
    actions = scaling.describe_scheduled_actions()["ScheduledUpdateGroupActions"]
    assert EVENING.cloud
    declared = EVENING.cloud.groups[0]
    assert vpc["CidrBlock"] == EVENING.cloud.network
    assert {each["AvailabilityZone"]: each["CidrBlock"] for each in subnets} == EVENING.cloud.subnets()
    assert (group["MinSize"], group["MaxSize"]) == (declared.least, declared.most)
    assert sorted(group["VPCZoneIdentifier"].split(",")) == sorted(each["SubnetId"] for each in subnets)
    assert {each["InstanceType"] for each in group["Instances"]} == set(declared.sizes)
    assert {each["InstanceType"] for each in nodes} == set(EVENING.cloud.groups[1].sizes)
    assert {each["MinSize"] for each in actions} == {collectors(EVENING.cloud.shows[0], 2, 2, FIGURES), declared.least}
    [template] = [
        each
        for each in ec2.describe_launch_template_versions(
            LaunchTemplateId=group["LaunchTemplate"]["LaunchTemplateId"], Versions=["$Latest"]
        )["LaunchTemplateVersions"]
    ]
    data = template["LaunchTemplateData"]
    spool = {each["DeviceName"]: each["Ebs"] for each in data["BlockDeviceMappings"]}["/dev/sdf"]
    assert (data["ImageId"], data["MetadataOptions"]["HttpTokens"]) == (EVENING.image, "required")
    assert (spool["VolumeSize"], spool["DeleteOnTermination"]) == (declared.spool_gb, False)


def test_a_frozen_topology_is_not_touched_until_it_is_ended(services: Aws) -> None:
    up(services)
    assert freeze.freeze(services, EVENING, True) == ["evening-collector"]
    assert freeze.freeze(services, EVENING, True) == []
    assert machines.look(services, EVENING).clear
    with pytest.raises(PrimetimeError, match=r"evening is frozen \(group evening-collector\): .* --during-show"):
        up(services)
    with pytest.raises(PrimetimeError, match=r"is frozen .*: converge changes nothing"):
        freeze.require_quiet(services, EVENING, False, "converge")
    assert machines.up(services, EVENING, quiet, during_show=True) == 0
    assert freeze.freeze(services, EVENING, False) == ["evening-collector"]
    freeze.require_quiet(services, EVENING, False, "converge")
    assert up(services) == 0


def on_air() -> str:
    """A topology whose show begins in ten minutes, as text."""
    start = datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(minutes=10)
    return TEXT.replace("2026-11-28 20:35", f"{start:%Y-%m-%d %H:%M}")


def test_a_show_that_is_on_keeps_up_away(services: Aws) -> None:
    topology = parse(on_air(), "t.yml")
    with pytest.raises(PrimetimeError, match=r"quiz-\d+ is on until .*: up changes nothing meanwhile"):
        up(services, topology)
    assert services.calls == []
    machines.up(services, topology, quiet, during_show=True)


def test_during_a_show_scale_adds_members_and_takes_none_away(services: Aws) -> None:
    topology = parse(on_air(), "t.yml")
    machines.up(services, topology, quiet, during_show=True)
    machines.scale(services, topology, "collector", 6, quiet)
    with pytest.raises(PrimetimeError, match=r"quiz-\d+ is on until .*: scale to fewer changes nothing"):
        machines.scale(services, topology, "collector", 5, quiet)
    machines.scale(services, topology, "collector", 5, quiet, during_show=True)
    assert len(services.scaling.list_auto_scale_group_members("evening-collector")) == 5


def test_converge_is_kept_away_by_a_show_before_it_does_anything(
    moto: Moto,  # noqa: F811
    tmp_path: Path,
) -> None:
    inventory = tmp_path / "evening.yml"
    inventory.write_text(on_air())
    refused = Bench(inventory).run("converge", check=False)
    assert (refused.returncode, "is on until" in refused.stderr) == (1, True)


@pytest.fixture
def production(moto: Moto) -> Iterator[Bench]:  # noqa: F811
    yield Bench(Path("production"))


def test_production_comes_up_and_goes_by_its_verbs(production: Bench) -> None:
    refused = production.run("up", check=False)
    assert (refused.returncode, "then add --yes" in refused.stderr) == (2, True)
    assert load("production").cloud
    assert production.json("up", "--yes", "--during-show")["changed"] > 30
    assert production.run("plan").stdout.splitlines()[-1] == "no changes"
    down = production.run("down", "--yes", "--json")
    assert json.loads(down.stdout.splitlines()[-1])["left"] == []
