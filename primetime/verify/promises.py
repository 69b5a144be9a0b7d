"""Which promises there are. Called by verify, and by the tests that walk all of them.

A promise is a function `test_...` in roles/<role>/verify.py; its name is the sentence. It holds on every host of its
group: the module's `GROUP`, or `@pytest.mark.daemon("hdfs_namenode")`. Those of primetime/verify/everyone.py hold for
every daemon. What a promise wants to know it names as an argument: `host` (testinfra, over ssh), `node` (LiveNode),
`network` (Network); in everyone.py also `service`, `unit` (a service that is ours), `sysctl` (a key and its value),
`endpoint`, and `elected`, an endpoint of which its group has one.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from primetime.paths import REPO
from primetime.settings import exposes, known

EVERYONE = "primetime.verify.everyone"
OURS = "primetime-"  # what the services of units that we write begin with


class Rendered(Exception):
    """Raised by a promise that this kind of host cannot keep: what it needs is written there, and not proved."""


@dataclass(frozen=True, eq=False)
class Promise:
    """One sentence that is to be true of the hosts of `group`; `given` are arguments of `check` beside those above."""

    group: str
    sentence: str
    check: Callable[..., None]
    given: Mapping[str, Any]

    @property
    def role(self) -> str:
        return role(self.group)

    @cached_property
    def wants(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.check).parameters)

    @property
    def once(self) -> bool:
        """Whether it is asked once for its whole group, and the group's first host has to answer for it."""
        return "elected" in self.given

    @property
    def depth(self) -> int:
        """0: the process runs, 1: it listens, 2: all else. What is broken at one depth explains what is below."""
        return int(getattr(self.check, "depth", 2))


def role(group: str) -> str:
    """How a group is called where roles are named: `hdfs_namenode` is hdfs/namenode."""
    return group.replace("_", "/", 1)


def modules(groups: Iterable[str]) -> list[str]:
    """The names of the modules with the promises of these groups."""
    roles = sorted({group.partition("_")[0] for group in groups})
    return [EVERYONE, *(f"roles.{role}.verify" for role in roles if (REPO / "roles" / role / "verify.py").is_file())]


def of(group: str, settings: Any) -> list[Promise]:
    """Every promise of one group, whose settings object is given."""
    found = list(_of_everyone(group, settings)) if hasattr(settings, "services") else []
    head = group.partition("_")[0]
    if (REPO / "roles" / head / "verify.py").is_file():
        module = importlib.import_module(f"roles.{head}.verify")
        found += [Promise(group, _words(check), check, {}) for check, owner in _checks(module) if owner == group]
    return found


def everything() -> list[Promise]:
    """Every promise of every role, with their settings as they come."""
    return [promise for group, cls in known().items() for promise in of(group, cls())]


def _of_everyone(group: str, settings: Any) -> Iterator[Promise]:
    endpoints = exposes(settings)
    for check, _ in _checks(importlib.import_module(EVERYONE)):
        wants, words = inspect.signature(check).parameters, _words(check)
        for name in ("service", "unit"):
            for service in settings.services if name in wants else ():
                if name == "service" or service.startswith(OURS):
                    yield Promise(group, f"{service} {words}", check, {name: service})
        for key, value in getattr(settings, "sysctls", {}).items() if "sysctl" in wants else ():
            yield Promise(group, f"{key} = {value} {words}", check, {"sysctl": (key, value)})
        for name, leader_only in (("endpoint", False), ("elected", True)):
            for endpoint in endpoints if name in wants else ():
                if endpoint.leader_only == leader_only:
                    sentence = f"{endpoint.name} {words} (port {endpoint.port})"
                    yield Promise(group, sentence, check, {name: endpoint})


def _checks(module: ModuleType) -> Iterator[tuple[Callable[..., None], str]]:
    for name, check in vars(module).items():
        if name.startswith("test_"):
            marks = [mark for mark in getattr(check, "pytestmark", ()) if mark.name == "daemon"]
            yield check, marks[0].args[0] if marks else getattr(module, "GROUP", "")


def _words(check: Callable[..., None]) -> str:
    return check.__name__.removeprefix("test_").replace("_s_", "'s_").replace("_", " ")
