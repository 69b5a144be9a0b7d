"""What a topology has on EC2, asked by its tags: one Describe for each kind of resource (and page).

Called by machines.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from libcloud.storage.base import Container
from libcloud.storage.types import ContainerDoesNotExistError, ObjectDoesNotExistError

from primetime.cloud import names
from primetime.cloud.wanted import NAME, OWNER, Key, hook_values
from primetime.drivers.autoscaling import AutoScaleGroup, AutoScalingDriver
from primetime.drivers.aws.wire import untagged
from primetime.drivers.balancing import BalancingDriver, NetworkBalancer, TargetGroup
from primetime.drivers.ec2 import Ec2Driver, by
from primetime.drivers.identity import Account, IamDriver, StsDriver
from primetime.drivers.parameters import ParametersDriver
from primetime.drivers.storage import StorageDriver
from primetime.guard.marks import LEAST

DIGEST, NODE = "primetime:digest", "primetime:node"
BAKE, BASE = "primetime:bake", "primetime:base"  # of what is baked: its version, and the image that it began as
_ALIVE = ["pending", "running", "stopping", "stopped"]


@dataclass(frozen=True)
class Aws:
    """The services of a region."""

    ec2: Ec2Driver
    scaling: AutoScalingDriver
    balancing: BalancingDriver
    parameters: ParametersDriver
    storage: StorageDriver
    iam: IamDriver
    sts: StsDriver

    @property
    def calls(self) -> list[str]:
        """Every action that was sent."""
        drivers = (self.ec2, self.scaling, self.balancing, self.parameters, self.storage, self.iam, self.sts)
        return [call for driver in drivers for call in driver.calls]

    @cached_property
    def account(self) -> Account:
        """Whose credentials these are."""
        return self.sts.account()

    def read(self, topology: str, key: str) -> bytes | None:
        """An object of the topology's bucket; None when it is not there."""
        try:
            found = self.storage.get_object(names.bucket(topology, self.ec2.region_name, self.account), key)
            return b"".join(found.as_stream())
        except (ContainerDoesNotExistError, ObjectDoesNotExistError):
            return None

    def keep(self, topology: str, key: str, path: Path) -> None:
        """Put a file into the topology's bucket."""
        bucket = names.bucket(topology, self.ec2.region_name, self.account)
        self.storage.upload_object(str(path), Container(bucket, {}, self.storage), key)


def aws(region: str) -> Aws:
    """As the environment says who calls, and where to."""
    return Aws(
        Ec2Driver(region=region),
        AutoScalingDriver(region=region),
        BalancingDriver(region=region),
        ParametersDriver(region=region),
        StorageDriver(region=region),
        IamDriver(),
        StsDriver(region=region),
    )


@dataclass(frozen=True)
class Thing:
    """A resource that exists: AWS's id for it, and its values as `wanted` has them."""

    kind: str
    name: str
    id: str
    values: Mapping[str, Any] = field(default_factory=dict)
    sizes: tuple[str, ...] = ()
    extra: Any = None

    @property
    def key(self) -> Key:
        return self.kind, self.name


def find(services: Aws, topology: str) -> dict[Key, Thing]:
    """All that carries the topology's tag, or has its path or name. The services are asked at the same time."""
    with ThreadPoolExecutor(6) as pool:
        ec2 = pool.submit(list, _ec2(services.ec2, topology))
        balancing = pool.submit(list, _balancing(services.balancing, topology))
        scaling = pool.submit(list, _scaling(services.scaling, topology))
        parameters = pool.submit(list, _parameters(services.parameters, topology))
        roles = pool.submit(list, _roles(services, topology))
        objects = pool.submit(list, _objects(services, topology))
    asked = (ec2, balancing, scaling, parameters, roles, objects)
    every = [thing for each in asked for thing in each.result()]
    zones = {thing.id: thing.name for thing in every if thing.kind == "subnet"}
    return {thing.key: _in_zones(thing, zones) for thing in every}


def _in_zones(thing: Thing, zones: Mapping[str, str]) -> Thing:
    """The same, its subnets told by their zones."""
    if "subnets" not in thing.values:
        return thing
    values = {key: value for key, value in thing.values.items() if key != "subnets"}
    mine = tuple(sorted(zones.get(subnet, subnet) for subnet in thing.values["subnets"]))
    return replace(thing, values={**values, "zones": mine})


