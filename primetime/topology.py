"""A topology: which machines, of what size, run which roles. Read from inventories/<name>.yml, checked as a whole.

Called by every verb. All problems of a file are told at once, each with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from primetime.errors import UsageError
from primetime.event import SHOW
from primetime.paths import REPO
from primetime.settings import known, problems

PROVIDERS = ("nspawn",)
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_GROUP_KEYS = {"roles", "count", "memory_mb"}
_TOP_KEYS = {"name", "provider", "image", "shows", "groups", "settings"}


@dataclass(frozen=True)
class NodeSpec:
    """One machine as declared. `groups` are its inventory groups: roles, and `role_daemon` for each daemon."""

    name: str
    groups: tuple[str, ...]
    memory_mb: int


@dataclass(frozen=True)
class Topology:
    """A checked topology file."""

    name: str
    provider: str
    image: str
    shows: tuple[str, ...]
    nodes: tuple[NodeSpec, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def in_group(self, group: str) -> list[NodeSpec]:
        """The nodes of one inventory group, in order of declaration."""
        return [node for node in self.nodes if group in node.groups]

    def all_groups(self) -> list[str]:
        """Every inventory group that has a node, in order of first appearance."""
        return list(dict.fromkeys(group for node in self.nodes for group in node.groups))


def inventory_groups(roles: list[str]) -> tuple[str, ...]:
    """`["redis", "hdfs/namenode"]` → `("base", "redis", "hdfs", "hdfs_namenode")`."""
    groups = ["base"]
    for role in roles:
        head, _, daemon = role.partition("/")
        groups += [head, f"{head}_{daemon}"] if daemon else [head]
    return tuple(dict.fromkeys(groups))


def names() -> list[str]:
    """The topologies of this repository."""
    return sorted(path.stem for path in (REPO / "inventories").glob("*.yml"))


def load(name_or_path: str) -> Topology:
    """The topology `inventories/<name>.yml`, or the file itself when a path is given. Raises UsageError."""
    path = (
        Path(name_or_path) if name_or_path.endswith((".yml", ".yaml")) else REPO / "inventories" / f"{name_or_path}.yml"
    )
    if not path.is_file():
        raise UsageError(f"{name_or_path}: no such topology at {path}: choose one of {', '.join(names())}")
    return parse(path.read_text(), str(path))


def parse(text: str, where: str) -> Topology:
    """A topology from YAML text; raises UsageError with one line per problem, `where:line: what to write`."""
    try:
        document = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise UsageError(f"{where}{line}: not YAML: {getattr(error, 'problem', error)}") from error
    found = list(_problems(data, document, where))
    if found:
        raise UsageError("\n".join(found))
    return Topology(
        name=data["name"],
        provider=data["provider"],
        image=data["image"],
        shows=tuple(data["shows"]),
        nodes=tuple(_nodes(data["groups"])),
        settings=data.get("settings") or {},
    )


def _nodes(groups: Mapping[str, Any]) -> Iterator[NodeSpec]:
    for name, group in groups.items():
        for number in range(1, group["count"] + 1):
            yield NodeSpec(f"{name}-{number}", inventory_groups(group["roles"]), group["memory_mb"])


def _line(document: yaml.Node | None, *keys: str) -> int:
    """The line of the value at `keys`, or of the nearest ancestor that exists."""
    node, line = document, 1
    for key in keys:
        if not isinstance(node, yaml.MappingNode):
            break
        for key_node, value_node in node.value:
            if key_node.value == key:
                node, line = value_node, key_node.start_mark.line + 1
                break
        else:
            break
    return line


def _problems(data: Any, document: yaml.Node | None, where: str) -> Iterator[str]:
    def at(*keys: str) -> str:
        return f"{where}:{_line(document, *keys)}"

    if not isinstance(data, dict):
        yield f"{where}:1: a topology is a mapping with {', '.join(sorted(_TOP_KEYS))}"
        return
    for key in data.keys() - _TOP_KEYS:
        yield f"{at(str(key))}: unknown key {key}: a topology has {', '.join(sorted(_TOP_KEYS))}"
    if not (isinstance(data.get("name"), str) and NAME.fullmatch(data["name"])):
        yield f"{at('name')}: name: write small letters, digits and dashes, for example demo"
    if data.get("provider") not in PROVIDERS:
        yield f"{at('provider')}: provider: {data.get('provider')!r} is not known: write one of {', '.join(PROVIDERS)}"
    if not isinstance(data.get("image"), str):
        yield f"{at('image')}: image: write a Debian release, for example bookworm"
    yield from _show_problems(data.get("shows"), at("shows"))
    groups = data.get("groups")
    if not isinstance(groups, dict) or not groups:
        yield f"{at('groups')}: groups: declare at least one, with roles, count and memory_mb"
        groups = {}
    for name, group in groups.items():
        yield from _group_problems(str(name), group, lambda *keys: at("groups", *keys))
    settings = data.get("settings") or {}
    if not isinstance(settings, dict):
        yield f"{at('settings')}: settings: write flat keys, for example redis_maxmemory_mb: 64"
    else:
        for key, value in settings.items():
            owned = any(str(key).startswith(f"{group}_") for group in known())
            if not owned:
                yield f"{at('settings', str(key))}: {key}: no role has such a setting"
            yield from problems({str(key): value}, at("settings", str(key)))


def _show_problems(shows: Any, where: str) -> Iterator[str]:
    if not isinstance(shows, list) or not shows:
        yield f"{where}: shows: list at least one, for example [quiz-20261121]"
        return
    for show in shows:
        if not (isinstance(show, str) and SHOW.fullmatch(show)):
            yield f"{where}: show {show!r}: write small letters, digits and dashes, for example quiz-20261121"


def _group_problems(name: str, group: Any, at: Any) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"{at(name)}: group {name}: write small letters, digits and dashes"
    if not isinstance(group, dict):
        yield f"{at(name)}: group {name}: write roles, count and memory_mb"
        return
    for key in group.keys() - _GROUP_KEYS:
        yield f"{at(name, str(key))}: unknown key {key} in group {name}: it has {', '.join(sorted(_GROUP_KEYS))}"
    for key, least in (("count", 1), ("memory_mb", 64)):
        value = group.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            yield f"{at(name, key)}: {key} of group {name}: write a whole number of at least {least}"
    roles = group.get("roles")
    if not isinstance(roles, list) or not roles:
        yield f"{at(name, 'roles')}: roles of group {name}: list at least one, for example [redis]"
        return
    for role in roles:
        if not isinstance(role, str) or inventory_groups([role])[-1] not in known():
            available = ", ".join(sorted(group.replace("_", "/", 1) for group in known()))
            yield f"{at(name, 'roles')}: role {role} of group {name} is not known: choose from {available}"
    quorum = group.get("count")
    if "zookeeper" in roles and isinstance(quorum, int) and quorum % 2 == 0:
        wasted = f"{quorum} zookeeper hosts tolerate no more failures than {quorum - 1}"
        yield f"{at(name, 'count')}: {wasted}: write an odd count"
