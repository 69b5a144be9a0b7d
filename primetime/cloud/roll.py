"""`roll`: members of groups that scale, replaced one by one by what their launch templates say now.

A newcomer counts when its launch hook has let it in, which it does when it has proved its own roles, and when the
balancer has found it ready; then an old one goes by its terminate hook, which drains it. Not AWS's own instance
refresh: that can put nothing back for groups that follow `$Latest`, waits for members that their guards protect, or
takes them without asking, and cannot say which member was the bad one.

A tag of the group has what cannot be seen: its size when the roll began, the template's version before, and where it
stopped. Called by the command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from primetime.cloud import freeze, lock, machines, newcomers
from primetime.cloud.found import Aws, Thing, find
from primetime.cloud.rolling import Move, Next, Part, decide
from primetime.cloud.wanted import Key
from primetime.drivers.autoscaling import AutoScaleGroup
from primetime.drivers.ec2 import LaunchTemplate
from primetime.errors import NotAsDeclared, PrimetimeError, UsageError
from primetime.topology import Topology

Progress = Callable[[str], None]
TAG = "primetime:roll"
GOES_S = machines.DRAINED_S
SOAK_S = 30.0  # so long a newcomer must stay good before it counts
POLL_S = 2.0
CAME_TO_NOTHING = {"Terminating", "Terminating:Wait", "Terminating:Proceed", "Terminated"}


@dataclass(frozen=True)
class Record:
    """What the tag says. `version`: of the launch template before; `stopped`: the member that was bad."""

    size: int
    version: str
    going: bool = True
    stopped: str = ""

    def __str__(self) -> str:
        state = "going" if self.going else "done"
        return " ".join(
            (f"size={self.size}", f"before={self.version}", state, *([self.stopped] if self.stopped else []))
        )


def read(text: str) -> Record | None:
    """A tag's record; None when there is none."""
    try:
        size, before, state, *stopped = text.split()
        return Record(
            int(size.removeprefix("size=")), before.removeprefix("before="), state == "going", "".join(stopped)
        )
    except ValueError:
        return None


def roll(
    services: Aws,
    topology: Topology,
    progress: Progress,
    resume: bool = False,
    back: bool = False,
    during_show: bool = False,
) -> list[str]:
    """Replace whatever is not as its template says; the members that are new.

    PrimetimeError at the first bad one, which it names, and while a show is on, unless told `during_show`: then the
    roll can be resumed, or put back. NotAsDeclared when one that was stopped is neither.
    """
    freeze.require_no_show(topology, during_show, "roll")
    with lock.held(services.ec2, topology.name, "roll") as renew:
        found = find(services, topology.name)
        groups = [thing for thing in found.values() if thing.kind == "group"]
        if not groups:
            raise PrimetimeError(f"{topology.name} is not up: bin/primetime up -t {topology.given} --yes makes it")
        freeze.require_thawed([each.extra for each in groups], topology, during_show, "roll")
        rolls = [Roll(services, topology, each, found, progress) for each in groups]
        _require_chosen(rolls, resume, back)
        if not (resume or back):
            _require_applied(services, topology)
        came = []
        for each in rolls:
            came += each.run(back, lambda: _go_on(renew, topology, during_show))
        return came


def _go_on(renew: Callable[[], None], topology: Topology, during_show: bool) -> None:
    """Before each move: a roll takes longer than a lock lasts, and a show may begin meanwhile."""
    renew()
    freeze.require_no_show(topology, during_show, "roll")


def _require_chosen(rolls: Sequence[Roll], resume: bool, back: bool) -> None:
    """What to do about a roll that stopped is somebody's decision."""
    stopped = {each.name: each.record.stopped for each in rolls if each.record and each.record.stopped}
    if stopped and not (resume or back):
        told = ", ".join(f"group {group} at {member}" for group, member in stopped.items())
        raise NotAsDeclared(
            f"the last roll stopped ({told}): see why, mend it, then roll --resume; or roll --back, which brings back "
            "what was before"
        )
    if back and not any(each.record for each in rolls):
        raise UsageError("nothing was rolled yet: there is nothing to put back")


