"""The guard of a collector on EC2: against moto, with a real collector and a real shipper, and killed at each step."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from primetime import bundle
from primetime.cloud import freeze, machines
from primetime.cloud.found import Aws, find
from primetime.drivers.aws import metadata as instance_metadata
from primetime.drivers.aws.errors import Faulty, Refusal
from primetime.drivers.aws.metadata import Metadata
from primetime.drivers.aws.wire import tagged
from primetime.drivers.volumes import Volume, Volumes
from primetime.guard import quiet
from primetime.guard.adoption import Folders, request
from primetime.guard.agent import Agent, Places
from primetime.guard.decision import CALM_S, EMPTY_S, FLOWS_S, HEARTBEAT_S, Action
from primetime.guard.marks import NAME, OWNER, SHIPPED, SPOOL_DEVICE
from primetime.guard.member import Member
from tests.aws_proxy import Proxy, proxy_before
from tests.aws_wire import query_error
from tests.metadata_server import MetadataServer, metadata_server
from tests.moto_server import Moto, moto, moto_server  # noqa: F401
from tests.shipping import Writer, event
from tests.wire.collector_server import collector
from tests.wire.collector_server import event as posted
from tests.wire.test_cloud import EVENING, small_bundle  # noqa: F401
from tests.wire.test_shipper_process import Shipper

GROUP = "evening-collector"
DONE = b"<R/>"


@dataclass
class Instance:
    """A member of a group in moto, its metadata, its spool, and its terminate hook, which moto has not."""

    services: Aws
    id: str
    metadata: MetadataServer
    places: Places
    ended: bool = False
    heartbeats: int = 0
    now: list[float] = field(default_factory=lambda: [1000.0])

    def agent(self, clock: Any = None) -> Agent:
        member = Member(
            Metadata({"AWS_EC2_METADATA_SERVICE_ENDPOINT": self.metadata.url}),
            self.services.scaling,
            self.services.balancing,
        )
        return Agent(self.places, member, lambda: Volumes(self.services.ec2.connection), clock or (lambda: self.now[0]))

    def has_to_go(self) -> None:
        self.metadata.paths["autoscaling/target-lifecycle-state"] = "Terminated"

    def volume(self, device: str = SPOOL_DEVICE) -> Volume:
        """One in its zone, which is attached to it."""
        zone = self.services.scaling.ex_member(self.id)[1]
        assert zone
        ask = self.services.ec2.connection.ask
        own = tagged("volume", {OWNER: "evening", NAME: "collector"})
        made = ask("CreateVolume", AvailabilityZone=zone.zone, Size=20, **own)["volumeId"]
        ask("AttachVolume", VolumeId=made, InstanceId=self.id, Device=device)
        return self.volumes()[made]

    def volumes(self) -> dict[str, Volume]:
        every = Volumes(self.services.ec2.connection).list_volumes({OWNER: "evening", NAME: "collector"})
        return {each.id: each for each in every}

    def is_protected(self) -> bool:
        _, member = self.services.scaling.ex_member(self.id)
        assert member
        return member.protected

    def is_balanced(self) -> bool:
        targets = find(self.services, EVENING.name)["target-group", "collector"].id
        return self.id in self.services.balancing.ex_target_health(targets)

    def complete(self, asked: dict[str, str]) -> tuple[int, bytes]:
        assert (asked["AutoScalingGroupName"], asked["InstanceId"]) == (GROUP, self.id)
        assert (asked["LifecycleHookName"], asked["LifecycleActionResult"]) == ("drain", "CONTINUE")
        if self.ended:
            return 400, query_error("ValidationError", "No active Lifecycle Action found with instance ID").encode()
        self.ended = True
        return 200, DONE

    def heartbeat(self, asked: dict[str, str]) -> tuple[int, bytes]:
        assert (asked["AutoScalingGroupName"], asked["InstanceId"]) == (GROUP, self.id)
        self.heartbeats += 1
        return 200, DONE


@pytest.fixture
def instance(
    moto: Moto,  # noqa: F811
    small_bundle: None,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> Iterator[Instance]:
    machines.up(machines.services(EVENING), EVENING, lambda text: None)
    spool = tmp_path / "spool"
    spool.mkdir()
    desk = Folders(tmp_path / "wanted", tmp_path / "results")
    places = Places(spool, tmp_path / "draining", tmp_path / "run" / "status.json", desk)
    with proxy_before(moto.url) as proxy, metadata_server() as metadata:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        monkeypatch.setattr(instance_metadata, "_TIMEOUT_S", 60.0)  # here it shares its machine with others
        services = machines.services(EVENING)
        mine = services.scaling.list_auto_scale_group_members(GROUP)[0].id
        metadata.paths |= {"instance-id": mine, "autoscaling/target-lifecycle-state": "InService"}
        instance = Instance(services, mine, metadata, places)
        _answer_hooks(proxy, instance)
        yield instance


def _answer_hooks(proxy: Proxy, instance: Instance) -> None:
    proxy.answers["CompleteLifecycleAction"] = instance.complete
    proxy.answers["RecordLifecycleActionHeartbeat"] = instance.heartbeat


def steps(agent: Agent, instance: Instance, seconds: float) -> list[Action]:
    """What is done in so many seconds."""
    done = []
    for _ in range(int(seconds)):
        done += agent.step()
        instance.now[0] += 1
    return done


def test_an_unshipped_spool_is_protected_from_scaling_in_until_it_is_shipped(instance: Instance) -> None:
    agent = instance.agent()
    segment = Writer(instance.places.spool).write(event(1)).seal()
    steps(agent, instance, FLOWS_S)
    assert not instance.is_protected()  # it may be shipped any moment, and would be before this instance had gone
    steps(agent, instance, CALM_S)
    assert instance.is_protected()
    segment.unlink()
    steps(agent, instance, CALM_S - 1)
    assert instance.is_protected()
    steps(agent, instance, 3)
    assert not instance.is_protected()


def test_while_phones_send_and_all_is_shipped_in_time_scaling_in_may_choose_it(instance: Instance) -> None:
    agent = instance.agent()
    instance.services.scaling.ex_protect_members(GROUP, [instance.id], True)  # as after a store that was away
    for number in range(1, 14):
        segment = Writer(instance.places.spool, number).write(event(number)).seal()
        steps(agent, instance, 10)  # the age at which a segment is sealed
        segment.unlink()
    assert not instance.is_protected()


def test_what_can_never_be_shipped_holds_nobody(instance: Instance) -> None:
    segment = Writer(instance.places.spool).write(event(1)).seal()
    instance.places.status.parent.mkdir()
    instance.places.status.write_text(json.dumps({"sinks": {"hbase": {"kept": {segment.stem: "corrupt"}}}}))
    steps(instance.agent(), instance, CALM_S + 2)
    assert not instance.is_protected()


def test_a_protection_that_a_dead_guard_left_behind_is_lifted(instance: Instance) -> None:
    instance.services.scaling.ex_protect_members(GROUP, [instance.id], True)
    steps(instance.agent(), instance, CALM_S + 2)
    assert not instance.is_protected()


def test_an_instance_that_has_to_go_leaves_the_balancer_drains_and_ends_its_pause_when_all_is_shipped(
    instance: Instance,
) -> None:
    agent = instance.agent()
    segment = Writer(instance.places.spool).write(event(1)).seal()
    steps(agent, instance, 2)
    assert instance.is_balanced() and not instance.places.draining.exists()
    instance.has_to_go()
    steps(agent, instance, 4)
    assert not instance.is_balanced() and instance.places.draining.exists()
    assert Action.COMPLETE not in steps(agent, instance, 10 * HEARTBEAT_S)
    assert (instance.heartbeats, instance.ended) == (11, False)
    segment.unlink()
    steps(agent, instance, EMPTY_S + 2)
    assert instance.ended


def test_a_spot_instance_that_is_taken_away_drains_too(instance: Instance) -> None:
    instance.metadata.paths["spot/instance-action"] = '{"action": "terminate"}'
    steps(instance.agent(), instance, 4)
    assert instance.places.draining.exists()


def test_while_aws_does_not_answer_it_drains_and_tries_again(instance: Instance) -> None:
    agent, patched = instance.agent(), pytest.MonkeyPatch()
    steps(agent, instance, 2)

    def refuses(*_: Any, **__: Any) -> Any:
        raise Faulty(Refusal("InternalError", "as it is", "autoscaling:Any", 500))

    for driver in (instance.services.scaling, instance.services.balancing):
        patched.setattr(driver, "_ask", refuses)
    instance.has_to_go()
    steps(agent, instance, 200)
    assert instance.places.draining.exists() and not instance.ended
    patched.undo()
    steps(agent, instance, 2)
    assert instance.ended


def test_one_that_ends_says_that_nothing_is_left_and_one_that_serves_takes_that_back(instance: Instance) -> None:
    own = instance.volume()
    instance.has_to_go()
    steps(instance.agent(), instance, 10)
    assert instance.ended and SHIPPED in instance.volumes()[own.id].tags
    instance.metadata.paths["autoscaling/target-lifecycle-state"] = "InService"
    steps(instance.agent(), instance, 2)
    assert SHIPPED not in instance.volumes()[own.id].tags


@pytest.mark.parametrize("why", ["spot", "kept"])
def test_it_does_not_say_so_when_it_may_come_back_or_something_is_left(why: str, instance: Instance) -> None:
    own = instance.volume()
    if why == "spot":
        instance.metadata.paths["spot/instance-action"] = '{"action": "stop"}'
    else:
        segment = Writer(instance.places.spool).write(event(1)).seal()
        instance.places.status.parent.mkdir()
        instance.places.status.write_text(json.dumps({"sinks": {"hbase": {"kept": {segment.stem: "corrupt"}}}}))
        instance.has_to_go()
    steps(instance.agent(), instance, 10)
    assert instance.ended and SHIPPED not in instance.volumes()[own.id].tags


def test_a_spool_that_it_has_taken_over_protects_it_and_holds_it_until_it_is_shipped(instance: Instance) -> None:
    other, agent = instance.volume("/dev/sdg"), instance.agent()
    steps(agent, instance, 2 * CALM_S)
    assert instance.is_protected()
    instance.has_to_go()
    steps(agent, instance, 2 * CALM_S)
    assert not instance.ended
    results = instance.places.desk.results  # type: ignore[attr-defined]
    results.mkdir()
    (results / request(other)).write_text("shipped\n")
    steps(agent, instance, 2 * CALM_S)
    assert instance.ended and other.id not in instance.volumes()


def test_while_a_show_is_on_its_group_takes_nobody_away(instance: Instance) -> None:
    agent, scaling = instance.agent(), instance.services.scaling

    def suspended() -> set[str]:
        steps(agent, instance, 2 * quiet.LOOK_EVERY_S)
        return set(scaling.list_auto_scale_groups([GROUP])[0].suspended)

    assert suspended() == set()
    scaling.update_auto_scale_group(GROUP, MinSize=3, DesiredCapacity=3)  # as a show's scheduled action does
    assert suspended() == {"ReplaceUnhealthy", "AZRebalance"}
    freeze.freeze(instance.services, EVENING, False)
    assert suspended() == set()
    scaling.update_auto_scale_group(GROUP, MinSize=2, DesiredCapacity=2)
    assert suspended() == set()
    scaling.update_auto_scale_group(GROUP, MinSize=3, DesiredCapacity=3)
    assert suspended() == {"ReplaceUnhealthy", "AZRebalance"}
    scaling.update_auto_scale_group(GROUP, MinSize=2, DesiredCapacity=2)
    assert suspended() == set()
    freeze.freeze(instance.services, EVENING, True)
    assert suspended() == {"ReplaceUnhealthy", "AZRebalance"}


class Death(BaseException):
    """The guard is killed here."""


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    "at", [Action.PROTECT, Action.LEAVE, Action.DRAIN, Action.HEARTBEAT, Action.MARK, Action.COMPLETE]
)
def test_a_guard_that_is_killed_at_a_step_is_followed_by_one_that_finishes(
    at: Action, after: bool, instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = Writer(instance.places.spool).write(event(1)).seal()
    first, do = instance.agent(), Agent._do

    def dying(self: Agent, action: Action) -> None:
        if action is not at or after:
            do(self, action)
        if action is at:
            raise Death

    with monkeypatch.context() as patched, pytest.raises(Death):
        patched.setattr(Agent, "_do", dying)
        steps(first, instance, FLOWS_S + 2 if at is Action.PROTECT else 2)
        instance.has_to_go()
        steps(first, instance, 5)
        segment.unlink()
        steps(first, instance, 10)
    second = instance.agent()
    instance.has_to_go()
    if segment.exists():
        steps(second, instance, 10)
        assert not instance.ended
        segment.unlink()
    steps(second, instance, 10)
    assert instance.ended and not instance.is_balanced()


def test_under_load_every_acknowledged_event_is_stored_when_the_pause_ends(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "shipper").mkdir()
    shipper = Shipper(tmp_path / "shipper")
    shipper.gateway.start()
    acknowledged: list[str] = []
    refused: list[str] = []
    stop = threading.Event()
    try:
        with collector(workers=2) as server:
            shipper.spool = server.spool
            shipper.start(redis_host="")

            def send() -> None:
                while not stop.is_set():
                    one = posted()
                    answer = server.post([one])
                    (acknowledged if answer.status == 204 else refused).append(one["id"])

            sender = threading.Thread(target=send)
            sender.start()
            draining, status = server.root / "run" / "draining", shipper.run / "status.json"
            instance.places = Places(shipper.spool, draining, status, instance.places.desk)
            agent = instance.agent(time.monotonic)
            until = time.monotonic() + 180
            while len(acknowledged) < 100:
                agent.step()
                assert time.monotonic() < until
            instance.has_to_go()
            while not instance.ended:
                agent.step()
                time.sleep(0.1)
                assert time.monotonic() < until
            stop.set()
            sender.join()
            stored = {json.loads(each)["id"] for each in shipper.gateway.events()}
            assert shipper.segments() == []
    finally:
        stop.set()
        shipper.close()
    assert refused and set(acknowledged) <= stored


def test_its_bundle_runs_with_nothing_but_a_plain_python_until_it_is_told_to_stop(
    instance: Instance, tmp_path: Path
) -> None:
    instance.metadata.paths["placement/region"] = "eu-central-1"
    instance.has_to_go()
    words = ["--spool", instance.places.spool, "--draining", instance.places.draining, "--status", tmp_path / "none"]
    words += ["--wanted", tmp_path / "wanted", "--results", tmp_path / "results"]
    tree, python = tmp_path / "tree", shutil.which("python3", path="/usr/bin") or "python3"
    tree.mkdir()
    subprocess.run(["tar", "-xf", bundle.GUARD.ensure(), "-C", tree], check=True)
    aws = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    process = subprocess.Popen(
        [python, "-S", "-B", "-m", "primetime.guard", *words],
        cwd="/",
        env={**aws, "PYTHONPATH": str(tree), "AWS_EC2_METADATA_SERVICE_ENDPOINT": instance.metadata.url},
        stdout=subprocess.PIPE,
        text=True,
    )
    until = time.monotonic() + 180
    while not instance.ended:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.1)
    process.terminate()
    told, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert told.splitlines() == [Action.LEAVE.value, Action.DRAIN.value, Action.MARK.value, Action.COMPLETE.value]
