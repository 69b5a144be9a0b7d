"""The same cluster as a CloudFormation template: from the same resources that `up` makes. Called by `export`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from primetime.cloud.found import NODE
from primetime.cloud.wanted import ANY, CONFIGURE, DRAIN, Resource, cloud_of, owned
from primetime.drivers.autoscaling import made_of
from primetime.guard.marks import LEAST
from primetime.topology import Topology

Json = dict[str, Any]


def template(topology: Topology, resources: Iterable[Resource]) -> Json:
    """A template of what `wanted` declares. Scheduled actions are instants, as `up` would put them today.

    Without what machines configure themselves from: CloudFormation makes no SecureString, and signs no bundle. So there
    is no launch hook either, since nobody would complete it.
    """
    every: dict[str, Json] = {}
    for resource in resources:
        if exported(resource):
            make = _MAKERS[resource.kind]
            every |= make(topology, resource)
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"primetime: {topology.name}",
        "Resources": every,
    }


def exported(resource: Resource) -> bool:
    """Whether it is in the template."""
    return resource.kind not in LEFT_OUT and not resource.name.endswith(f"/{CONFIGURE}")


def _logical(kind: str, name: str) -> str:
    return "".join(part.capitalize() for part in re.split(r"[^a-z0-9A-Z]+", f"{kind}-{name}"))


def _ref(kind: str, name: str) -> Json:
    return {"Ref": _logical(kind, name)}


def _of(kind: str, name: str, attribute: str) -> Json:
    return {"Fn::GetAtt": [_logical(kind, name), attribute]}


def _tags(topology: Topology, name: str, **more: str) -> list[Json]:
    return [{"Key": key, "Value": value} for key, value in {**owned(topology, name), **more}.items()]


def _one(resource: Resource, kind: str, properties: Json, **more: Any) -> dict[str, Json]:
    return {_logical(resource.kind, resource.name): {"Type": f"AWS::{kind}", "Properties": properties, **more}}


def _network(topology: Topology, resource: Resource) -> dict[str, Json]:
    return _one(resource, "EC2::VPC", {"CidrBlock": resource.values["cidr"], "Tags": _tags(topology, resource.name)})


def _gateway(topology: Topology, resource: Resource) -> dict[str, Json]:
    attachment = {
        "InternetGatewayId": _ref("gateway", resource.name),
        "VpcId": _ref("network", topology.name),
    }
    return {
        **_one(resource, "EC2::InternetGateway", {"Tags": _tags(topology, resource.name)}),
        _logical("attachment", resource.name): {"Type": "AWS::EC2::VPCGatewayAttachment", "Properties": attachment},
    }


def _subnet(topology: Topology, resource: Resource) -> dict[str, Json]:
    properties = {
        "VpcId": _ref("network", topology.name),
        "CidrBlock": resource.values["cidr"],
        "AvailabilityZone": resource.name,
        "MapPublicIpOnLaunch": True,
        "Tags": _tags(topology, resource.name),
    }
    return _one(resource, "EC2::Subnet", properties)


def _routes(topology: Topology, resource: Resource) -> dict[str, Json]:
    table = _ref("routes", resource.name)
    every = _one(
        resource,
        "EC2::RouteTable",
        {"VpcId": _ref("network", topology.name), "Tags": _tags(topology, resource.name)},
    )
    every[_logical("default-route", resource.name)] = {
        "Type": "AWS::EC2::Route",
        "DependsOn": _logical("attachment", topology.name),
        "Properties": {
            "RouteTableId": table,
            "DestinationCidrBlock": ANY,
            "GatewayId": _ref("gateway", topology.name),
        },
    }
    for zone in resource.values["zones"]:
        every[_logical("association", zone)] = {
            "Type": "AWS::EC2::SubnetRouteTableAssociation",
            "Properties": {"RouteTableId": table, "SubnetId": _ref("subnet", zone)},
        }
    return every


def _security_group(topology: Topology, resource: Resource) -> dict[str, Json]:
    properties = {
        "GroupName": f"{topology.name}-{resource.name}",
        "GroupDescription": f"primetime {topology.name} {resource.name}",
        "VpcId": _ref("network", topology.name),
        "Tags": _tags(topology, resource.name),
    }
    return _one(resource, "EC2::SecurityGroup", properties)


def _rules(topology: Topology, resource: Resource) -> dict[str, Json]:
    """Each by itself: groups name each other."""
    groups = {group.name for group in cloud_of(topology).groups}
    every: dict[str, Json] = {}
    for transport, port, source in resource.values["rules"]:
        whom: Json = (
            {"SourceSecurityGroupId": _of("security-group", source, "GroupId")}
            if source in groups
            else {"CidrIp": source}
        )
        every[_logical("rule", f"{resource.name}-{transport}-{port}-{source}")] = {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {
                "GroupId": _of("security-group", resource.name, "GroupId"),
                "IpProtocol": transport,
                "FromPort": port,
                "ToPort": port,
                **whom,
            },
        }
    return every


def _template(topology: Topology, resource: Resource) -> dict[str, Json]:
    """EC2's request calls lists by their element, CloudFormation by all of them."""
    details = resource.details
    volumes = [{"ResourceType": each["ResourceType"], "Tags": each["Tag"]} for each in details["TagSpecification"]]
    data = {
        "ImageId": details["ImageId"],
        "InstanceType": details["InstanceType"],
        "MetadataOptions": details["MetadataOptions"],
        "BlockDeviceMappings": details["BlockDeviceMapping"],
        "TagSpecifications": volumes,
        "SecurityGroupIds": [_of("security-group", resource.name, "GroupId")],
    }
    marks = [{"ResourceType": "launch-template", "Tags": _tags(topology, resource.name)}]
    properties = {
        "LaunchTemplateName": f"{topology.name}-{resource.name}",
        "LaunchTemplateData": data,
        "TagSpecifications": marks,
    }
    return _one(resource, "EC2::LaunchTemplate", properties)


