"""Members of groups that scale which do not serve yet, or never came to: who, and why.

Who was given up is in a group's scaling activities, which AWS keeps for six weeks; why is in the log that each machine
puts into the topology's bucket, from its first try on, also when it has gone. Called by machines, roll and status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from primetime.cloud import names
from primetime.cloud.found import Aws
from primetime.cloud.wanted import NAME, OWNER, cloud_of
from primetime.drivers.autoscaling import AutoScaleGroup
from primetime.errors import UsageError
from primetime.topology import Topology

COMING = ("Pending", "Pending:Wait", "Pending:Proceed")
SHOWN = 3  # of those that come: each is a log to read
NOT_YET = "not yet"  # how a machine's own sentence after each try begins
_TRY = re.compile(rf"^{NOT_YET} \(try \d+\): (.*)$", re.MULTILINE)
_SAID = re.compile(r"^\d{4}-\d\d-\d\dT[\d:]+Z (.*)$", re.MULTILINE)
_LAUNCH = re.compile(r"Launching a new EC2 instance: (i-[0-9a-f]+)")
_LATEST = 100  # activities, the most that AWS tells at once
_ENDED_BADLY = ("Cancelled", "Failed")
_GENERAL = ": see above"  # a sentence that leaves the reason to those before it


@dataclass(frozen=True)
class Newcomer:
    """`why`: what it lacks, in one line; empty when it has not told yet. `given_up`: it never served, and has gone."""

    group: str
    id: str
    why: str
    given_up: bool = False

    @property
    def name(self) -> str:
        return f"{self.group}-{self.id}"

    def __str__(self) -> str:
        if self.given_up:
            return f"{self.name} did not prove its roles and was given up ({self.why or 'it left no log'})"
        return f"{self.name} has not proved its roles yet" + (f" ({self.why})" if self.why else "")


def coming(services: Aws, topology: str, name: str, group: AutoScaleGroup) -> list[Newcomer]:
    """Of the group `name`: some of those that do not serve yet."""
    every = [each.id for each in group.members if each.state in COMING][:SHOWN]
    return [Newcomer(name, each, _why(services, topology, name, each)) for each in every]


def given_up(name: str, activities: Sequence[Mapping[str, Any]]) -> list[Newcomer]:
    """Those of the group `name` whose launch came to nothing, in the order of its activities: the latest first."""
    found = [
        match[1]
        for each in activities
        if each.get("StatusCode") in _ENDED_BADLY and (match := _LAUNCH.search(each.get("Description") or ""))
    ]
    return [Newcomer(name, each, "", True) for each in dict.fromkeys(found)]


def activities(services: Aws, group: str) -> list[dict[str, Any]]:
    """What a group did lately, the latest first."""
    return services.scaling.ex_list_activities(group, _LATEST)


def explained(services: Aws, topology: str, newcomer: Newcomer) -> Newcomer:
    """The same with its reason, which takes a look into the bucket."""
    why = _why(services, topology, newcomer.group, newcomer.id)
    return Newcomer(newcomer.group, newcomer.id, why, newcomer.given_up)


def next_step(topology: Topology, newcomer: Newcomer) -> str:
    return f"bin/primetime status -t {topology.given} --log {newcomer.id} shows its log"


def _why(services: Aws, topology: str, group: str, instance: str) -> str:
    return reason((services.read(topology, names.log(group, instance)) or b"").decode(errors="replace"))


def reason(log: str) -> str:
    """What a machine's log says that it lacks: its last try's sentence, or what kept it from trying at all."""
    tries, said = _TRY.findall(log), [each for each in _SAID.findall(log) if not each.startswith("launch: ")]
    if tries and (not said or said[-1].endswith(_GENERAL) or NOT_YET in log.rsplit(said[-1], 1)[1]):
        return str(tries[-1])
    return str(said[-1]) if "launch: ABANDON" in log and said else ""


def log(services: Aws, topology: Topology, instance: str) -> str:
    """What a machine of any group has said of its own configuration; UsageError when it has said nothing."""
    for group in cloud_of(topology).groups:
        if text := services.read(topology.name, names.log(group.name, instance)):
            return text.decode(errors="replace")
    raise UsageError(f"{instance} has left no log in {topology.name}'s bucket: it puts one there after its first try")


def lacking(services: Aws, topology: Topology) -> list[str]:
    """One sentence for each group that has fewer members in service than are desired."""
    told = []
    for group in services.scaling.list_auto_scale_groups(ex_tags={OWNER: topology.name}):
        serving = [each for each in group.members if each.state == "InService"]
        if len(serving) < group.desired:
            name = group.tags[NAME]
            few = f"group {name} has {len(serving)} members in service of {group.desired}"
            why = told_of(services, topology, name, group, activities(services, group.name))
            told.append("; ".join([few, *why]))
    return told


def told_of(
    services: Aws, topology: Topology, name: str, group: AutoScaleGroup, lately: Sequence[Mapping[str, Any]]
) -> list[str]:
    """A sentence for each that comes, and one for the latest that was given up."""
    told = [str(each) for each in coming(services, topology.name, name, group)]
    for latest in given_up(name, lately)[:1]:
        told.append(f"{explained(services, topology.name, latest)}: {next_step(topology, latest)}")
    return told
