"""The exported template declares what `up` makes: every reference leads somewhere, every resource is owned."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from primetime.cloud.cloudformation import LEFT_OUT, exported, template
from primetime.cloud.wanted import KINDS, OWNER, Resource, wanted
from primetime.topology import parse
from tests.unit.test_cloud_plan import TEXT

NOW = datetime(2026, 11, 25, tzinfo=UTC)
EVENING = parse(TEXT.replace("size: c6i.large", "size: [c6i.large, c5.large], spot_share: 0.5"), "t.yml")
DECLARED = wanted(EVENING, NOW)
RESOURCES: dict[str, Any] = template(EVENING, DECLARED)["Resources"]


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "Ref" in value:
            yield value["Ref"]
        elif "Fn::GetAtt" in value:
            yield value["Fn::GetAtt"][0]
        for each in value.values():
            yield from references(each)
    elif isinstance(value, list):
        for each in value:
            yield from references(each)


def of_type(kind: str) -> list[dict[str, Any]]:
    return [each["Properties"] for each in RESOURCES.values() if each["Type"] == f"AWS::{kind}"]


def test_every_reference_leads_to_a_resource_of_the_template() -> None:
    depends = {each["DependsOn"] for each in RESOURCES.values() if "DependsOn" in each}
    assert depends | set(references(RESOURCES)) <= RESOURCES.keys()


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in LEFT_OUT])
def test_each_kind_of_resource_has_its_place(kind: str) -> None:
    alone: list[Resource] = [each for each in DECLARED if each.kind == kind and exported(each)]
    assert len(template(EVENING, alone)["Resources"]) >= len(alone) > 0


def test_what_can_be_tagged_is_owned() -> None:
    tagged = [each["Properties"]["Tags"] for each in RESOURCES.values() if "Tags" in each["Properties"]]
    assert len(tagged) > 10
    assert all({"Key": OWNER, "Value": "evening"}.items() <= tags[0].items() for tags in tagged)


def test_a_group_mixes_its_sizes_from_the_template_s_latest_version() -> None:
    [group] = of_type("AutoScaling::AutoScalingGroup")
    mixed = group["MixedInstancesPolicy"]
    assert (group["MinSize"], group["MaxSize"]) == ("2", "12")
    assert mixed["LaunchTemplate"]["LaunchTemplateSpecification"] == {
        "LaunchTemplateId": {"Ref": "TemplateCollector"},
        "Version": {"Fn::GetAtt": ["TemplateCollector", "LatestVersionNumber"]},
    }
    assert mixed["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 50


def test_rules_of_groups_that_name_each_other_stand_by_themselves() -> None:
    rules = of_type("EC2::SecurityGroupIngress")
    assert {"CidrIp", "SourceSecurityGroupId"} <= {key for rule in rules for key in rule}
    assert all("SecurityGroupIngress" not in group for group in of_type("EC2::SecurityGroup"))


def test_a_spool_outlives_its_instance() -> None:
    volumes = [
        each for one in of_type("EC2::LaunchTemplate") for each in one["LaunchTemplateData"]["BlockDeviceMappings"]
    ]
    assert [each["Ebs"]["DeleteOnTermination"] for each in volumes if each["DeviceName"] == "/dev/sdf"] == [False]


def test_a_template_is_json() -> None:
    assert json.loads(json.dumps(template(EVENING, DECLARED)))["Resources"] == RESOURCES
