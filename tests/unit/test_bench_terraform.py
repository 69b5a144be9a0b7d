"""The configuration that Terraform is measured with has all that CloudFormation's template has."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

import pytest

from primetime.bench.terraform import configuration
from primetime.cloud import cloudformation
from primetime.cloud.wanted import wanted
from primetime.errors import PrimetimeError
from primetime.topology import load

REFERENCE = re.compile(r"\$\{(aws_\w+)\.(\w+)\.\w+\}")


def production() -> dict[str, dict[str, object]]:
    topology = load("production")
    return cloudformation.template(topology, wanted(topology, datetime(2026, 11, 29, tzinfo=UTC)))


def test_each_resource_has_its_counterpart_and_each_reference_leads_to_one() -> None:
    template = production()
    resources = configuration(template, "eu-central-1", "http://127.0.0.1:1")["resource"]
    assert sorted(name for each in resources.values() for name in each) == sorted(template["Resources"])
    references = REFERENCE.findall(json.dumps(resources))
    assert len(references) > 100
    assert [name for kind, name in references if name not in resources[kind]] == []


def test_a_rule_names_the_group_that_it_lets_in() -> None:
    rules = configuration(production(), "eu-central-1", "http://127.0.0.1:1")["resource"]
    of_redis = rules["aws_vpc_security_group_ingress_rule"]["RuleRedisTcp6379Collector"]
    assert of_redis["referenced_security_group_id"] == "${aws_security_group.SecurityGroupCollector.id}"
    assert (of_redis["from_port"], of_redis["to_port"], of_redis["ip_protocol"]) == (6379, 6379, "tcp")


def test_what_has_no_counterpart_is_an_error_and_not_left_out() -> None:
    template = {"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {}}}}
    with pytest.raises(PrimetimeError, match=r"Queue is a SQS::Queue, which has no counterpart"):
        configuration(template, "eu-central-1", "http://127.0.0.1:1")
