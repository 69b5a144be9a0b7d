"""The verbs of a topology on EC2: plan, up, down, scale. Called by the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from primetime.cloud import bake, freeze, lock, newcomers, spools
from primetime.cloud.found import Aws, Thing, aws, find
from primetime.cloud.plan import Plan, fingerprint, plan
from primetime.cloud.prices import Cost, cost, price
from primetime.cloud.removal import Remover
from primetime.cloud.steps import Builder
from primetime.cloud.wanted import Key, cloud_of, wanted
from primetime.drivers.autoscaling import AutoScaleMember
from primetime.drivers.aws.errors import Unanswered
from primetime.drivers.volumes import Volume
from primetime.errors import NotAsDeclared, PrimetimeError, UsageError
from primetime.guard.marks import SHIPPED
from primetime.topology import Topology

Progress = Callable[[str], None]
BEFORE_S = 600.0  # of a launch: what it takes beside the time that a machine may take to configure itself
GIVEN_UP = 2  # newcomers that fail one after the other: another one would, too
DRAINED_S = 900.0  # a hook gives five minutes, and a guard asks for more while its spool waits
_POLL_S = 2.0
_LOOKS = 3  # how often `up` looks again after an answer was lost


@dataclass(frozen=True)
class Planned:
    """A plan, the world that it was made for, and what it costs."""

    plan: Plan
    found: Mapping[Key, Thing]
    before: tuple[str, ...]  # sizes of the machines
    after: tuple[str, ...]
    region: str
    orphans: tuple[Volume, ...] = ()  # spools whose instances are gone

    def sentences(self) -> list[str]:
        """Steps in their order, what stands in the way, and the money."""
        told = [str(step) for step in self.plan.steps]
        told += [f"not declared: {each}" for each in self.plan.undeclared]
        told += [f"made otherwise: {each}" for each in self.plan.conflicts]
        waiting = spools.sentences(self.orphans)
        if not told:
            return [*waiting, "no changes"]
        sizes = dict.fromkeys((*self.before, *self.after))
        told.append(
            f"machines: {self.cost(self.before)} → {self.cost(self.after)} (US dollars; groups at their minimum)"
        )
        prices = [f"  {price(size, self.region)}" for size in sizes]
        return told + prices + ["  balancers, volumes, traffic: unknown", *waiting]

    def cost(self, sizes: tuple[str, ...]) -> Cost:
        return cost(sizes, self.region)

    @property
    def clear(self) -> bool:
        return not (self.plan.steps or self.plan.undeclared or self.plan.conflicts)


def look(services: Aws, topology: Topology) -> Planned:
    """What `up` would do now."""
    now = datetime.now(UTC)
    found = find(services, topology.name)
    declared = wanted(topology, now, bake.images(found, topology))
    before = tuple(size for thing in found.values() for size in thing.sizes)
    after = tuple(
        size
        for resource in declared
        for size in (found[resource.key].sizes if resource.key in found else resource.sizes)
    )
    orphans = tuple(spools.orphans(services, topology.name))
    return Planned(plan(declared, found, now), found, before, after, cloud_of(topology).region, orphans)


def services(topology: Topology) -> Aws:
    return aws(cloud_of(topology).region)


def save(planned: Planned, topology: Topology, path: Path) -> None:
    """Keep a plan: for `up --plan`."""
    content = {"topology": topology.name, "world": fingerprint(planned.found), "steps": _told(planned)}
    path.write_text(json.dumps(content, indent=1) + "\n")


def _told(planned: Planned) -> list[str]:
    return [str(step) for step in planned.plan.steps]


def _require_as_saved(planned: Planned, topology: Topology, path: Path) -> None:
    """NotAsDeclared when the world, or what is declared, has moved since a plan was saved."""
    try:
        saved = json.loads(path.read_text())
        world, steps, named = saved["world"], saved["steps"], saved["topology"]
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): plan --save FILE writes one") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no saved plan: plan --save FILE writes one") from error
    if named != topology.name:
        raise UsageError(f"{path} is a plan of {named}, not of {topology.name}")
    again = f"look at bin/primetime plan -t {topology.given} and save it again"
    if world != fingerprint(planned.found):
        raise NotAsDeclared(f"what exists has moved since {path} was saved: {again}")
    if steps != _told(planned):
        raise NotAsDeclared(f"{topology.name} declares something else than when {path} was saved: {again}")


def up(
    services: Aws,
    topology: Topology,
    progress: Progress,
    saved: Path | None = None,
    wait: bool = True,
    during_show: bool = False,
) -> int:
    """Make it so; returns how many steps were taken. With `wait`, returns when every member is proved healthy.

    PrimetimeError while a show is on or somebody has frozen it, unless told `during_show`.
    """
    freeze.require_no_show(topology, during_show, "up")
    taken = 0
    with lock.held(services.ec2, topology.name, "up"):
        for attempt in range(_LOOKS):
            planned = look(services, topology)
            groups = [thing.extra for thing in planned.found.values() if thing.kind == "group"]
            freeze.require_thawed(groups, topology, during_show, "up")
            if saved and not attempt:
                _require_as_saved(planned, topology, saved)
            planned.plan.require_clear(topology.given)
            builder = Builder(services, topology, planned.found, progress)
            try:
                for step in planned.plan.steps:
                    progress(str(step))
                    builder.take(step)
                    taken += 1
                break
            except Unanswered as error:
                if attempt == _LOOKS - 1:
                    raise
                progress(f"looking again: {error}")
        if wait:
            wait_until_healthy(services, topology, progress)
        for sentence in spools.sentences(planned.orphans):
            progress(sentence)
    return taken


def healthy_s(topology: Topology) -> float:
    """From a launch to a healthy member: as long as the slowest group's may take to configure themselves, and more."""
    return max(group.configured_within_s for group in cloud_of(topology).groups) + BEFORE_S


