"""Whether the parts of a topology fit together: quorums, needs, ports, sizes, addresses. Called by primetime.topology.

It looks at what is sound, so that its problems are told together with those of single values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from ipaddress import IPv4Network
from typing import Any

from primetime import sizing
from primetime.endpoints import Endpoint
from primetime.errors import UsageError
from primetime.needs import label, missing
from primetime.overrides import overrides
from primetime.settings import Settings, exposes, from_data, known, problems
from primetime.topology.checking import Declared, network_of
from primetime.topology.reading import Source

RESERVED = 9  # of a network's first addresses: .1 is this machine, .2 to .9 are for fixtures


def inventory_groups(roles: list[str]) -> tuple[str, ...]:
    """`["redis", "hdfs/namenode"]` → `("base", "redis", "hdfs", "hdfs_namenode")`."""
    groups = ["base"]
    for role in roles:
        head, _, daemon = role.partition("/")
        groups += [head, f"{head}_{daemon}"] if daemon else [head]
    return tuple(dict.fromkeys(groups))


def watched(groups: list[Declared]) -> dict[str, list[str]]:
    """Group → its roles, with the daemons that watch them for a role that the topology has: for monitoring mostly."""
    every = {role for group in groups for role in group.roles}
    return {group.name: [*group.roles, *_watching(group.roles, every)] for group in groups}


def _watching(roles: list[str], every: set[str]) -> Iterator[str]:
    here = inventory_groups(roles)
    for name, cls in known().items():
        watches = getattr(cls, "watches", "") in here and getattr(cls, "watched_for", "monitoring") in every
        if watches and label(name) not in roles:
            yield label(name)


def check(source: Source, groups: list[Declared]) -> Iterator[str]:
    """Every problem that sound parts have with each other."""
    if not isinstance(source.data, dict):
        return
    settings = source.data.get("settings")
    sound = {
        key: value
        for key, value in (settings.items() if isinstance(settings, dict) else ())
        if not problems({key: value}, "")
    }
    yield from _numbers_of_hosts(source, groups)
    if source.data.get("partial") is not True and not _unknown_roles(source, groups):
        yield from _needs(source, groups)
    roles = watched(groups)
    for group in groups:
        yield from _ports(source, group, roles[group.name], sound)
        yield from _sizes(source, group)
    if source.data.get("provider") == "ec2":
        yield from _scaling(source, groups)
    else:
        yield from _addresses(source, groups)


def _unknown_roles(source: Source, groups: list[Declared]) -> bool:
    """Whether a role was misspelt: what it was meant to be is not missing."""
    declared = source.data["groups"] if isinstance(source.data.get("groups"), dict) else {}
    return len(declared) != len(groups) or any(declared[group.name].get("roles") != group.roles for group in groups)


def _numbers_of_hosts(source: Source, groups: list[Declared]) -> Iterator[str]:
    """Even quorums, and more than one of what there can be only one, also when spread over groups."""
    for name, cls in known().items():
        having = [group for group in groups if label(name) in group.roles]
        counts = [group.count for group in having if group.count is not None]
        total, at = sum(counts), source.at("groups", having[-1].name, "count") if having else ""
        if not having or len(counts) != len(having):
            continue
        spread = f" (groups {', '.join(group.name for group in having)})" if len(having) > 1 else ""
        if getattr(cls, "quorum", False) and total % 2 == 0:
            yield (
                f"{at}: {total} {label(name)} hosts{spread} tolerate no more failures than {total - 1}: "
                f"make them {total - 1} or {total + 1}"
            )
        if getattr(cls, "single", False) and total > 1:
            hint = "there can be only one: give it a group of count 1"
            yield f"{at}: {label(name)} is on {total} hosts{spread}, and {hint}"


def _needs(source: Source, groups: list[Declared]) -> Iterator[str]:
    every = list(dict.fromkeys(name for group in groups for name in inventory_groups(group.roles)))
    for needing, lacking in missing(every).items():
        group = next(group for group in groups if label(needing) in group.roles)
        at = source.at("groups", group.name, "roles", group.roles.index(label(needing)))
        yield (
            f"{at}: {label(needing)} needs {', '.join(map(label, lacking))}, which no group has: add to a group's "
            "roles, or write partial: true when these hosts need not work by themselves"
        )


def _ports(source: Source, group: Declared, roles: list[str], settings: Mapping[str, Any]) -> Iterator[str]:
    """Two that open the same port on one host."""
    names = [name for name in inventory_groups(roles) if name in known()]
    taken: dict[tuple[str, int, bool], tuple[str, Endpoint]] = {}
    for name in names:
        try:
            mine = from_data(known()[name], overrides(names, settings))
        except UsageError:
            continue  # in group_data: told when it is read
        for endpoint in exposes(mine):
            place = (endpoint.transport, endpoint.port, endpoint.loopback)
            if place not in taken:
                taken[place] = (name, endpoint)
                continue
            other, first = taken[place]
            both = f"{label(other)} ({first.name}) and {label(name)} ({endpoint.name})"
            yield (
                f"{_port_at(source, group, name, other, endpoint.port)}: {both} "
                f"would open port {endpoint.port} on each host of group {group.name}: "
                f"set {' or '.join(_port_settings(mine, name, endpoint.port))} under settings, or part them"
            )


def _port_settings(mine: Settings, group: str, port: int) -> list[str]:
    """The settings that an endpoint's port may come from."""
    found = [field.name for field in fields(mine) if field.name.endswith("port") and getattr(mine, field.name) == port]
    return [f"{group}_{name}" for name in found]


