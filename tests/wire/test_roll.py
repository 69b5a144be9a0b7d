"""A rolling replacement of a group's members against moto, whose hooks act: one by one, or not at all."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import boto3
import pytest

from primetime.cloud import freeze, lock, machines, roll
from primetime.cloud.found import Aws
from primetime.cloud.rolling import Move
from primetime.errors import NotAsDeclared, PrimetimeError, UsageError
from primetime.topology import Topology, parse
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401
from tests.pocket_hooks import ENDING, LAUNCHING, acting
from tests.unit.test_cloud_plan import QUIET
from tests.wire.test_cloud import EVENING, Crash, crashing, on_air, quiet, small_bundle  # noqa: F401

GROUP = "evening-collector"
FIRST, CALLS = 45, 73  # of a roll of two members: the first that changes something, and the last
SAMPLE = (55,)  # an old one is ended
CHANGED = QUIET.replace("ami-0123456789abcdef0", "ami-0123456789abcdef1")
NEWER = parse(CHANGED, "evening.yml")


@dataclass
class World:
    """What machines do while somebody waits: newcomers prove themselves, or fail; those that end are drained."""

    services: Aws
    client: Any  # not ours: a process of ours may be dead
    fails: bool = False
    drains: bool = True
    least: int = 99  # the fewest that served at any time
    told: list[str] = field(default_factory=list)
    asked: int = 0

    def turn(self, seconds: float = 0) -> None:
        self.asked += 1
        assert self.asked < 100, "it waits for what will not come"
        self.least = min(self.least, len(self.serving()))
        for each in self.group()["Instances"]:
            if each["LifecycleState"] == LAUNCHING:
                self.complete(each["InstanceId"], "configure", "ABANDON" if self.fails else "CONTINUE")
            elif each["LifecycleState"] == ENDING and self.drains:
                self.complete(each["InstanceId"], "drain", "CONTINUE")

    def complete(self, instance: str, hook: str, result: str) -> None:
        self.client.complete_lifecycle_action(
            AutoScalingGroupName=GROUP, InstanceId=instance, LifecycleHookName=hook, LifecycleActionResult=result
        )

    def group(self) -> Any:
        return self.client.describe_auto_scaling_groups(AutoScalingGroupNames=[GROUP])["AutoScalingGroups"][0]

    def serving(self) -> dict[str, str]:
        """Instance → the version that it was made of."""
        members = self.group()["Instances"]
        serving = [each for each in members if each["LifecycleState"] == "InService"]
        return {each["InstanceId"]: each["LaunchTemplate"]["Version"] for each in serving}

    def desired(self) -> int:
        return int(self.group()["DesiredCapacity"])

    def roll(self, topology: Topology = NEWER, **how: Any) -> list[str]:
        self.asked = 0
        return roll.roll(self.services, topology, self.told.append, **how)


@pytest.fixture
def world(moto: Moto, small_bundle: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:  # noqa: F811
    """Two members that serve, made of the first version; the template has a second one."""
    with acting():
        world = World(
            machines.services(EVENING), boto3.client("autoscaling", region_name=REGION, endpoint_url=moto.url)
        )
        monkeypatch.setattr("primetime.cloud.roll.SOAK_S", 0.0)
        monkeypatch.setattr("primetime.cloud.roll.time.sleep", world.turn)
        machines.up(world.services, EVENING, quiet, wait=False)
        world.turn()
        machines.up(world.services, NEWER, quiet, wait=False)
        world.least = 99
        yield world


def test_every_member_is_replaced_and_never_are_there_fewer(world: World) -> None:
    before = set(world.serving())
    came = world.roll()
    assert (set(came), set(world.serving().values())) == (set(world.serving()), {"2"})
    assert not before & set(came) and (world.least, world.desired()) == (2, 2)
    assert machines.look(world.services, NEWER).clear  # what it keeps in the group is no drift
    assert world.roll() == []
    assert "every member is as its template says" in world.told[-1]


def test_it_stops_at_the_first_bad_one_and_names_it_and_the_others_serve_on(world: World) -> None:
    before, world.fails = world.serving(), True
    with pytest.raises(PrimetimeError, match=r"roll stopped: (i-\S+) of group collector did not prove its roles"):
        world.roll()
    assert (world.serving(), world.desired()) == (before, 2)
    with pytest.raises(NotAsDeclared, match=r"the last roll stopped \(group collector at i-\S+\): .* roll --resume"):
        world.roll()


@pytest.mark.long
def test_one_that_stopped_is_resumed(world: World) -> None:
    world.fails = True
    with pytest.raises(PrimetimeError, match="roll stopped"):
        world.roll()
    world.fails = False
    world.roll(resume=True)
    assert set(world.serving().values()) == {"2"} and world.desired() == 2


def test_one_that_stopped_half_way_is_put_back(world: World) -> None:
    untouched = set(world.serving())
    turn = world.turn

    def second_fails(seconds: float) -> None:
        world.fails = "2" in world.serving().values()
        turn(seconds)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("primetime.cloud.roll.time.sleep", second_fails)
        with pytest.raises(PrimetimeError, match="roll stopped"):
            world.roll()
    assert sorted(world.serving().values()) == ["1", "2"]
    world.fails = False
    world.roll(back=True)
    assert sorted(world.serving().values()) == ["1", "3"]  # the third version has what the first one had
    assert len(untouched & set(world.serving())) == 1  # which is not replaced again
    [template] = [each for each in world.services.ec2.ex_list_launch_templates() if each.name == GROUP]
    images = {world.services.ec2.ex_get_launch_template_data(template, version)["imageId"] for version in ("1", "3")}
    assert images == {EVENING.image}


@pytest.mark.long
def test_a_roll_that_was_done_is_put_back(world: World) -> None:
    world.roll()
    world.roll(back=True)
    assert set(world.serving().values()) == {"3"}


def test_nothing_is_put_back_where_nothing_was_rolled(world: World) -> None:
    with pytest.raises(UsageError, match="nothing was rolled yet"):
        world.roll(back=True)


def test_what_is_declared_is_applied_first(world: World) -> None:
    edited = parse(CHANGED.replace("def1", "def2"), "evening.yml")
    with pytest.raises(NotAsDeclared, match="declares other machines than its launch templates have"):
        world.roll(edited)


@pytest.mark.long
def test_one_that_does_not_drain_stops_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("primetime.cloud.roll.GOES_S", -1.0)
    world.drains = False
    with pytest.raises(PrimetimeError, match=r"roll stopped: i-\S+ of group collector has not shipped its spool"):
        world.roll()
    assert len(world.serving()) == 2


@pytest.mark.long
def test_a_group_that_may_not_have_one_more_is_replaced_too(world: World) -> None:
    small = parse(CHANGED.replace("max: 12", "max: 2"), "evening.yml")
    machines.up(world.services, small, quiet, wait=False)
    world.roll(small)
    assert set(world.serving().values()) == {"2"} and (world.least, world.desired()) == (1, 2)
    assert any(Move.REPLACE.value in each for each in world.told)


def test_a_show_keeps_it_away_and_so_does_a_freeze(world: World) -> None:
    with pytest.raises(PrimetimeError, match=r"quiz-\d+ is on until .*: roll changes nothing meanwhile"):
        world.roll(parse(on_air(), "evening.yml"))
    freeze.freeze(world.services, NEWER, True)
    with pytest.raises(PrimetimeError, match=r"evening is frozen .*: roll changes nothing meanwhile"):
        world.roll()
    world.roll(during_show=True)
    assert set(world.serving().values()) == {"2"}


@pytest.mark.long
def test_a_show_that_begins_meanwhile_ends_it_and_it_goes_on_afterwards(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    require, asked = freeze.require_no_show, list[str]()

    def begins(topology: Topology, during_show: bool, verb: str) -> None:
        asked.append(verb)
        require(parse(on_air(), "evening.yml") if len(asked) == 3 else topology, during_show, verb)

    with monkeypatch.context() as patched:
        patched.setattr(freeze, "require_no_show", begins)
        with pytest.raises(PrimetimeError, match="is on until"):
            world.roll()
    assert world.desired() == 3  # one was added, none was ended
    world.roll()
    assert set(world.serving().values()) == {"2"} and world.desired() == 2


def test_its_lock_lasts_as_long_as_it_does(world: World) -> None:
    now = [1000.0]
    with lock.held(world.services.ec2, "evening", "roll", lambda: now[0]) as renew:
        now[0] += lock.LASTS_S
        renew()
        [held] = world.services.ec2.ex_list_launch_templates({f"tag:{lock.TAG}": "evening"})
        assert float(held.tags[lock.UNTIL]) == now[0] + lock.LASTS_S


def _walk(world: World, monkeypatch: pytest.MonkeyPatch, call: int, sent: bool) -> None:
    with monkeypatch.context() as patched:
        crashing(patched, call, sent)
        with contextlib.suppress(Crash):  # past its last call it does not die
            world.roll()
    world.roll()
    assert set(world.serving().values()) == {"2"} and world.desired() == 2
    assert roll.read(world.services.scaling.list_auto_scale_groups([GROUP])[0].tags[roll.TAG]) == roll.Record(
        2, "1", False
    )


@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "answer lost"])
@pytest.mark.parametrize("call", SAMPLE)
def test_a_roll_that_dies_at_a_call_is_finished_by_the_next(
    call: int, sent: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _walk(world, monkeypatch, call, sent)


@pytest.mark.long
@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "answer lost"])
@pytest.mark.parametrize("call", range(FIRST, CALLS + 1))
def test_a_roll_that_dies_at_any_call_is_finished_by_the_next(
    call: int, sent: bool, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _walk(world, monkeypatch, call, sent)


def test_the_walk_over_crashes_covers_every_call_of_a_roll(world: World) -> None:
    fresh = machines.services(NEWER)
    roll.roll(fresh, NEWER, quiet)
    assert len(fresh.calls) == CALLS
