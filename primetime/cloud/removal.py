"""Removing all that a topology has on EC2, in the order in which AWS lets it go. Called by machines."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from libcloud.storage.types import ContainerDoesNotExistError

from primetime.cloud.found import Aws, Thing
from primetime.cloud.wanted import Key
from primetime.drivers.aws.errors import InUse, NotThere
from primetime.errors import PrimetimeError

Progress = Callable[[str], None]
ORDER = (
    *("action", "hook", "group", "baking", "node", "listener", "balancer", "target-group", "template", "image"),
    *("rules", "security-group", "routes", "gateway", "subnet", "network"),
    *("role", "parameter", "bucket"),
)
DEADLINE_S = 600.0  # an instance's end takes a minute or two, a balancer's addresses several
_WITH_GROUP = ("action", "hook")  # they go with their group


class Remover:
    """Removes things; each call says how it shall be, so it may be made again."""

    def __init__(self, services: Aws, progress: Progress, deadline_s: float = DEADLINE_S) -> None:
        self.aws, self.progress = services, progress
        self.until = time.monotonic() + deadline_s

    def all(self, found: Mapping[Key, Thing]) -> None:
        """Everything; PrimetimeError with what still holds a thing when the deadline has passed."""
        for kind in ORDER:
            things = [thing for thing in found.values() if thing.kind == kind]
            for thing in things:
                if kind not in _WITH_GROUP:
                    self.progress(f"remove {kind} {thing.name}")
                    self._until_gone(thing)
            if kind == "node":
                self._await_end(things, found)

    def _until_gone(self, thing: Thing) -> None:
        remove = getattr(self, f"_{thing.kind.replace('-', '_')}")
        while True:
            try:
                with contextlib.suppress(NotThere):
                    remove(thing)
                return
            except InUse as error:
                self._wait(f"{thing.kind} {thing.name} is still in use ({error.refusal.message})")

    def _await_end(self, nodes: Iterable[Thing], found: Mapping[Key, Thing]) -> None:
        """Until groups are gone and no instance of the network lives: their interfaces hold all that follows."""
        groups = [thing.id for thing in found.values() if thing.kind == "group"]
        while groups and (left := self.aws.scaling.list_auto_scale_groups(groups)):
            self._wait(f"groups {', '.join(each.name for each in left)} are still there")
        networks = [thing.id for thing in found.values() if thing.kind == "network"]
        states = ["pending", "running", "shutting-down", "stopping", "stopped"]
        filters = [{"Name": "vpc-id", "Value": networks}, {"Name": "instance-state-name", "Value": states}]
        while networks and (answer := self._ask("DescribeInstances", Filter=filters).get("reservationSet")):
            ids = [each["instanceId"] for one in answer for each in one["instancesSet"]]
            self._wait(f"instances {', '.join(ids)} are still there")

    def _wait(self, why: str) -> None:
        if time.monotonic() > self.until:
            raise PrimetimeError(f"down waited long enough: {why}: see the console, then repeat the command")
        self.progress(f"waiting: {why}")
        time.sleep(2)

    def _ask(self, action: str, **values: Any) -> Any:
        return self.aws.ec2.connection.ask(action, **values)

    def _group(self, thing: Thing) -> None:
        self.aws.scaling.delete_auto_scale_group(thing.id, force=True)

    def _node(self, thing: Thing) -> None:
        self._ask("TerminateInstances", InstanceId=[thing.id])

    _baking = _node

    def _image(self, thing: Thing) -> None:
        self._ask("DeregisterImage", ImageId=thing.id)

    def _listener(self, thing: Thing) -> None:
        self.aws.balancing.ex_delete_listener(thing.id)

    def _balancer(self, thing: Thing) -> None:
        self.aws.balancing.destroy_balancer(thing.id)

    def _target_group(self, thing: Thing) -> None:
        self.aws.balancing.ex_delete_target_group(thing.id)

    def _template(self, thing: Thing) -> None:
        self.aws.ec2.ex_delete_launch_template(thing.extra)

    def _rules(self, thing: Thing) -> None:
        """First of all groups', for they name each other."""
        answer = self._ask("DescribeSecurityGroups", GroupId=[thing.id])
        permissions = [_again(each) for each in answer["securityGroupInfo"][0].get("ipPermissions") or []]
        if permissions:
            self._ask("RevokeSecurityGroupIngress", GroupId=thing.id, IpPermissions=permissions)

    def _security_group(self, thing: Thing) -> None:
        self._ask("DeleteSecurityGroup", GroupId=thing.id)

    def _routes(self, thing: Thing) -> None:
        for association in thing.extra.values():
            with contextlib.suppress(NotThere):
                self._ask("DisassociateRouteTable", AssociationId=association)
        self._ask("DeleteRouteTable", RouteTableId=thing.id)

    def _gateway(self, thing: Thing) -> None:
        for network in thing.extra:
            with contextlib.suppress(NotThere):
                self._ask("DetachInternetGateway", InternetGatewayId=thing.id, VpcId=network)
        self._ask("DeleteInternetGateway", InternetGatewayId=thing.id)

    def _subnet(self, thing: Thing) -> None:
        self._ask("DeleteSubnet", SubnetId=thing.id)

    def _network(self, thing: Thing) -> None:
        self._ask("DeleteVpc", VpcId=thing.id)

    def _role(self, thing: Thing) -> None:
        self.aws.iam.delete_machine_role(thing.id)

    def _parameter(self, thing: Thing) -> None:
        self.aws.parameters.delete_parameters([thing.id])

    def _bucket(self, thing: Thing) -> None:
        """With all that is in it: bundles, and what machines wrote."""
        storage = self.aws.storage
        with contextlib.suppress(ContainerDoesNotExistError):
            container = storage.get_container(thing.id)
            for each in storage.list_container_objects(container):
                storage.delete_object(each)
            storage.delete_container(container)


def _again(permission: Mapping[str, Any]) -> dict[str, Any]:
    """A permission as it is described, in the words that revoke it."""
    return {
        "IpProtocol": permission["ipProtocol"],
        "FromPort": permission.get("fromPort"),
        "ToPort": permission.get("toPort"),
        "Groups": [{"GroupId": each["groupId"]} for each in permission.get("groups") or []],
        "IpRanges": [{"CidrIp": each["cidrIp"]} for each in permission.get("ipRanges") or []],
    }
