"""A topology's live machines on EC2, found by their tags: members of groups that scale beside what is declared.

Called by primetime.inventory for whoever converges, verifies or asks, and by the machines themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

from primetime.cloud import ways
from primetime.cloud.found import BAKE, NODE, Aws, aws
from primetime.cloud.wanted import NAME, OWNER, cloud_of
from primetime.cloud.ways import Way
from primetime.drivers.aws.wire import untagged
from primetime.drivers.ec2 import by
from primetime.errors import UsageError
from primetime.guard.marks import SPOOL_DEVICE
from primetime.inventory import Inventory, Located
from primetime.topology import NodeSpec, Topology, inventory_groups
from primetime.topology.checking import PRIVATE
from primetime.topology.cloud import Cloud, CloudGroup


@dataclass(frozen=True)
class Machine:
    """A live instance of a topology: `name` as in its inventory, `group` as in its file."""

    id: str
    name: str
    group: str
    address: str
    public: str
    zone: str = ""
    spool: str = ""  # the volume that its spool is on
    baking: bool = False  # it becomes an image, and serves nobody


def machines(services: Aws, topology: Topology) -> list[Machine]:
    """All that run or begin to. A member of a group that scales is called after its instance."""
    filters = by({f"tag:{OWNER}": topology.name, "instance-state-name": ["pending", "running"]})
    answer = services.ec2.connection.ask("DescribeInstances", Filter=filters)
    every = [each for one in answer.get("reservationSet") or [] for each in one["instancesSet"]]
    return sorted(map(_machine, every), key=lambda each: each.name)


def _machine(plain: Mapping[str, Any]) -> Machine:
    tags = untagged(plain["tagSet"], "key", "value")
    name = tags.get(NODE) or f"{tags[NAME]}-{plain['instanceId']}"
    group = name.rpartition("-")[0] if NODE in tags else tags[NAME]
    public = plain.get("ipAddress") or ""
    zone = plain["placement"]["availabilityZone"]
    return Machine(
        plain["instanceId"], name, group, plain["privateIpAddress"], public, zone, attached(plain), BAKE in tags
    )


def attached(plain: Mapping[str, Any]) -> str:
    """The volume that an instance, as it is described, has its spool on; empty when it has none."""
    for each in plain.get("blockDeviceMapping") or []:
        if each["deviceName"] == SPOOL_DEVICE and each.get("ebs"):
            return str(each["ebs"]["volumeId"])
    return ""


def inventory(topology: Topology, services: Aws | None = None, here: bool = False) -> Inventory:
    """UsageError names the declared nodes that are not up. With `here` no way to the others is looked for."""
    cloud = cloud_of(topology)
    services = services or aws(cloud.region)
    found = [each for each in machines(services, topology) if here or not each.baking]
    _require_nodes(topology, found)
    reached = {each.name: _reached(cloud, each) for each in found}
    way = Way("", "", "") if here else ways.to(services, topology, found, reached)
    located = {
        each.name: Located(
            each.address, way.key, way.known_hosts, way.config, reached[each.name], each.spool, baking=each.baking
        )
        for each in found
    }
    scaling = {group.name: group for group in cloud.groups if group.scales}
    coming = tuple(_member(group, name) for name, group in scaling.items())
    members = frozenset(each.name for each in found if each.group in scaling)
    live = replace(topology, nodes=tuple(_specs(topology, cloud, found)))
    return Inventory(live, located, cloud.network, cloud.controllers, coming, members)


def _specs(topology: Topology, cloud: Cloud, found: Sequence[Machine]) -> Iterator[NodeSpec]:
    """Declared nodes in their order, then whoever is there of the groups that scale."""
    yield from topology.nodes
    for group in cloud.groups:
        for each in found:
            if group.scales and each.group == group.name:
                yield _member(group, each.name)


def _member(group: CloudGroup, name: str) -> NodeSpec:
    return NodeSpec(name, inventory_groups(list(group.roles)), group.memory_mb)


def _require_nodes(topology: Topology, found: Iterable[Machine]) -> None:
    missing = sorted({node.name for node in topology.nodes} - {each.name for each in found})
    if missing or not found:
        which = f"{', '.join(missing)} not running" if missing and found else "no machine is up"
        raise UsageError(f"{topology.name}: {which}: bin/primetime up -t {topology.given} --yes makes them")


def _reached(cloud: Cloud, machine: Machine) -> str:
    """By its own address for controllers on private networks (a VPN, a machine in the network), else its public one."""
    inside = any(IPv4Network(cidr).subnet_of(pool) for cidr in cloud.controllers for pool in PRIVATE)
    return machine.address if inside or not machine.public else machine.public