def _require_applied(services: Aws, topology: Topology) -> None:
    """Templates are `up`'s to change: what is declared and not applied would be left out in silence."""
    steps = [step for step in machines.look(services, topology).plan.steps if step.resource.kind == "template"]
    if steps:
        raise NotAsDeclared(
            f"{topology.name} declares other machines than its launch templates have ({steps[0]}): first "
            f"bin/primetime up -t {topology.given} --yes"
        )


class Roll:
    """One group's."""

    def __init__(
        self, services: Aws, topology: Topology, thing: Thing, found: Mapping[Key, Thing], progress: Progress
    ) -> None:
        self._aws, self._topology, self._progress = services, topology, progress
        self.name, self._group = thing.name, thing.extra.name
        self._template: LaunchTemplate = found["template", thing.name].extra
        self._targets = found["target-group", thing.name].id if ("target-group", thing.name) in found else ""
        self.record = read(thing.extra.tags.get(TAG, ""))
        self._contents: dict[str, Any] = {}
        self._good_since: dict[str, float] = {}
        self._newcomers: set[str] = set()

    def run(self, back: bool, go_on: Callable[[], None]) -> list[str]:
        """Until nothing is left to do; the members that came."""
        if back:
            if not self.record:
                return []
            self._put_back(self.record)
        group = self._look()
        if self.record is None or not self.record.going:
            old = [each for each in group.members if not self._is_current(each.version)]
            if not old:
                self._progress(f"group {self.name}: every member is as its template says")
                return []
            version = self.record.version if back and self.record else _most([each.version for each in old])
            self.record = Record(group.desired, version)
        elif not self.record.size <= group.desired <= self.record.size + 1:  # a show was on since it stopped
            self.record = replace(self.record, size=group.desired)
        before = {each.id for each in group.members if self._is_current(each.version)}
        self.record = replace(self.record, stopped="")
        self._write()
        self._progress(f"group {self.name}: {len(group.members)} members, to version {self._template.latest}")
        self._replace_all(go_on)
        self.record = replace(self.record, going=False)
        self._write()
        return sorted(self._newcomers - before)

    def _replace_all(self, go_on: Callable[[], None]) -> None:
        assert self.record
        told, since = Next(Move.DONE), time.monotonic()
        while True:
            group = self._look()
            parts = self._parts(group)
            self._require_none_bad(group)
            following = decide(parts, self.record.size, group.desired, group.max_size)
            if following != told:
                told, since = following, time.monotonic()
                self._progress(f"group {self.name}: {following.move.value} {following.member}".rstrip())
            if following.move is Move.DONE:
                return
            if following.move in (Move.AWAIT, Move.DRAIN):
                self._require_in_time(following, time.monotonic() - since)
                time.sleep(POLL_S)
                continue
            go_on()
            self._do(following)

    def _do(self, following: Next) -> None:
        assert self.record
        if following.move is Move.GROW:
            self._aws.scaling.ex_set_desired(self._group, self.record.size + 1)
        elif following.move is Move.SHRINK:
            self._aws.scaling.ex_set_desired(self._group, self.record.size)
        else:
            self._aws.scaling.ex_terminate_member(following.member, shrink=following.move is Move.END)

    def _look(self) -> AutoScaleGroup:
        found = self._aws.scaling.list_auto_scale_groups([self._group])
        if not found:
            raise PrimetimeError(f"group {self.name} has gone meanwhile: bin/primetime up makes it again")
        return found[0]

    def _parts(self, group: AutoScaleGroup) -> list[Part]:
        """Its members; one is good when it has been so for a while."""
        healthy = self._aws.balancing.ex_target_health(self._targets) if self._targets else None
        good = {
            each.id
            for each in group.members
            if (each.state, each.health) == ("InService", "Healthy")
            and (healthy is None or healthy.get(each.id) == "healthy")
        }
        now = time.monotonic()
        self._good_since = {each: self._good_since.get(each, now) for each in good}
        return [
            Part(
                each.id,
                current := self._is_current(each.version),
                each.id in good and (not current or now >= self._good_since[each.id] + SOAK_S),
                each.state in CAME_TO_NOTHING,
            )
            for each in group.members
        ]

    def _is_current(self, version: str) -> bool:
        """Whether a version of the template has what the latest one has: what was put back is not replaced again."""
        return bool(self._content(version) == self._content(str(self._template.latest)))

    def _content(self, version: str) -> Any:
        if version not in self._contents:
            self._contents[version] = self._aws.ec2.ex_get_launch_template_data(self._template, version)
        return self._contents[version]

    def _require_none_bad(self, group: AutoScaleGroup) -> None:
        """PrimetimeError naming a newcomer that has come to nothing: it was abandoned, or died."""
        there = {each.id: each for each in group.members if self._is_current(each.version)}
        bad = [each for each in sorted(self._newcomers - there.keys())]
        bad += [each.id for each in there.values() if each.id in self._newcomers and each.state in CAME_TO_NOTHING]
        self._newcomers |= there.keys() - {each for each, one in there.items() if one.state in CAME_TO_NOTHING}
        if bad:
            self._stop(bad[0], "did not prove its roles, or died")

    def _require_in_time(self, following: Next, waited_s: float) -> None:
        comes_s = machines.healthy_s(self._topology)
        if following.move is Move.AWAIT and waited_s > comes_s:
            self._stop(
                following.member or "a machine that EC2 does not launch", f"is not healthy after {comes_s:.0f} s"
            )
        if following.move is Move.DRAIN and waited_s > GOES_S:
            self._stop(following.member, f"has not shipped its spool after {GOES_S:.0f} s")

    def _stop(self, member: str, why: str) -> None:
        """Nothing more is launched; those that are left serve on."""
        assert self.record
        self.record = replace(self.record, stopped=member.replace(" ", "_"))
        self._write()
        if self._look().desired > self.record.size:
            self._take_back_growth()
        bad = newcomers.explained(self._aws, self._topology.name, newcomers.Newcomer(self.name, member, ""))
        raise PrimetimeError(
            f"roll stopped: {member} of group {self.name} {why}{f' ({bad.why})' if bad.why else ''}: "
            f"{newcomers.next_step(self._topology, bad)}; the others serve on. Mend it, then "
            f"roll -t {self._topology.given} --resume, or put it back with --back"
        )

    def _take_back_growth(self) -> None:
        """Without a shrinking that would choose who goes: that could be one of those that serve."""
        assert self.record
        self._aws.scaling.ex_suspend(self._group, ["Launch"])
        try:
            group = self._look()
            good = [part.id for part in self._parts(group) if part.good or not part.current]
            bad = [each for each in group.members if each.id not in good and each.state not in CAME_TO_NOTHING]
            for each in bad[:1]:
                self._aws.scaling.ex_terminate_member(each.id, shrink=True)
            if not bad and len(good) <= self.record.size:
                self._aws.scaling.ex_set_desired(self._group, self.record.size)
        finally:
            self._aws.scaling.ex_resume(self._group, ["Launch"])

    def _put_back(self, record: Record) -> None:
        """What the template had before is its latest version, once."""
        if self._content(record.version) == self._content(str(self._template.latest)):
            return
        data = self._content(record.version)
        version = self._aws.ec2.ex_copy_launch_template_version(self._template, record.version, data["imageId"])
        self._contents[str(version)] = data
        self._progress(f"group {self.name}: version {version} of its template is what {record.version} was")
        self._template = replace(self._template, latest=version)

    def _write(self) -> None:
        self._aws.scaling.ex_tag_auto_scale_group(self._group, {TAG: str(self.record)}, propagate=False)


def _most(versions: Sequence[str]) -> str:
    """The version that most have."""
    return max(sorted(set(versions)), key=versions.count)