def _ec2(ec2: Ec2Driver, topology: str) -> Iterator[Thing]:
    for finder in (_network, _routes, _security, _templates, _machines, _images):
        yield from finder(ec2, topology)


def _described(ec2: Ec2Driver, action: str, into: str, topology: str, **more: Any) -> Iterator[tuple[Any, str]]:
    """(what is described, its primetime:name) of each that has the tag."""
    answer = ec2.connection.ask(action, Filter=by({f"tag:{OWNER}": topology, **more}))
    for each in answer.get(into) or []:
        yield each, untagged(each.get("tagSet"), "key", "value").get(NAME, "")


def _network(ec2: Ec2Driver, topology: str) -> Iterator[Thing]:
    for each, name in _described(ec2, "DescribeVpcs", "vpcSet", topology):
        yield Thing("network", name, each["vpcId"], {"cidr": each["cidrBlock"]})
    for each, name in _described(ec2, "DescribeInternetGateways", "internetGatewaySet", topology):
        attached = [one["vpcId"] for one in each.get("attachmentSet") or []]
        yield Thing("gateway", name, each["internetGatewayId"], {"attached": bool(attached)}, extra=attached)
    for each, name in _described(ec2, "DescribeSubnets", "subnetSet", topology):
        yield Thing("subnet", name, each["subnetId"], {"cidr": each["cidrBlock"]})
        if each.get("mapPublicIpOnLaunch") == "true":
            yield Thing("addresses", name, each["subnetId"], {"public": True})


def _routes(ec2: Ec2Driver, topology: str) -> Iterator[Thing]:
    for each, name in _described(ec2, "DescribeRouteTables", "routeTableSet", topology):
        default = any(
            route.get("destinationCidrBlock") == "0.0.0.0/0" and route.get("gatewayId") for route in each["routeSet"]
        )
        joined = {
            one["subnetId"]: one["routeTableAssociationId"]
            for one in each.get("associationSet") or []
            if one.get("subnetId")
        }
        values = {"default": default, "subnets": tuple(joined)}
        yield Thing("routes", name, each["routeTableId"], values, extra=joined)


def _security(ec2: Ec2Driver, topology: str) -> Iterator[Thing]:
    every = list(_described(ec2, "DescribeSecurityGroups", "securityGroupInfo", topology))
    names = {each["groupId"]: name for each, name in every}
    for each, name in every:
        yield Thing("security-group", name, each["groupId"])
        rules = {rule for permission in each.get("ipPermissions") or [] for rule in _rules(permission, names)}
        if rules:
            yield Thing("rules", name, each["groupId"], {"rules": tuple(sorted(rules))})


