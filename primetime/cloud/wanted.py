"""A topology → the resources on EC2 that it declares, in the order in which they are made. Called by machines.

Resources name each other (a rule's source is a group's name); ids are AWS's and come in only when steps are taken.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from primetime.cloud import names, parcel, permissions, schedule
from primetime.cloud.user_data import source_digest
from primetime.drivers.autoscaling import LifecycleHook
from primetime.drivers.identity import Account
from primetime.endpoints import Endpoint
from primetime.errors import UsageError
from primetime.flows import ANY, flows
from primetime.guard.hook import DRAIN
from primetime.guard.marks import NAME, OWNER, SPOOL_DEVICE
from primetime.overrides import overrides
from primetime.secrets import topology as secrets
from primetime.settings import exposes, from_data, known
from primetime.topology import Topology, inventory_groups
from primetime.topology.cloud import Cloud, CloudGroup

KINDS = (
    *("bucket", "parameter", "bundle", "role"),
    *("network", "gateway", "subnet", "addresses", "routes", "security-group", "rules", "template"),
    *("target-group", "balancer", "listener", "group", "hook", "action", "node"),
    *("baking", "image"),  # never declared: `up --bake` makes them
)
CONFIGURE = "configure"  # the hook that holds a machine until it has proved its own roles
TELLS_S = 300  # what a machine has left to tell of it, when its time is over
HEALTH = "/ready"
ROOT_GB = 20  # system, jars, logs; Debian's images begin with 8
ANYBODY = Account("0", "aws")  # in place of an account that only AWS can tell
CONTROLLER = "controller"
Key = tuple[str, str]  # kind, name


@dataclass(frozen=True)
class Resource:
    """One thing on EC2. `values` are compared with what is found; `details` are needed to make it."""

    kind: str
    name: str
    values: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[str, ...] = ()  # the machines that it is made of

    @property
    def key(self) -> Key:
        return self.kind, self.name

    def __str__(self) -> str:
        told = ", ".join(f"{key} {_short(value)}" for key, value in self.values.items() if value not in (None, (), ""))
        return f"{self.kind} {self.name}" + (f" ({told})" if told else "")


def _short(value: Any) -> str:
    if isinstance(value, tuple):
        return " ".join(_short(each) for each in value)
    return str(value)


def cloud_of(topology: Topology) -> Cloud:
    """What the topology has on EC2; UsageError when it has nothing there."""
    if topology.cloud is None:
        raise UsageError(f"{topology.name} is not on EC2: this is of topologies with provider: ec2")
    return topology.cloud


def wanted(topology: Topology, now: datetime, images: Mapping[str, str] | None = None) -> list[Resource]:
    """All that a topology declares, in the order of KINDS. `images`: group → what was baked for it."""
    cloud = cloud_of(topology)
    every = [*_configuring(topology), *_network(topology, cloud), *_groups(topology, cloud, now, images or {})]
    return sorted(every, key=lambda each: KINDS.index(each.kind))


def _configuring(topology: Topology) -> Iterator[Resource]:
    """What machines configure themselves from, but for what each group has of its own."""
    yield Resource("bucket", topology.name)
    yield Resource("bundle", parcel.version(topology))
    for name in (names.SIGNING, names.SSH, *secrets.declared(topology)):
        yield Resource("parameter", name)


def _network(topology: Topology, cloud: Cloud) -> Iterator[Resource]:
    yield Resource("network", topology.name, {"cidr": cloud.network})
    yield Resource("gateway", topology.name, {"attached": True})
    yield Resource("routes", topology.name, {"default": True, "zones": tuple(sorted(cloud.zones))})
    for zone, cidr in cloud.subnets().items():
        yield Resource("subnet", zone, {"cidr": cidr})
        yield Resource("addresses", zone, {"public": True})  # there is no other way out to AWS and to mirrors


def _groups(topology: Topology, cloud: Cloud, now: datetime, images: Mapping[str, str]) -> Iterator[Resource]:
    rules = ingress(topology, cloud)
    for group in cloud.groups:
        yield Resource("role", group.name, {"digest": digest(permissions.policy(topology, group, ANYBODY))})
        yield Resource("security-group", group.name)
        yield Resource("rules", group.name, {"rules": rules[group.name]})
        data = template(topology, cloud, group, images.get(group.name, topology.image))
        yield Resource("template", group.name, {"digest": digest(data)}, data)
        if group.scales:
            yield from _scaling(topology, cloud, group, now)
    for number, node in enumerate(topology.nodes):
        group = next(each for each in cloud.groups if node.name.rpartition("-")[0] == each.name)
        zone = cloud.zones[number % len(cloud.zones)]
        yield Resource(
            "node", node.name, {"size": group.sizes[0], "zone": zone}, {"group": group.name}, sizes=(group.sizes[0],)
        )


def _scaling(topology: Topology, cloud: Cloud, group: CloudGroup, now: datetime) -> Iterator[Resource]:
    public = [endpoint for _, endpoint in exposed(topology, group) if "public" in endpoint.open_to]
    for endpoint in public:
        yield Resource("target-group", group.name, {"port": endpoint.port, "health": HEALTH})
        yield Resource("balancer", group.name)
        yield Resource("listener", group.name, {"port": endpoint.port})
    assert group.least is not None
    yield Resource(
        "group",
        group.name,
        {
            "min": group.least,
            "max": group.most,
            "zones": tuple(sorted(cloud.zones)),
            "sizes": group.sizes if len(group.sizes) > 1 or group.spot_share else (),
            "spot": f"{group.spot_share:.0%}",
        },
        {"balanced": bool(public), "spot_share": group.spot_share},
        sizes=(group.sizes[0],) * group.least,
    )
    for hook in hooks(group):
        yield Resource("hook", f"{group.name}/{hook.name}", hook_values(hook))
    for action in schedule.actions(cloud, group, now):
        yield Resource(
            "action",
            f"{group.name}/{action.name}",
            {"min": action.min_size, "desired": action.desired, "start": action.start},
            {"due": bool(schedule.due([action], now))},
        )


def hooks(group: CloudGroup) -> tuple[LifecycleHook, ...]:
    """What a group's members are held by: at their end, and at their launch, which comes to nothing by itself."""
    within_s = round(group.configured_within_s) + TELLS_S
    return DRAIN, LifecycleHook(CONFIGURE, "launching", within_s, "ABANDON")


