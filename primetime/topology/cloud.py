"""What only topologies on EC2 have: region, zones, sizes, groups that scale. Called by topology.

A problem is one line, `file:line:column: what is wrong: what to write instead`, as everywhere in a topology.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from primetime.drivers.aws.regions import REGION
from primetime.errors import UsageError
from primetime.quantities import seconds
from primetime.topology import checking, shows
from primetime.topology.checking import PRIVATE, Declared, Rules, kind
from primetime.topology.reading import Source
from primetime.topology.shows import Show

KEYS = (
    *("name", "provider", "region", "zones", "network", "image", "controllers"),
    *("shows", "partial", "groups", "settings"),
)
GROUP_KEYS = (
    *("roles", "size", "cores", "memory_mb", "count", "min", "max"),
    *("spot_share", "spool_gb", "configured_within"),
)
_IMAGE = re.compile(r"ami-[0-9a-f]{8,17}")
_SIZE = re.compile(r"[a-z][a-z0-9-]*\.[a-z0-9-]+")
_PREFIXES = range(16, 25)
_CONFIGURED_S = 60, 6900  # a launch hook lasts two hours at most, of which five minutes are to tell of it


@dataclass(frozen=True)
class CloudGroup:
    """Machines of one kind: `count` of them, or between `least` and `most`."""

    name: str
    roles: tuple[str, ...]
    sizes: tuple[str, ...]
    cores: int
    memory_mb: int
    count: int | None
    least: int | None
    most: int | None
    spot_share: float
    spool_gb: int | None
    configured_within_s: float  # from its bundle to its roles' last promise, or it is given up

    @property
    def scales(self) -> bool:
        return self.least is not None


@dataclass(frozen=True)
class Cloud:
    """Where a topology is on EC2, and what it is made of there."""

    region: str
    zones: tuple[str, ...]
    network: str
    controllers: tuple[str, ...]  # CIDRs that may converge
    groups: tuple[CloudGroup, ...]
    shows: tuple[Show, ...]

    def subnets(self) -> dict[str, str]:
        """Zone → its part of the network: the first of eight equal ones, in order."""
        parts = list(IPv4Network(self.network).subnets(prefixlen_diff=3))
        return {zone: str(part) for zone, part in zip(self.zones, parts, strict=False)}


def read(data: dict[str, Any], groups: list[Declared]) -> Cloud:
    """From a checked file."""
    return Cloud(
        region=data["region"],
        zones=tuple(data["zones"]),
        network=data["network"],
        controllers=tuple(data.get("controllers") or ()),
        groups=tuple(_group(group) for group in groups),
        shows=shows.timed(data["shows"]),
    )


def _group(group: Declared) -> CloudGroup:
    assert group.memory_mb is not None and group.cores is not None
    return CloudGroup(
        group.name,
        tuple(group.roles),
        tuple(group.sizes),
        group.cores,
        group.memory_mb,
        group.count,
        group.least,
        group.most,
        group.spot_share,
        group.spool_gb,
        group.configured_within_s,
    )


def _region(source: Source, value: Any) -> Iterator[str]:
    if not (isinstance(value, str) and REGION.fullmatch(value)):
        yield f"{source.at('region')}: region is {kind(value)}: {EXAMPLES['region']}"


def _zones(source: Source, value: Any) -> Iterator[str]:
    region = source.data.get("region")
    if not isinstance(value, list) or not 2 <= len(value) <= 8:
        yield f"{source.at('zones')}: zones is {kind(value)}: {EXAMPLES['zones']}"
        return
    for number, zone in enumerate(value):
        at = source.at("zones", number)
        if not (isinstance(zone, str) and isinstance(region, str) and re.fullmatch(f"{re.escape(region)}[a-z]", zone)):
            yield f"{at}: a zone is {kind(zone)}: write the region and a letter, for example {region}a"
        elif zone in value[:number]:
            yield f"{at}: zone {zone} is listed twice: keep one of them"


def _image(source: Source, value: Any) -> Iterator[str]:
    if not (isinstance(value, str) and _IMAGE.fullmatch(value)):
        yield f"{source.at('image')}: image is {kind(value)}: {EXAMPLES['image']}"


def _network(source: Source, value: Any) -> Iterator[str]:
    network = _cidr(value)
    if network is None or network.prefixlen not in _PREFIXES or not any(network.subnet_of(pool) for pool in PRIVATE):
        yield f"{source.at('network')}: network is {kind(value)}: {EXAMPLES['network']}"


def _controllers(source: Source, value: Any) -> Iterator[str]:
    if not isinstance(value, list):
        yield f"{source.at('controllers')}: controllers is {kind(value)}: list networks, for example [203.0.113.7/32]"
        return
    for number, cidr in enumerate(value):
        if _cidr(cidr) is None:
            at = source.at("controllers", number)
            yield f"{at}: a controller is {kind(cidr)}: write a network, for example 203.0.113.7/32"


def _cidr(value: Any) -> IPv4Network | None:
    try:
        return IPv4Network(value) if isinstance(value, str) and "/" in value else None
    except ValueError:
        return None


def _numbers(source: Source, group: dict[str, Any], declared: Declared) -> Iterator[str]:
    """Numbers of machines: count, or min and max."""
    of, at = f"group {declared.name}", source.at("groups", declared.name)
    both = [key for key in ("count", "min", "max") if key in group]
    if both not in (["count"], ["min", "max"]):
        yield f"{at}: {of} has {' and '.join(both) or 'no number'}: write count, or min and max when it scales"
    for key, (field, least) in _NUMBERS.items():
        value = group.get(key)
        if key in group and (not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 1 << 20):
            place = source.at("groups", declared.name, key)
            yield f"{place}: {key} of {of} is {kind(value)}: write a whole number of at least {least}"
        elif key in group:
            setattr(declared, field, value)
    if declared.least is not None and declared.most is not None and declared.least > declared.most:
        place = source.at("groups", declared.name, "max")
        yield f"{place}: max of {of} is {declared.most}, and min is {declared.least}: write {declared.least} or more"
    for key in ("memory_mb", "cores"):
        if key not in group:
            yield f"{at}: {key} of {of} is missing: write what its size has, for example {key}: {_HAS[key]}"


def _sizes(source: Source, group: dict[str, Any], declared: Declared) -> Iterator[str]:
    of, value = f"group {declared.name}", group.get("size")
    sizes: list[Any] = value if isinstance(value, list) else [value]
    if not all(isinstance(size, str) and _SIZE.fullmatch(size) for size in sizes) or not sizes:
        at = source.at("groups", declared.name, "size")
        is_kind = kind(value) if "size" in group else "missing"
        yield f"{at}: size of {of} is {is_kind}: write one, or several in order of preference, as in [c6i.large]"
    else:
        declared.sizes = sizes
    share = group.get("spot_share", 0)
    if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 <= share <= 1:
        at = source.at("groups", declared.name, "spot_share")
        yield f"{at}: spot_share of {of} is {kind(share)}: write what share above min may be spot, from 0 to 1"
    elif share and "min" not in group:
        at = source.at("groups", declared.name, "spot_share")
        yield f"{at}: spot_share of {of}: a group of fixed number keeps its machines: leave it out"
    else:
        declared.spot_share = float(share)


def _spool(source: Source, group: dict[str, Any], declared: Declared) -> Iterator[str]:
    """A collector's spool outlives its machine, so it is a volume of its own."""
    collects = "collector" in declared.roles
    if collects and declared.spool_gb is None and "spool_gb" not in group:
        at = source.at("groups", declared.name)
        yield f"{at}: spool_gb of group {declared.name} is missing: the spool is a volume of its own: write 20"
    if not collects and "spool_gb" in group:
        at = source.at("groups", declared.name, "spool_gb")
        yield f"{at}: spool_gb of group {declared.name}: only a collector has a spool: leave it out"


