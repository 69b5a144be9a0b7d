"""Wanted against found: the steps between them, in the order in which they happen: a pure function.

Called by machines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from primetime.cloud.found import Thing
from primetime.cloud.wanted import KINDS, Key, Resource
from primetime.errors import NotAsDeclared

_SIGNS = {"make": "+", "change": "~", "remove": "-"}
_KEPT = {"bundle", "parameter", "baking", "image"}  # of what was declared before, or baked, until all is removed
_CHANGES = {
    "role",
    "gateway",
    "routes",
    "rules",
    "template",
    "group",
    "hook",
    "action",
}  # the others are what they were made as


@dataclass(frozen=True)
class Step:
    """One thing to do. `resource` is what it shall be; of what is removed, what it was."""

    verb: str  # make, change, remove
    resource: Resource
    why: str = ""

    def __str__(self) -> str:
        return f"{_SIGNS[self.verb]} {self.resource}" + (f": {self.why}" if self.why else "")


@dataclass(frozen=True)
class Plan:
    """The steps, and what stands in their way: sentences."""

    steps: tuple[Step, ...]
    undeclared: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()

    def require_clear(self, topology: str) -> None:
        """NotAsDeclared when something exists that no step may touch."""
        if self.undeclared:
            raise NotAsDeclared(
                f"{topology} has what it does not declare: {', '.join(self.undeclared)}: declare it, or remove all "
                f"with bin/primetime down -t {topology} --yes"
            )
        if self.conflicts:
            raise NotAsDeclared(
                f"{topology} was made otherwise: {'; '.join(self.conflicts)}: declare that, or remove all with "
                f"bin/primetime down -t {topology} --yes and make it again"
            )


def plan(wanted: Iterable[Resource], found: Mapping[Key, Thing], now: datetime) -> Plan:
    """What makes `found` into `wanted`. Desired capacity and scheduled minimums are the autoscaler's: never drift."""
    wanted = list(wanted)
    steps: list[Step] = []
    conflicts = []
    for resource in wanted:
        thing = found.get(resource.key)
        if thing is None:
            if resource.values.get("rules") != ():
                steps.append(Step("make", resource))
        elif why := differs(resource, thing):
            if resource.kind in _CHANGES:
                steps.append(Step("change", resource, why))
            else:
                conflicts.append(f"{resource.kind} {resource.name} has {why}")
    if not _due(steps):  # further shows have come within sight, and none of them is near
        steps = []
    gone, undeclared = _surplus(wanted, found, now)
    return Plan((*steps, *gone), tuple(undeclared), tuple(conflicts))


def differs(resource: Resource, thing: Thing) -> str:
    """What is found in place of what is wanted; empty when they agree."""
    return ", ".join(
        f"{key} {_told(thing.values.get(key))}, not {_told(value)}"
        for key, value in resource.values.items()
        if thing.values.get(key) != value
    )


def _told(value: Any) -> str:
    return json.dumps(value, default=str)


def _due(steps: Iterable[Step]) -> bool:
    return any(step.resource.details.get("due", True) for step in steps)


def _surplus(wanted: Iterable[Resource], found: Mapping[Key, Thing], now: datetime) -> tuple[list[Step], list[str]]:
    """(steps that remove scheduled actions of shows that are no more, the rest by name)."""
    names = {resource.key for resource in wanted}
    gone, rest = [], []
    for key, thing in sorted(found.items(), key=lambda pair: KINDS.index(pair[0][0])):
        if key in names or thing.kind in _KEPT:
            continue
        if thing.kind == "action":
            if (start := thing.values["start"]) and start > now:
                gone.append(Step("remove", Resource(*key, thing.values)))
        elif thing.kind == "rules":
            gone.append(Step("remove", Resource(*key, thing.values)))
        else:
            rest.append(f"{thing.kind} {thing.name} ({thing.id})")
    return gone, rest


def fingerprint(found: Mapping[Key, Thing]) -> str:
    """The same for the same world: what `up --plan` compares. Members of a group come and go without a plan."""
    world = sorted([*key, thing.id, _told(dict(thing.values))] for key, thing in found.items())
    return hashlib.sha256(json.dumps(world).encode()).hexdigest()
