"""CloudFormation's template and `up` make the same cluster: an outside reader, boto3, describes both as moto has them.

Of a template moto makes no network balancer and no hook, and leaves out that subnets give public addresses, which table
they have, a machine's security groups where its launch template says them, and tags of routes and gateways.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import boto3
import pytest

from primetime.cloud import machines
from primetime.cloud.cloudformation import template
from primetime.cloud.wanted import wanted
from primetime.topology import Topology, parse
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401
from tests.unit.test_cloud_plan import QUIET
from tests.wire.test_cloud import quiet, small_bundle  # noqa: F401

pytestmark = pytest.mark.long

EVENING = parse(QUIET, "evening.yml")
MIXED = parse(QUIET.replace("size: c6i.large", "size: [c6i.large, c5.large], spot_share: 0.5"), "evening.yml")
NOT_MADE = ("AWS::ElasticLoadBalancingV2::LoadBalancer", "AWS::ElasticLoadBalancingV2::Listener")
ONLY_UP = ("UserData", "IamInstanceProfile")  # of a launch template: what a machine configures itself from
OWNED = {"primetime:topology", "primetime:name", "primetime:node", "primetime:min", "Name"}


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of moto's parser of templates, what it imports for API Gateway alone, which nobody here asks."""
    name = "openapi_spec_validator"
    for each in (name, f"{name}.validation", f"{name}.validation.exceptions"):
        monkeypatch.setitem(sys.modules, each, ModuleType(each))
    monkeypatch.setattr(sys.modules[name], "validate_spec", None, raising=False)
    monkeypatch.setattr(
        sys.modules[f"{name}.validation.exceptions"], "OpenAPIValidationError", ValueError, raising=False
    )