def hook_values(hook: LifecycleHook) -> dict[str, Any]:
    return {"transition": hook.transition, "seconds": hook.timeout_s, "otherwise": hook.otherwise}


def exposed(topology: Topology, group: CloudGroup) -> list[tuple[str, Endpoint]]:
    """(inventory group, endpoint) of all that a group's machines open to others."""
    names = inventory_groups(list(group.roles))
    data = overrides(names, topology.settings)
    return [
        (name, endpoint) for name in names if name in known() for endpoint in exposes(from_data(known()[name], data))
    ]


def ingress(topology: Topology, cloud: Cloud) -> dict[str, tuple[tuple[str, int, str], ...]]:
    """Group → (transport, port, source) that its security group lets in; a source is a group's name or a CIDR.

    The same flows as the hosts' firewalls: here a group stands where an address stands there.
    """
    open_on = {group.name: exposed(topology, group) for group in cloud.groups}
    members: dict[str, list[str]] = {}
    for group in cloud.groups:
        for name in inventory_groups(list(group.roles)):
            members.setdefault(name, []).append(group.name)
    found: dict[str, set[tuple[str, int, str]]] = {group.name: set() for group in cloud.groups}
    for flow in flows(open_on, members, [CONTROLLER]):
        for source in flow.sources:
            for each in cloud.controllers if source == CONTROLLER else (source,):
                found[flow.address].add((flow.transport, flow.port, each))
    return {name: tuple(sorted(rules)) for name, rules in found.items()}


def template(topology: Topology, cloud: Cloud, group: CloudGroup, image: str) -> dict[str, Any]:
    """A group's launch template in EC2's words, but for the id of its security group, and with `boot` in place of
    user-data: what a machine of the group has to know.
    """
    root = {"VolumeType": "gp3", "VolumeSize": ROOT_GB, "Encrypted": True, "DeleteOnTermination": True}
    volumes = [{"DeviceName": "/dev/xvda", "Ebs": root}]
    if group.spool_gb:
        spool = {"VolumeType": "gp3", "VolumeSize": group.spool_gb, "Encrypted": True, "DeleteOnTermination": False}
        volumes.append({"DeviceName": SPOOL_DEVICE, "Ebs": spool})
    tags = [{"Key": key, "Value": value} for key, value in owned(topology, group.name).items()]
    return {
        "ImageId": image,
        "InstanceType": group.sizes[0],
        "MetadataOptions": {"HttpTokens": "required", "HttpPutResponseHopLimit": 1},
        "BlockDeviceMapping": volumes,
        "TagSpecification": [{"ResourceType": "volume", "Tag": tags}],
        "IamInstanceProfile": {"Name": names.role(cloud.region, topology.name, group.name)},
        "boot": {
            "source": source_digest(),
            "topology": topology.name,
            "region": cloud.region,
            "group": group.name,
            "groups": list(inventory_groups(list(group.roles))),
            "version": parcel.version(topology),
            "scaling_group": f"{topology.name}-{group.name}" if group.scales else "",
            "hook": CONFIGURE if group.scales else "",
            "within_s": round(group.configured_within_s),
        },
    }


def owned(topology: Topology, name: str) -> dict[str, str]:
    """The tags that go into the call that makes a thing: whose it is, and which."""
    return {OWNER: topology.name, NAME: name, "Name": f"{topology.name}-{name}"}


def digest(data: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()[:16]


__all__ = ["ANY", "DRAIN", "KINDS", "NAME", "OWNER", "Key", "Resource", "ingress", "owned", "wanted"]
