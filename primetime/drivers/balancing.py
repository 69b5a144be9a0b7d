"""Amazon's network load balancer: balancers, target groups, listeners, what is healthy, what is leaving.

libcloud's own driver speaks of application load balancers only. Called by primetime.cloud.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from libcloud.common.base import BaseDriver

from primetime.drivers.aws import wire
from primetime.drivers.aws.connection import AwsConnection, AwsDriver


class BalancingConnection(AwsConnection):
    service_name = "elasticloadbalancing"
    version = "2015-12-01"


@dataclass(frozen=True)
class NetworkBalancer:
    """A balancer; `id` is its ARN, `address` the name that clients connect to."""

    id: str
    name: str
    address: str
    state: str  # provisioning, active, failed
    network: str


@dataclass(frozen=True)
class TargetGroup:
    """Where a listener sends to; `id` is its ARN, `balancers` the ARNs of those that use it."""

    id: str
    name: str
    port: int
    health_port: str
    health_path: str
    balancers: tuple[str, ...]


@dataclass(frozen=True)
class Listener:
    """A port of a balancer, and the target group that it sends to."""

    id: str
    port: int
    protocol: str
    target_group: str


class BalancingDriver(AwsDriver, BaseDriver):  # type: ignore[misc]
    """Network load balancers of a region. Credentials are found (environment, profile, role) unless a key is given."""

    name = "Amazon Network Load Balancing"
    website = "https://aws.amazon.com/elasticloadbalancing/"
    connectionCls = BalancingConnection
    service = "elasticloadbalancing"

    def list_balancers(self) -> list[NetworkBalancer]:
        """Network load balancers only."""
        found = self._ask("DescribeLoadBalancers")
        return [_balancer(each) for each in found.get("LoadBalancers") or [] if each["Type"] == "network"]

    def create_balancer(
        self, name: str, subnets: Sequence[str], internal: bool = False, tags: Mapping[str, str] | None = None
    ) -> NetworkBalancer:
        """The same again, with the same values, answers the one that is there. AlreadyThere with others."""
        made = self._ask(
            "CreateLoadBalancer",
            Name=name,
            Type="network",
            Scheme="internal" if internal else "internet-facing",
            Subnets=subnets,
            Tags=wire.tags(tags or {}),
        )
        return _balancer(made["LoadBalancers"][0])

    def destroy_balancer(self, balancer: str) -> None:
        """With its listeners; one that is gone is no error to AWS."""
        self._ask("DeleteLoadBalancer", LoadBalancerArn=balancer)

    def ex_spread_over_zones(self, balancer: str, spread: bool) -> None:
        """Whether a zone's address sends to every zone's targets."""
        attribute = {"Key": "load_balancing.cross_zone.enabled", "Value": "true" if spread else "false"}
        self._ask("ModifyLoadBalancerAttributes", LoadBalancerArn=balancer, Attributes=[attribute])

    def ex_list_target_groups(self) -> list[TargetGroup]:
        found = self._ask("DescribeTargetGroups")
        return [_target_group(each) for each in found.get("TargetGroups") or []]

    def ex_create_target_group(
        self, name: str, network: str, port: int, health_path: str, tags: Mapping[str, str] | None = None
    ) -> TargetGroup:
        """Instances by TCP on `port`, asked by HTTP on the same one whether they take traffic, every 10 s."""
        made = self._ask(
            "CreateTargetGroup",
            Name=name,
            VpcId=network,
            Protocol="TCP",
            Port=port,
            TargetType="instance",
            HealthCheckProtocol="HTTP",
            HealthCheckPort="traffic-port",
            HealthCheckPath=health_path,
            HealthCheckIntervalSeconds=10,
            HealthyThresholdCount=2,
            UnhealthyThresholdCount=2,
            Tags=wire.tags(tags or {}),
        )
        return _target_group(made["TargetGroups"][0])

    def ex_delete_target_group(self, target_group: str) -> None:
        """InUse while a listener sends to it; one that is gone is no error to AWS."""
        self._ask("DeleteTargetGroup", TargetGroupArn=target_group)

    def ex_set_drain_seconds(self, target_group: str, seconds: int) -> None:
        """How long connections of a target that leaves may go on."""
        attribute = {"Key": "deregistration_delay.timeout_seconds", "Value": str(seconds)}
        self._ask("ModifyTargetGroupAttributes", TargetGroupArn=target_group, Attributes=[attribute])

    def ex_list_listeners(self, balancer: str) -> list[Listener]:
        found = self._ask("DescribeListeners", LoadBalancerArn=balancer)
        return [_listener(each) for each in found.get("Listeners") or []]

    def ex_create_listener(
        self, balancer: str, port: int, target_group: str, tags: Mapping[str, str] | None = None
    ) -> Listener:
        """TCP on a port of a balancer. AlreadyThere when another listens there."""
        made = self._ask(
            "CreateListener",
            LoadBalancerArn=balancer,
            Protocol="TCP",
            Port=port,
            DefaultActions=[{"Type": "forward", "TargetGroupArn": target_group}],
            Tags=wire.tags(tags or {}),
        )
        return _listener(made["Listeners"][0])

    def ex_delete_listener(self, listener: str) -> None:
        self._ask("DeleteListener", ListenerArn=listener)

    def ex_target_health(self, target_group: str) -> dict[str, str]:
        """Instance → healthy, unhealthy, initial, draining, unused."""
        found = self._ask("DescribeTargetHealth", TargetGroupArn=target_group)
        return {
            each["Target"]["Id"]: each["TargetHealth"]["State"] for each in found.get("TargetHealthDescriptions") or []
        }

    def ex_deregister(self, target_group: str, targets: Sequence[str]) -> None:
        """Take instances out: new connections go elsewhere, open ones may end within the drain time."""
        self._ask("DeregisterTargets", TargetGroupArn=target_group, Targets=[{"Id": target} for target in targets])

    def ex_tags(self, resources: Sequence[str]) -> dict[str, dict[str, str]]:
        """ARN → tags; AWS takes twenty at a time."""
        found: dict[str, dict[str, str]] = {}
        for first in range(0, len(resources), 20):
            answer = self._ask("DescribeTags", ResourceArns=resources[first : first + 20])
            found |= {each["ResourceArn"]: wire.untagged(each.get("Tags")) for each in answer["TagDescriptions"]}
        return found

    def _ask(self, action: str, **values: Any) -> Any:
        return self.connection.ask(action, **values)


def _balancer(plain: Mapping[str, Any]) -> NetworkBalancer:
    return NetworkBalancer(
        id=plain["LoadBalancerArn"],
        name=plain["LoadBalancerName"],
        address=plain.get("DNSName") or "",
        state=(plain.get("State") or {}).get("Code") or "",
        network=plain.get("VpcId") or "",
    )


def _target_group(plain: Mapping[str, Any]) -> TargetGroup:
    return TargetGroup(
        id=plain["TargetGroupArn"],
        name=plain["TargetGroupName"],
        port=int(plain["Port"]),
        health_port=plain.get("HealthCheckPort") or "",
        health_path=plain.get("HealthCheckPath") or "",
        balancers=tuple(plain.get("LoadBalancerArns") or ()),
    )


def _listener(plain: Mapping[str, Any]) -> Listener:
    action = (plain.get("DefaultActions") or [{}])[0]
    return Listener(plain["ListenerArn"], int(plain["Port"]), plain["Protocol"], action.get("TargetGroupArn") or "")