def _configured(source: Source, group: dict[str, Any], declared: Declared) -> Iterator[str]:
    if "configured_within" not in group:
        return
    value = group["configured_within"]
    try:
        declared.configured_within_s = seconds(str(value))
        sound = _CONFIGURED_S[0] <= declared.configured_within_s <= _CONFIGURED_S[1]
    except UsageError:
        sound = False
    if not sound:
        at = source.at("groups", declared.name, "configured_within")
        yield f"{at}: configured_within of group {declared.name} is {kind(value)}: write a time from 1m to 115m"


_HAS = {"memory_mb": 4096, "cores": 2}
_NUMBERS = {
    "count": ("count", 1),
    "min": ("least", 1),
    "max": ("most", 1),
    "memory_mb": ("memory_mb", 64),
    "cores": ("cores", 1),
    "spool_gb": ("spool_gb", 1),
}
EXAMPLES = {
    **checking.EXAMPLES,
    "region": "write for example region: eu-central-1",
    "zones": "list two or more, for example [eu-central-1a, eu-central-1b]",
    "image": "write a machine image of the region, for example ami-0123456789abcdef0",
    "network": "write a private one from /16 to /24, for example 10.40.0.0/20",
    "groups": "declare at least one, with roles, size, memory_mb, and count or min and max",
}
RULES = Rules(
    KEYS,
    GROUP_KEYS,
    ("name", "provider", "region", "zones", "network", "image", "shows", "groups"),
    {
        **checking.LOOKS,
        "image": _image,
        "network": _network,
        "shows": shows.look,
        "region": _region,
        "zones": _zones,
        "controllers": _controllers,
    },
    (checking.group_roles, _numbers, _sizes, _spool, _configured),
    EXAMPLES,
)