def _rules(permission: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[tuple[str, int, str]]:
    transport, port = permission["ipProtocol"], int(permission.get("fromPort") or -1)
    for each in permission.get("groups") or []:
        yield transport, port, names.get(each["groupId"], each["groupId"])
    for each in permission.get("ipRanges") or []:
        yield transport, port, each["cidrIp"]


def _templates(ec2: Ec2Driver, topology: str) -> Iterator[Thing]:
    for each in ec2.ex_list_launch_templates({f"tag:{OWNER}": topology}):
        known, _, version = each.tags.get(DIGEST, "").partition("@")
        as_declared = known if version == str(each.latest) else f"version {each.latest} is not ours"
        yield Thing("template", each.tags[NAME], each.id, {"digest": as_declared}, extra=each)


def _balancing(balancing: BalancingDriver, topology: str) -> Iterator[Thing]:
    balancers, targets = balancing.list_balancers(), balancing.ex_list_target_groups()
    tags = balancing.ex_tags([*(each.id for each in balancers), *(each.id for each in targets)])

    def mine(each: NetworkBalancer | TargetGroup) -> bool:
        return tags.get(each.id, {}).get(OWNER) == topology

    for target in [each for each in targets if mine(each)]:
        values = {"port": target.port, "health": target.health_path}
        yield Thing("target-group", tags[target.id][NAME], target.id, values, extra=target)
    for balancer in [each for each in balancers if mine(each)]:
        name = tags[balancer.id][NAME]
        yield Thing("balancer", name, balancer.id, extra=balancer)
        for listener in balancing.ex_list_listeners(balancer.id):
            yield Thing("listener", name, listener.id, {"port": listener.port})


def _scaling(scaling: AutoScalingDriver, topology: str) -> Iterator[Thing]:
    for group in scaling.list_auto_scale_groups(ex_tags={OWNER: topology}):
        name = group.tags[NAME]
        sizes = tuple(member.size for member in group.members)
        yield Thing("group", name, group.name, _group_values(group), sizes, group)
        for hook in scaling.ex_list_hooks(group.name):
            yield Thing("hook", f"{name}/{hook.name}", hook.name, hook_values(hook), extra=group.name)
        for (_, key), action in scaling.ex_list_scheduled_actions(group.name).items():
            values = {"min": action.min_size, "desired": action.desired, "start": action.start}
            yield Thing("action", f"{name}/{key}", key, values, extra=group.name)


def _group_values(group: AutoScaleGroup) -> dict[str, Any]:
    """Its minimum as declared (a tag): the real one, like the desired number, is the scheduled actions' to set."""
    subnets = (group.extra.get("VPCZoneIdentifier") or "").split(",")
    mix = group.extra.get("MixedInstancesPolicy") or {}
    share = (mix.get("InstancesDistribution") or {}).get("OnDemandPercentageAboveBaseCapacity", "100")
    overrides = (mix.get("LaunchTemplate") or {}).get("Overrides") or []
    return {
        "min": int(group.tags.get(LEAST, group.min_size)),
        "max": group.max_size,
        "subnets": tuple(subnet for subnet in subnets if subnet),
        "sizes": tuple(each["InstanceType"] for each in overrides),
        "spot": f"{100 - int(share)}%",
    }


def _machines(ec2: Ec2Driver, topology: str) -> Iterator[Thing]:
    filters = by({f"tag:{OWNER}": topology, "tag-key": [NODE, BAKE], "instance-state-name": _ALIVE})
    answer = ec2.connection.ask("DescribeInstances", Filter=filters)
    for reservation in answer.get("reservationSet") or []:
        for each in reservation["instancesSet"]:
            values = {"size": each["instanceType"], "zone": each["placement"]["availabilityZone"]}
            marks, state = untagged(each["tagSet"], "key", "value"), each["instanceState"]["name"]
            kind, name = ("node", marks[NODE]) if NODE in marks else ("baking", marks[NAME])
            values |= {"version": marks[BAKE]} if kind == "baking" else {}
            yield Thing(kind, name, each["instanceId"], values, (each["instanceType"],), state)


def _images(ec2: Ec2Driver, topology: str) -> Iterator[Thing]:
    """Those that were baked."""
    answer = ec2.connection.ask("DescribeImages", Owner=["self"], Filter=by({f"tag:{OWNER}": topology}))
    for each in answer.get("imagesSet") or []:
        marks = untagged(each.get("tagSet"), "key", "value")
        values = {"group": marks[NAME], "base": marks.get(BASE, ""), "state": each["imageState"]}
        values["made"] = each.get("creationDate") or ""
        disks = [one["ebs"]["snapshotId"] for one in each.get("blockDeviceMapping") or [] if one.get("ebs")]
        yield Thing("image", f"{marks[NAME]}/{marks.get(BAKE, '')}", each["imageId"], values, extra=disks)


def _parameters(parameters: ParametersDriver, topology: str) -> Iterator[Thing]:
    path = names.parameters(topology)
    for each in parameters.list_parameters(path):
        yield Thing("parameter", each.name.removeprefix(path), each.name)


def _roles(services: Aws, topology: str) -> Iterator[Thing]:
    for each in services.iam.list_machine_roles(names.roles(services.ec2.region_name, topology)):
        group, _, digest = each.description.partition(" ")
        yield Thing("role", group, each.name, {"digest": digest})


def _objects(services: Aws, topology: str) -> Iterator[Thing]:
    """The bucket, and the bundles in it that are whole."""
    bucket = names.bucket(topology, services.ec2.region_name, services.account)
    try:
        container = services.storage.get_container(bucket)
        objects = services.storage.list_container_objects(container, prefix=f"{names.BUNDLES}/")
    except ContainerDoesNotExistError:
        return
    yield Thing("bucket", topology, bucket)
    for each in objects:
        _, version, name = each.name.split("/")
        if name == names.SIGNATURE:
            yield Thing("bundle", version, each.name)