class Reader:
    """What is there, by names and not by ids."""

    def __init__(self, aws: Moto) -> None:
        self._aws = aws
        self.ec2, self.scaling = self.client("ec2"), self.client("autoscaling")
        [self.network] = self.ec2.describe_vpcs(Filters=[{"Name": "tag:primetime:topology", "Values": ["*"]}])["Vpcs"]
        self._here = [{"Name": "vpc-id", "Values": [self.network["VpcId"]]}]
        subnets = self.ec2.describe_subnets(Filters=self._here)["Subnets"]
        self.subnets = {each["SubnetId"]: each for each in subnets}
        self.security = {
            each["GroupId"]: each
            for each in self.ec2.describe_security_groups(Filters=self._here)["SecurityGroups"]
            if each["GroupName"] != "default"
        }
        self.templates = {
            each["LaunchTemplateId"]: each["LaunchTemplateName"]
            for each in self.ec2.describe_launch_templates()["LaunchTemplates"]
        }

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=self._aws.url)

    def all(self) -> dict[str, Any]:
        return {
            "network": (self.network["CidrBlock"], owned(self.network["Tags"])),
            "subnets": {
                each["AvailabilityZone"]: (each["CidrBlock"], owned(each["Tags"])) for each in self.subnets.values()
            },
            "gateways": len(
                self.ec2.describe_internet_gateways(
                    Filters=[{"Name": "attachment.vpc-id", "Values": [self.network["VpcId"]]}]
                )["InternetGateways"]
            ),
            "routes": sorted(self._routes()),
            "security": {
                each["GroupName"]: (sorted(self._rules(each)), each["Description"], owned(each["Tags"]))
                for each in self.security.values()
            },
            "templates": {name: self._template(id) for id, name in self.templates.items()},
            "targets": dict(self._targets()),
            "groups": {each["AutoScalingGroupName"]: self._group(each) for each in self._groups()},
            "actions": sorted(
                (each["AutoScalingGroupName"], str(each["StartTime"]), each["MinSize"], each["DesiredCapacity"])
                for each in self.scaling.describe_scheduled_actions()["ScheduledUpdateGroupActions"]
            ),
            "nodes": sorted(self._nodes()),
        }

    def _groups(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.scaling.describe_auto_scaling_groups()["AutoScalingGroups"]
        return found

    def _routes(self) -> Iterator[tuple[str, str]]:
        """(destination, what kind of gateway it leads to) of the table beside the network's own."""
        for table in self.ec2.describe_route_tables(Filters=self._here)["RouteTables"]:
            if not any(each["Main"] for each in table["Associations"]):
                for each in table["Routes"]:
                    yield each["DestinationCidrBlock"], each["GatewayId"].partition("-")[0]

    def _rules(self, group: dict[str, Any]) -> Iterator[tuple[str, int, int, str]]:
        for rule in group["IpPermissions"]:
            sources = [each["CidrIp"] for each in rule["IpRanges"]]
            sources += [self.security[each["GroupId"]]["GroupName"] for each in rule["UserIdGroupPairs"]]
            for source in sources:
                yield rule["IpProtocol"], rule["FromPort"], rule["ToPort"], source

    def _template(self, id: str) -> dict[str, Any]:
        [version] = self.ec2.describe_launch_template_versions(LaunchTemplateId=id, Versions=["$Latest"])[
            "LaunchTemplateVersions"
        ]
        data = {key: value for key, value in version["LaunchTemplateData"].items() if key not in ONLY_UP}
        data["TagSpecifications"] = [each for each in data["TagSpecifications"] if each["ResourceType"] == "volume"]
        data["SecurityGroupIds"] = [self.security[each]["GroupName"] for each in data["SecurityGroupIds"]]
        return data

    def _targets(self) -> Iterator[tuple[str, Any]]:
        for each in self.client("elbv2").describe_target_groups()["TargetGroups"]:
            left_out = ("TargetGroupArn", "TargetGroupName", "VpcId", "LoadBalancerArns")
            yield each["TargetGroupName"], {key: value for key, value in each.items() if key not in left_out}

    def _group(self, group: dict[str, Any]) -> dict[str, Any]:
        # CloudFormation takes the number in place of $Latest, and there is one version
        made_of = {key: group.get(key) or {} for key in ("LaunchTemplate", "MixedInstancesPolicy")}
        told = json.dumps(made_of).replace('"$Latest"', '"1"')
        for id, name in self.templates.items():
            told = told.replace(id, name)
        return {
            **{key: group[key] for key in ("MinSize", "MaxSize", "HealthCheckType")},
            "made_of": told,
            "zones": sorted(self.subnets[each]["AvailabilityZone"] for each in group["VPCZoneIdentifier"].split(",")),
            "targets": [each.rpartition("/")[0].rpartition("/")[2] for each in group["TargetGroupARNs"]],
            "tags": owned(group["Tags"]),
            "members": sorted(each["InstanceType"] for each in group["Instances"]),
        }

    def _nodes(self) -> Iterator[tuple[str, ...]]:
        named = [
            {"Name": "tag:primetime:node", "Values": ["*"]},
            {"Name": "instance-state-name", "Values": ["running"]},
        ]
        for one in self.ec2.describe_instances(Filters=named)["Reservations"]:
            for each in one["Instances"]:
                zone = self.subnets[each["SubnetId"]]["AvailabilityZone"]
                yield str(owned(each["Tags"])), each["InstanceType"], each["ImageId"], zone


def owned(tags: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return sorted((each["Key"], each["Value"]) for each in tags if each["Key"] in OWNED)


@pytest.mark.parametrize("topology", [EVENING, MIXED], ids=["one size", "mixed sizes and spot"])
def test_the_template_makes_what_up_makes(
    topology: Topology,
    moto: Moto,  # noqa: F811
    small_bundle: None,  # noqa: F811
    modules: None,
) -> None:
    machines.up(machines.services(topology), topology, quiet)
    by_up = Reader(moto).all()
    moto.reset()
    made = template(topology, wanted(topology, datetime.now(UTC)))
    made["Resources"] = {name: each for name, each in made["Resources"].items() if each["Type"] not in NOT_MADE}
    stacks = boto3.client("cloudformation", region_name=REGION, endpoint_url=moto.url)
    stacks.create_stack(StackName=topology.name, TemplateBody=json.dumps(made))
    by_template = Reader(moto).all()
    differing = {what: (by_template[what], by_up[what]) for what in by_up if by_template[what] != by_up[what]}
    assert differing == {}