def _port_at(source: Source, group: Declared, name: str, other: str, port: int) -> str:
    """The line of the override that made two ports the same, else of the group's roles."""
    for key, value in (source.data.get("settings") or {}).items():
        if value == port and key.startswith((f"{name}_", f"{other}_")):
            return source.at("settings", key)
    return source.at("groups", group.name, "roles")


def _sizes(source: Source, group: Declared) -> Iterator[str]:
    if group.memory_mb is None:
        return
    try:
        sizing.on_a_host(group.memory_mb, inventory_groups(group.roles))
    except UsageError as error:
        yield f"{source.at('groups', group.name, 'memory_mb')}: group {group.name}: {error}"


def _scaling(source: Source, groups: list[Declared]) -> Iterator[str]:
    """What cannot come and go with the hour: what a quorum counts, and what there is one of."""
    for group in groups:
        names = [name for name in inventory_groups(group.roles) if name in known()]
        fixed = [
            label(n) for n in names if getattr(known()[n], "quorum", False) or getattr(known()[n], "single", False)
        ]
        if group.least is not None and fixed:
            at = source.at("groups", group.name, "min")
            yield f"{at}: group {group.name} scales, and {', '.join(fixed)} cannot: write count, or part them"


def _addresses(source: Source, groups: list[Declared]) -> Iterator[str]:
    declared = "network" in source.data
    network = network_of(source.data.get("network"))
    room = (network or IPv4Network("10.0.0.0/24")).num_addresses - 2 - RESERVED
    total = sum(group.count or 0 for group in groups)
    if total > room:
        yield f"{source.at('groups')}: {total} hosts in all, and the network has addresses for {room}: declare fewer"
    taken: dict[Any, str] = {}
    for group in groups:
        for number, address in enumerate(group.addresses):
            at, of = source.at("groups", group.name, "addresses", number), f"address {address} of group {group.name}"
            if address in taken:
                yield f"{at}: {of} is also in group {taken[address]}: give each host one of its own"
            taken.setdefault(address, group.name)
            if not declared:
                example = IPv4Network(f"{address}/24", strict=False)
                yield f"{at}: {of}: it needs a network that is declared: write network: {example} at the top"
            elif network and address not in network:
                yield f"{at}: {of} is outside of network {network}: choose {_range(network)}"
            elif network and address not in list(network.hosts())[RESERVED:]:
                yield f"{at}: {of} is reserved: choose {_range(network)}"


def _range(network: IPv4Network) -> str:
    hosts = list(network.hosts())[RESERVED:]
    return f"{hosts[0]} to {hosts[-1]}"