def _target_group(topology: Topology, resource: Resource) -> dict[str, Json]:
    properties = {
        "Name": f"{topology.name}-{resource.name}",
        "VpcId": _ref("network", topology.name),
        "Protocol": "TCP",
        "Port": resource.values["port"],
        "TargetType": "instance",
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckPath": resource.values["health"],
        "HealthCheckIntervalSeconds": 10,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
        "Tags": _tags(topology, resource.name),
    }
    return _one(resource, "ElasticLoadBalancingV2::TargetGroup", properties)


def _balancer(topology: Topology, resource: Resource) -> dict[str, Json]:
    properties = {
        "Name": f"{topology.name}-{resource.name}",
        "Type": "network",
        "Scheme": "internet-facing",
        "Subnets": [_ref("subnet", zone) for zone in cloud_of(topology).zones],
        "Tags": _tags(topology, resource.name),
    }
    return _one(resource, "ElasticLoadBalancingV2::LoadBalancer", properties)


def _listener(topology: Topology, resource: Resource) -> dict[str, Json]:
    properties = {
        "LoadBalancerArn": _ref("balancer", resource.name),
        "Protocol": "TCP",
        "Port": resource.values["port"],
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": _ref("target-group", resource.name)}],
    }
    return _one(resource, "ElasticLoadBalancingV2::Listener", properties)


def _group(topology: Topology, resource: Resource) -> dict[str, Json]:
    values = resource.values
    made = made_of("TEMPLATE", values["sizes"], resource.details["spot_share"], values["min"])
    marks = [
        {**tag, "PropagateAtLaunch": True} for tag in _tags(topology, resource.name, **{LEAST: str(values["min"])})
    ]
    properties = {
        "AutoScalingGroupName": f"{topology.name}-{resource.name}",
        "MinSize": str(values["min"]),
        "MaxSize": str(values["max"]),
        "VPCZoneIdentifier": [_ref("subnet", zone) for zone in cloud_of(topology).zones],
        "HealthCheckType": "EC2",
        "Tags": marks,
        **_with_template(made, resource.name),
    }
    if resource.details["balanced"]:
        properties["TargetGroupARNs"] = [_ref("target-group", resource.name)]
    return _one(resource, "AutoScaling::AutoScalingGroup", properties)


def _with_template(made: Any, name: str) -> Any:
    """`made_of`'s answer with references in place of an id; `$Latest` is an attribute here."""
    if isinstance(made, list):
        return [_with_template(each, name) for each in made]
    if not isinstance(made, dict):
        return made
    if "LaunchTemplateId" in made:
        return {"LaunchTemplateId": _ref("template", name), "Version": _of("template", name, "LatestVersionNumber")}
    return {key: _with_template(value, name) for key, value in made.items()}


def _hook(topology: Topology, resource: Resource) -> dict[str, Json]:
    wire = DRAIN.wire
    properties = {**wire, "AutoScalingGroupName": _ref("group", resource.name.partition("/")[0])}
    return _one(resource, "AutoScaling::LifecycleHook", properties)


def _action(topology: Topology, resource: Resource) -> dict[str, Json]:
    values = resource.values
    properties = {
        "AutoScalingGroupName": _ref("group", resource.name.partition("/")[0]),
        "MinSize": values["min"],
        "DesiredCapacity": values["desired"],
        "StartTime": f"{values['start']:%Y-%m-%dT%H:%M:%SZ}",
    }
    return _one(resource, "AutoScaling::ScheduledAction", properties)


def _node(topology: Topology, resource: Resource) -> dict[str, Json]:
    group = resource.details["group"]
    properties = {
        "ImageId": topology.image,
        "InstanceType": resource.values["size"],
        "LaunchTemplate": {
            "LaunchTemplateId": _ref("template", group),
            "Version": _of("template", group, "LatestVersionNumber"),
        },
        "SubnetId": _ref("subnet", resource.values["zone"]),
        "Tags": _tags(topology, resource.name, **{NODE: resource.name}),
    }
    return _one(resource, "EC2::Instance", properties)


LEFT_OUT = ("bucket", "bundle", "parameter", "role", "addresses", "baking", "image")
_MAKERS = {
    "network": _network,
    "gateway": _gateway,
    "subnet": _subnet,
    "routes": _routes,
    "security-group": _security_group,
    "rules": _rules,
    "template": _template,
    "target-group": _target_group,
    "balancer": _balancer,
    "listener": _listener,
    "group": _group,
    "hook": _hook,
    "action": _action,
    "node": _node,
}
