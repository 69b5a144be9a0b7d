"""A topology: which machines, of what size, run which roles. Read from inventories/<name>.yml, checked as a whole.

Called by every verb. All problems of a file are told at once, each with its line; docs/topology.md lists the keys.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from primetime.errors import UsageError
from primetime.paths import REPO
from primetime.topology import checking, cloud, fitting, reading, shows
from primetime.topology.checking import PROVIDERS, Declared
from primetime.topology.cloud import Cloud
from primetime.topology.fitting import inventory_groups
from primetime.topology.shows import Show

__all__ = ["PROVIDERS", "Cloud", "NodeSpec", "Topology", "inventory_groups", "load", "names", "parse"]

LOCAL = replace(checking.LOCAL, looks={**checking.LOOKS, "shows": shows.look, "seeded": shows.look_at_seeded})


@dataclass(frozen=True)
class NodeSpec:
    """One machine as declared. `groups` are its inventory groups: roles, and `role_daemon` for each daemon."""

    name: str
    groups: tuple[str, ...]
    memory_mb: int
    address: str | None = None  # None: any
    cpus: float | None = None  # a cap: 0.5 is half of one CPU's time; None: none
    cpu_weight: int = 100  # beside others, while the CPU is short


@dataclass(frozen=True)
class Topology:
    """A checked topology file."""

    name: str
    provider: str
    image: str
    shows: tuple[str, ...]
    nodes: tuple[NodeSpec, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    network: str | None = None  # CIDR; None: any that is free
    given: str = ""  # what to write after -t
    file: str = ""  # where it was read from
    timed: tuple[Show, ...] = ()  # the shows that have a start
    cloud: Cloud | None = None  # what only EC2 has: groups that scale
    seeded: tuple[str, ...] = ()  # the shows that `demo` gives an audience

    @property
    def argument(self) -> str:
        """What `-t` takes to name it: its name if it is one of the repository's, else its path."""
        return self.name if self.file == str(REPO / "inventories" / f"{self.name}.yml") else self.file

    def in_group(self, group: str) -> list[NodeSpec]:
        """The nodes of one inventory group, in order of declaration."""
        return [node for node in self.nodes if group in node.groups]

    def require_nodes(self, wanted: Iterable[str]) -> None:
        """UsageError for the first name that no node has."""
        there = [node.name for node in self.nodes]
        for name in wanted:
            if name not in there:
                close = difflib.get_close_matches(name, there, n=1)
                hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(there)}"
                raise UsageError(f"no node {name} in {self.given}: {hint}")

    def all_groups(self) -> list[str]:
        """Every inventory group that has a node, in order of first appearance."""
        return list(dict.fromkeys(group for node in self.nodes for group in node.groups))


def names() -> list[str]:
    """The topologies of this repository."""
    return sorted(path.stem for path in (REPO / "inventories").glob("*.yml"))


def load(name_or_path: str) -> Topology:
    """The topology `inventories/<name>.yml`, or the file itself when a path is given. Raises UsageError."""
    is_path = "/" in name_or_path or name_or_path.endswith((".yml", ".yaml"))
    path = Path(name_or_path) if is_path else REPO / "inventories" / f"{name_or_path}.yml"
    if not path.exists():
        close = difflib.get_close_matches(path.stem, names(), n=1)
        hint = f"did you mean {close[0]}?" if close else f"choose one of {', '.join(names())}, or write a file's path"
        raise UsageError(f"{name_or_path or repr('')}: no such topology at {path}: {hint}")
    return replace(parse(reading.read(path), str(path)), given=name_or_path)


def parse(text: str, where: str) -> Topology:
    """A topology from YAML text; raises UsageError with one line per problem, `where:line:column: what to write`."""
    source = reading.source(text, where)
    groups: list[Declared] = []
    on_ec2 = isinstance(source.data, dict) and source.data.get("provider") == "ec2"
    rules = cloud.RULES if on_ec2 else LOCAL
    found = [*checking.check(source, groups, rules), *fitting.check(source, groups)]
    if found:
        raise UsageError("\n".join(sorted(found, key=lambda line: _position(line, where))))
    data, roles = source.data, fitting.watched(groups)
    for group in groups:
        group.roles = roles[group.name]
    return Topology(
        name=data["name"],
        provider=data["provider"],
        image=data["image"],
        shows=tuple(shows.names(data["shows"])),
        nodes=tuple(_nodes(groups)),
        settings=data.get("settings") or {},
        network=data.get("network"),
        given=where,
        file=where,
        timed=shows.timed(data["shows"]),
        cloud=cloud.read(data, groups) if on_ec2 else None,
        seeded=tuple(data.get("seeded", ())),
    )


def _position(problem: str, where: str) -> list[int]:
    """(line, column) that a problem begins with."""
    return [int(number) for number in problem.removeprefix(f"{where}:").split(":", 2)[:2]]


def _nodes(groups: list[Declared]) -> Iterator[NodeSpec]:
    for group in groups:
        if group.least is not None:
            continue  # its members come and go: they are in `cloud.groups`
        assert group.count is not None and group.memory_mb is not None
        for number in range(group.count):
            address = str(group.addresses[number]) if group.addresses else None
            yield NodeSpec(
                f"{group.name}-{number + 1}",
                inventory_groups(group.roles),
                group.memory_mb,
                address,
                group.cpus,
                group.cpu_weight,
            )