@dataclass(frozen=True)
class Lacking:
    """What is not there yet, as a sentence; `given_up`: all of a group that ever failed at their launch."""

    sentence: str
    given_up: tuple[newcomers.Newcomer, ...] = ()


def wait_until_healthy(services: Aws, topology: Topology, progress: Progress, within_s: float | None = None) -> None:
    """Until as many members are in service and healthy as are desired, and every node runs.

    PrimetimeError with the group's last scaling activity, or the node's state, when they are not in time (healthy_s);
    at once when two newcomers of a group have failed meanwhile: there is something that no further one mends.
    """
    within_s = healthy_s(topology) if within_s is None else within_s
    until, before = time.monotonic() + within_s, None
    while lacking := list(_lacking(services, topology)):
        failed = {each for one in lacking for each in one.given_up}
        before = failed if before is None else before
        _require_hope(services, topology, [each for one in lacking for each in one.given_up if each not in before])
        sentences = [each.sentence for each in lacking]
        if time.monotonic() > until:
            raise PrimetimeError(f"{topology.name} is not healthy after {within_s:.0f} s: {'; '.join(sentences)}")
        progress(f"waiting: {sentences[0]}")
        time.sleep(_POLL_S)


def _require_hope(services: Aws, topology: Topology, failed: Sequence[newcomers.Newcomer]) -> None:
    """PrimetimeError when newcomers of a group fail one after the other."""
    for group in {each.group: None for each in failed}:
        mine = [each for each in failed if each.group == group]
        if len(mine) >= GIVEN_UP:
            latest = newcomers.explained(services, topology.name, mine[0])
            raise PrimetimeError(
                f"{len(mine)} new members of group {group} failed, one after the other: {latest}: "
                f"{newcomers.next_step(topology, latest)}. Mend that, the group goes on trying; the others serve on"
            )


def _lacking(services: Aws, topology: Topology) -> Iterator[Lacking]:
    found = find(services, topology.name)
    for thing in found.values():
        if thing.kind == "group":
            target = found.get(("target-group", thing.name))
            healthy = services.balancing.ex_target_health(target.id) if target else None
            good = [
                each
                for each in thing.extra.members
                if each.state == "InService"
                and each.health == "Healthy"
                and (healthy is None or healthy.get(each.id) == "healthy")
            ]
            if len(good) < thing.extra.desired:
                yield _few(services, topology, thing, len(good))
        elif thing.kind == "node" and thing.extra != "running":
            yield Lacking(f"node {thing.name} ({thing.id}) is {thing.extra}: see its console log")


def _few(services: Aws, topology: Topology, thing: Thing, good: int) -> Lacking:
    lately = newcomers.activities(services, thing.id)
    failed = tuple(newcomers.given_up(thing.name, lately))
    told = newcomers.told_of(services, topology, thing.name, thing.extra, lately)
    few = f"group {thing.name} has {good} healthy members of {thing.extra.desired}"
    return Lacking("; ".join([few, *told]) if told else few + _last(lately), failed)


def _last(activities: Sequence[Mapping[str, Any]]) -> str:
    """What a group did last, in brackets; empty when it did nothing."""
    if not activities:
        return ""
    last = activities[0]
    told = last.get("StatusMessage") or last.get("Cause") or ""
    return f" (last activity: {last.get('Description')}: {last.get('StatusCode')} {told})"


