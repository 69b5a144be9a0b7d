"""Each value of a topology by itself: its key, its type, its range. Called by primetime.topology.

A problem is one line, `file:line:column: what is wrong: what to write instead`.
"""

from __future__ import annotations

import datetime
import difflib
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from ipaddress import AddressValueError, IPv4Address, IPv4Network, NetmaskValueError
from typing import Any

from primetime.drivers.nspawn.images import RELEASES
from primetime.drivers.vagrant import PROVIDERS as VAGRANT_PROVIDERS
from primetime.needs import daemons, label
from primetime.settings import known, problems
from primetime.topology.reading import Source

PROVIDERS = ("nspawn", *(f"vagrant:{provider}" for provider in VAGRANT_PROVIDERS), "ec2")
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
NAMED = "write small letters, digits and dashes, a letter first, at most 31"
TOP_KEYS = ("name", "provider", "image", "network", "shows", "seeded", "partial", "groups", "settings")
GROUP_KEYS = ("roles", "count", "memory_mb", "cpus", "cpu_weight", "addresses")
CPUS = (0.01, 1024)  # a hundredth is the least that the kernel gives
WEIGHTS = (1, 10_000)  # systemd's CPUWeight=, and the kernel's
COUNTS = {"count": (1, 245), "memory_mb": (64, 1 << 20)}  # 245: the addresses that a /24 has for hosts
PRIVATE = (IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
PREFIXES = range(24, 29)  # nspawn's links are named after the last byte of an address; .1 to .9 are not for hosts
_ANY = 1 << 40
_ENDINGS = {"port": (1, 65535), "_ports": (1, 65535), "_mb": (0, _ANY), "_ms": (0, _ANY), "_s": (0, _ANY)}


@dataclass
class Declared:
    """What of a group is sound: its roles as topologies write them, and numbers when they are numbers."""

    name: str
    roles: list[str] = field(default_factory=list)
    count: int | None = None
    memory_mb: int | None = None
    cpus: float | None = None
    cpu_weight: int = 100
    addresses: list[IPv4Address] = field(default_factory=list)
    sizes: list[str] = field(default_factory=list)  # of EC2: the first that can be had
    cores: int | None = None
    least: int | None = None  # a group that scales: between these
    most: int | None = None
    spot_share: float = 0.0
    spool_gb: int | None = None
    configured_within_s: float = 1500.0  # a store that boots as a whole; members of an image need a tenth


Look = Callable[[Source, Any], Iterator[str]]
GroupLook = Callable[[Source, dict[str, Any], Declared], Iterator[str]]


@dataclass(frozen=True)
class Rules:
    """What a provider's topologies have: keys, and who looks at each."""

    top_keys: tuple[str, ...]
    group_keys: tuple[str, ...]
    needed: tuple[str, ...]  # of the top keys
    looks: Mapping[str, Look]
    group_looks: tuple[GroupLook, ...]
    examples: Mapping[str, str]


def check(source: Source, sound: list[Declared], rules: Rules) -> Iterator[str]:
    """Every problem that a value has by itself; `sound` receives the groups, as far as they can be read."""
    data = source.data
    if data is None:
        yield f"{source.where}:1:1: the file is empty: write {', '.join(TOP_KEYS)}, as in inventories/demo.yml"
        return
    if not isinstance(data, dict):
        yield f"{source.where}:1:1: this is {kind(data)}: a topology is a mapping with {', '.join(TOP_KEYS)}"
        return
    yield from unknown_keys(source, rules.top_keys, "a topology")
    for key in rules.needed:
        if key not in data and not any(_meant(other, rules.top_keys) == key for other in data):
            yield f"{source.where}:1:1: {key} is missing: {rules.examples[key]}"
    for key, look in rules.looks.items():
        if key in data:
            yield from look(source, data[key])
    if "groups" in data:
        yield from _groups(source, data["groups"], sound, rules)


def kind(value: Any) -> str:
    """A value, as whoever wrote it would call it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return f"{str(value).lower()} (to YAML, yes, no, on and off are true or false)"
    if isinstance(value, (int, float)):
        return f"the number {value}"
    if isinstance(value, datetime.date):
        return f"the date {value}"
    if isinstance(value, (list, dict)):
        return f"{'a list' if isinstance(value, list) else 'a mapping'}{'' if value else ' of nothing'}"
    return reprlib.repr(value)


def unknown_keys(source: Source, keys: tuple[str, ...], what: str, *path: str | int) -> Iterator[str]:
    """Keys that a mapping of the file does not have, with the one that was meant."""
    data = source.data
    for step in path:
        data = data[step]
    for key in data:
        if key not in keys:
            meant = _meant(key, keys)
            hint = f"did you mean {meant}?" if meant else f"{what} has {', '.join(keys)}"
            yield f"{source.key(*path, key)}: unknown key {key}: {hint}"


def _meant(word: str, choices: Iterable[str]) -> str | None:
    close = difflib.get_close_matches(str(word).lower(), list(choices), n=1)
    return close[0] if close else None


def _choose(word: Any, choices: Iterable[str]) -> str:
    meant = _meant(word, choices) if isinstance(word, str) else None
    return f"did you mean {meant}?" if meant else f"write one of {', '.join(choices)}"


def _name(source: Source, value: Any) -> Iterator[str]:
    if not (isinstance(value, str) and NAME.fullmatch(value)):
        yield f"{source.at('name')}: name is {kind(value)}: {NAMED}, for example demo"


def _provider(source: Source, value: Any) -> Iterator[str]:
    if value not in PROVIDERS:
        yield f"{source.at('provider')}: provider is {kind(value)}: {_choose(value, PROVIDERS)}"


def problem_of_provider(value: Any) -> str:
    """What to write instead of what is no provider."""
    return _choose(value, PROVIDERS)


def _image(source: Source, value: Any) -> Iterator[str]:
    if value not in RELEASES:
        yield f"{source.at('image')}: image is {kind(value)}: {_choose(value, RELEASES)}"


def _network(source: Source, value: Any) -> Iterator[str]:
    if network_of(value) is None:
        yield (
            f"{source.at('network')}: network is {kind(value)}: write a private one from /{PREFIXES[0]} to "
            f"/{PREFIXES[-1]}, for example 10.20.30.0/24"
        )


def network_of(value: Any) -> IPv4Network | None:
    """The network that a value declares; None when it is none that hosts can have."""
    try:
        network = IPv4Network(value) if isinstance(value, str) and "/" in value else None
    except (AddressValueError, NetmaskValueError, ValueError):
        return None
    private = network is not None and any(network.subnet_of(pool) for pool in PRIVATE)
    return network if network and private and network.prefixlen in PREFIXES else None


def _partial(source: Source, value: Any) -> Iterator[str]:
    if not isinstance(value, bool):
        yield f"{source.at('partial')}: partial is {kind(value)}: write true, or leave it out"


def _settings(source: Source, value: Any) -> Iterator[str]:
    if value is None:
        return
    if not isinstance(value, dict):
        yield f"{source.at('settings')}: settings is {kind(value)}: write flat keys, for example redis_maxmemory_mb: 64"
        return
    every = [f"{group}_{field.name}" for group, cls in known().items() for field in fields(cls)]
    for key, given in value.items():
        if not any(key.startswith(f"{group}_") for group in known()):
            meant = _meant(key, every)
            hint = f"did you mean {meant}?" if meant else "it begins with a role's name, as in redis_maxmemory_mb"
            yield f"{source.key('settings', key)}: {key}: no role has such a setting: {hint}"
        else:
            found = problems({key: given}, source.at("settings", key))
            yield from found
            yield from [] if found else _range(source, key, given)


def _range(source: Source, key: str, value: Any) -> Iterator[str]:
    numbers = value if isinstance(value, (list, tuple)) else [value]
    for ending, (least, most) in _ENDINGS.items():
        if key.endswith(ending) and not all(least <= number <= most for number in numbers):
            limits = f"from {least} to {most}" if most < _ANY else f"of at least {least}"
            yield f"{source.at('settings', key)}: {key} is {kind(value)}: write a number {limits}"
            return


def _groups(source: Source, value: Any, sound: list[Declared], rules: Rules) -> Iterator[str]:
    if not isinstance(value, dict) or not value:
        yield f"{source.at('groups')}: groups is {kind(value)}: {rules.examples['groups']}"
        return
    for name, group in value.items():
        if not NAME.fullmatch(name):
            yield f"{source.key('groups', name)}: group {kind(name)}: {NAMED}, for example store"
        if not isinstance(group, dict):
            yield f"{source.at('groups', name)}: group {name} is {kind(group)}: write roles, count and memory_mb"
            continue
        yield from unknown_keys(source, rules.group_keys, f"group {name}", "groups", name)
        declared = Declared(name)
        sound.append(declared)
        for look in rules.group_looks:
            yield from look(source, group, declared)


def group_roles(source: Source, group: dict[str, Any], declared: Declared) -> Iterator[str]:
    roles, of = group.get("roles"), f"roles of group {declared.name}"
    if "roles" not in group and any(_meant(key, GROUP_KEYS) == "roles" for key in group):
        return
    at = source.at("groups", declared.name, "roles")
    if not isinstance(roles, list) or not roles:
        yield f"{at}: {of} is {kind(roles) if 'roles' in group else 'missing'}: list at least one, for example [redis]"
        return
    for number, role in enumerate(roles):
        at = source.at("groups", declared.name, "roles", number)
        if not isinstance(role, str):
            yield f"{at}: a role of group {declared.name} is {kind(role)}: {_choose(role, choices())}"
        elif role not in choices():
            parts = [label(daemon) for daemon in daemons(role)]
            many = f"it is made of daemons: write {', '.join(parts)}"
            hint = many if len(parts) > 1 else _choose(role, choices())
            yield f"{at}: role {role} of group {declared.name} is not known: {hint}"
        elif role in roles[:number]:
            yield f"{at}: role {role} of group {declared.name} is listed twice: keep one of them"
        else:
            declared.roles.append(role)


def choices() -> list[str]:
    """Every role and daemon that a topology may write."""
    return sorted(
        label(group)
        for group, cls in known().items()
        if getattr(cls, "services", None) and not hasattr(cls, "watches")  # that follows by itself
    )


def _counts(source: Source, group: dict[str, Any], declared: Declared) -> Iterator[str]:
    for key, (least, most) in COUNTS.items():
        value = group.get(key)
        if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
            setattr(declared, key, value)
        elif key in group or not any(_meant(other, GROUP_KEYS) == key for other in group):
            is_kind = kind(value) if key in group else "missing"
            yield (
                f"{source.at('groups', declared.name, key)}: {key} of group {declared.name} is {is_kind}: "
                f"write a whole number from {least} to {most}"
            )


def _cpu(source: Source, group: dict[str, Any], declared: Declared) -> Iterator[str]:
    """The optional sizes."""
    for key, kinds, (least, most), what in (
        ("cpus", (int, float), CPUS, "the most CPUs it may use"),
        ("cpu_weight", (int,), WEIGHTS, "a whole number"),
    ):
        value = group.get(key)
        if isinstance(value, kinds) and not isinstance(value, bool) and least <= value <= most:
            setattr(declared, key, value)
        elif key in group:
            at, of = source.at("groups", declared.name, key), f"{key} of group {declared.name}"
            yield f"{at}: {of} is {kind(value)}: write {what}, from {least} to {most}"


def _addresses(source: Source, group: dict[str, Any], declared: Declared) -> Iterator[str]:
    value, of = group.get("addresses"), f"addresses of group {declared.name}"
    if "addresses" not in group:
        return
    at = source.at("groups", declared.name, "addresses")
    if not isinstance(value, list) or not value:
        yield f"{at}: {of} is {kind(value)}: list one for each host, for example [10.20.30.10]"
        return
    if declared.count is not None and len(value) != declared.count:
        yield f"{at}: {of}: there are {len(value)} for {declared.count} hosts: list one for each host"
    for number, text in enumerate(value):
        try:
            declared.addresses.append(IPv4Address(text if isinstance(text, str) else ""))
        except AddressValueError:
            position = source.at("groups", declared.name, "addresses", number)
            yield f"{position}: address {kind(text)} of group {declared.name}: write four numbers, as in 10.20.30.10"


LOOKS = {
    "name": _name,
    "provider": _provider,
    "image": _image,
    "network": _network,
    "partial": _partial,
    "settings": _settings,
}
EXAMPLES = {
    "name": "write for example name: demo",
    "provider": f"write for example provider: {PROVIDERS[0]}",
    "image": f"write for example image: {RELEASES[0]}",
    "shows": "list at least one, for example [quiz-20261121]",
    "groups": "declare at least one, with roles, count and memory_mb",
}
LOCAL = Rules(
    TOP_KEYS,
    GROUP_KEYS,
    ("name", "provider", "image", "shows", "groups"),
    LOOKS,
    (group_roles, _counts, _cpu, _addresses),
    EXAMPLES,
)
