"""What the drivers send and read beyond single verbs (test_aws_actions): pages, mixes, instants, limits."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from primetime.drivers.autoscaling import AutoScalingDriver, LifecycleHook, ScheduledAction, made_of
from primetime.drivers.balancing import BalancingDriver
from primetime.drivers.ec2 import USER_DATA_BYTES, Ec2Driver, LaunchTemplate
from primetime.errors import UsageError
from primetime.paths import REPO
from tests.aws_wire import Wire

GROUP = "production-collector"
EMPTY = (200, '<R xmlns="http://autoscaling.amazonaws.com/doc/2011-01-01/"><ResponseMetadata/></R>')


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def scaling(wire: Wire) -> Any:
    return wire.behind(AutoScalingDriver("key", "secret", region="eu-central-1"))


@pytest.fixture
def balancing(wire: Wire) -> Any:
    return wire.behind(BalancingDriver("key", "secret", region="eu-central-1"))


def test_a_group_is_read_with_its_members_tags_and_what_is_suspended(scaling: Any) -> None:
    first, second = scaling.list_auto_scale_groups()
    member = first.members[0]
    assert (first.min_size, first.max_size, first.desired, first.suspended) == (2, 12, 3, ("AZRebalance",))
    assert (member.state, member.protected, member.version) == ("Terminating:Wait", True, "7")
    assert (first.tags, second.name) == ({"primetime:topology": "production"}, "production-other")


def test_groups_are_asked_for_by_tag(scaling: Any, wire: Wire) -> None:
    scaling.list_auto_scale_groups(ex_tags={"primetime:topology": "production"})
    assert wire.sent[0]["Filters.member.1.Name"] == "tag:primetime:topology"
    assert wire.sent[0]["Filters.member.1.Values.member.1"] == "production"


def test_hooks_are_part_of_the_call_that_makes_a_group(scaling: Any, wire: Wire) -> None:
    wire.first = [EMPTY]
    hook = LifecycleHook("boot", "launching", 600)
    scaling.create_auto_scale_group(GROUP, 2, 12, "lt-1", ["subnet-1", "subnet-2"], tags={"a": "b"}, ex_hooks=[hook])
    sent = wire.sent[0]
    assert sent["LifecycleHookSpecificationList.member.1.LifecycleTransition"] == "autoscaling:EC2_INSTANCE_LAUNCHING"
    assert (sent["VPCZoneIdentifier"], sent["HealthCheckType"]) == ("subnet-1,subnet-2", "EC2")
    assert (sent["Tags.member.1.Key"], sent["Tags.member.1.PropagateAtLaunch"]) == ("a", "true")
    assert "DesiredCapacity" not in sent


def test_a_mix_is_on_demand_up_to_the_minimum_and_spot_by_share_above_it() -> None:
    policy = made_of("lt-1", ["c6i.large", "c5.large"], 0.75, 2)["MixedInstancesPolicy"]
    assert policy["InstancesDistribution"]["OnDemandBaseCapacity"] == 2
    assert policy["InstancesDistribution"]["OnDemandPercentageAboveBaseCapacity"] == 25
    assert [each["InstanceType"] for each in policy["LaunchTemplate"]["Overrides"]] == ["c6i.large", "c5.large"]


def test_one_size_without_spot_is_no_mix() -> None:
    assert made_of("lt-1", ["c6i.large"], 0, 2) == {
        "LaunchTemplate": {"LaunchTemplateId": "lt-1", "Version": "$Latest"}
    }


def test_a_scheduled_action_s_instant_is_sent_in_utc_and_read_back(scaling: Any, wire: Wire) -> None:
    start = datetime(2026, 11, 28, 20, 5, tzinfo=ZoneInfo("Europe/Berlin"))
    wire.first = [EMPTY]
    action = ScheduledAction("quiz-20261128-out", min_size=6, desired=6, start=start)
    scaling.ex_put_scheduled_action(GROUP, action)
    assert wire.sent[0]["StartTime"] == "2026-11-28T19:05:00Z"
    assert scaling.ex_list_scheduled_actions() == {(GROUP, action.name): action}
    assert scaling.ex_list_scheduled_actions()[GROUP, action.name].start == start.astimezone(UTC)


def test_the_last_activities_are_one_page(scaling: Any, wire: Wire) -> None:
    assert "sufficient c6i.large capacity" in scaling.ex_list_activities(GROUP, 1)[0]["StatusMessage"]
    assert len(wire.sent) == 1


def test_target_groups_have_every_page(balancing: Any) -> None:
    assert [(each.name, each.balancers) for each in balancing.ex_list_target_groups()] == [
        ("one", ("arn:lb-1",)),
        ("two", ()),
    ]


def test_a_template_s_next_version_has_a_number(wire: Wire) -> None:
    ec2 = wire.behind(Ec2Driver("key", "secret", region="eu-central-1"))
    template = LaunchTemplate("lt-01238c059e3466abc", GROUP, 1)
    assert ec2.ex_create_launch_template_version(template, {"UserData": "#cloud-config"}) == 2
    assert wire.sent[0]["LaunchTemplateData.UserData"] == "I2Nsb3VkLWNvbmZpZw=="


def test_user_data_that_ec2_would_refuse_is_refused_here(wire: Wire) -> None:
    ec2 = wire.behind(Ec2Driver("key", "secret", region="eu-central-1"))
    with pytest.raises(UsageError, match="user-data of 16385 bytes: EC2 takes 16384"):
        ec2.ex_create_launch_template("n", {"UserData": "x" * (USER_DATA_BYTES + 1)})
    assert wire.sent == []


def test_a_plan_brings_no_paramiko_in_and_leaves_it_to_others() -> None:
    said = "import sys, primetime.cloud.machines; print('paramiko' in sys.modules); import paramiko; paramiko.SSHClient"
    done = subprocess.run([sys.executable, "-c", said], cwd=REPO, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("False\n", "")