def down(
    services: Aws, topology: str, progress: Progress, leave_spools: bool = False, guarded: Collection[str] = ()
) -> None:
    """Remove everything that has the topology's tag, but for spools of which nobody knows that they are shipped.

    Members of `guarded` groups go by their hooks first, so that their guards can tell. PrimetimeError while a member is
    protected, which its guard does while its spool waits, or a spool whose instance is gone is not shipped, unless told
    `leave_spools`.
    """
    with lock.held(services.ec2, topology, "down"):
        found = find(services, topology)
        waiting = _protected(found)
        if not leave_spools:
            _require_shipped(services, topology, found, waiting)
            _drain(
                [thing for thing in found.values() if thing.kind == "group" and thing.name in guarded],
                services,
                progress,
            )
        for group, members in waiting.items():
            services.scaling.ex_protect_members(group, members, False)
        Remover(services, progress).all(found)
        bake.remove_snapshots(services, topology)
        spools.delete_shipped(services, topology, progress)


def _require_shipped(
    services: Aws, topology: str, found: Mapping[Key, Thing], waiting: Mapping[str, Sequence[str]]
) -> None:
    """PrimetimeError while members or volumes have what is not shipped, and somebody lives who could ship it."""
    names = [f"{group} {each}" for group, members in waiting.items() for each in members]
    if any(thing.kind == "group" and thing.extra.members for thing in found.values()):
        names += [each.id for each in spools.orphans(services, topology) if SHIPPED not in each.tags]
    if names:
        raise PrimetimeError(
            f"{topology} has spools that are not shipped ({', '.join(names)}): see that the store runs and repeat the "
            "command in a minute, or write --leave-spools: their volumes stay, and are named"
        )


def _drain(groups: Sequence[Thing], services: Aws, progress: Progress) -> None:
    """Until the last member has gone by its hook; PrimetimeError with who is still there when the time is over."""
    until = time.monotonic() + DRAINED_S
    for group in groups:
        progress(f"drain group {group.name}")
        services.scaling.update_auto_scale_group(group.id, MinSize=0, DesiredCapacity=0)
    while groups and (left := [each for group in groups for each in _members(services, group.id)]):
        told = ", ".join(f"{each.id} is {each.state}" for each in left)
        if time.monotonic() > until:
            raise PrimetimeError(
                f"down waited {DRAINED_S:.0f} s for members to drain ({told}): see that the store runs and repeat the "
                "command, or write --leave-spools: their volumes stay, and are named"
            )
        progress(f"waiting: {told}")
        time.sleep(_POLL_S)


def _members(services: Aws, group: str) -> list[AutoScaleMember]:
    return services.scaling.list_auto_scale_group_members(group)


def _protected(found: Mapping[Key, Thing]) -> dict[str, list[str]]:
    """Group → its members that scaling in may not choose; groups without any are left out."""
    groups = [thing for thing in found.values() if thing.kind == "group"]
    every = {thing.id: [each.id for each in thing.extra.members if each.protected] for thing in groups}
    return {group: members for group, members in every.items() if members}


def left(services: Aws, topology: str) -> tuple[list[str], Cost]:
    """What is still there, asked anew by tag, and what its machines cost an hour."""
    found = find(services, topology)
    told = [f"{thing.kind} {thing.name} ({thing.id})" for thing in found.values()]
    told += [f"snapshot {each}" for each in bake.snapshots(services, topology)]
    told += [f"spool {each.id}: not deleted, for it may hold events" for each in spools.orphans(services, topology)]
    region = services.ec2.region_name
    return told, cost([size for thing in found.values() for size in thing.sizes], region)


def scale(
    services: Aws,
    topology: Topology,
    group: str,
    members: int,
    progress: Progress,
    wait: bool = True,
    during_show: bool = False,
) -> None:
    """Set a group's number by hand, at once; the next scheduled action sets its own.

    More members are welcome at any time; PrimetimeError for fewer during a show, unless told `during_show`.
    """
    declared = next((each for each in cloud_of(topology).groups if each.name == group and each.scales), None)
    if declared is None or declared.least is None or declared.most is None:
        names = ", ".join(each.name for each in cloud_of(topology).groups if each.scales) or "none"
        raise UsageError(f"group {group} of {topology.name} does not scale: groups with min and max do: {names}")
    if not declared.least <= members <= declared.most:
        raise UsageError(
            f"{members} is not within {declared.least} and {declared.most}, min and max of group {group}: "
            f"declare others in {topology.given} and make them so with up"
        )
    with lock.held(services.ec2, topology.name, "scale"):
        thing = find(services, topology.name).get(("group", group))
        if thing is None:
            raise PrimetimeError(f"{topology.name} is not up: bin/primetime up -t {topology.given} --yes makes it")
        if members < thing.extra.desired:
            freeze.require_no_show(topology, during_show, "scale to fewer")
            freeze.require_thawed([thing.extra], topology, during_show, "scale to fewer")
        if members < thing.extra.min_size:  # raised by a show's scheduled action
            services.scaling.update_auto_scale_group(thing.id, MinSize=members)
        services.scaling.ex_set_desired(thing.id, members)
        progress(f"group {group}: {thing.extra.desired} → {members}")
        if wait:
            wait_until_healthy(services, topology, progress)
