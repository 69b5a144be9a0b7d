"""Each verb of the drivers: the action that it sends, which AWS's own model knows, and what it makes of the answer.

Answers are files in AWS's form, one for each action; that form is held against the model, too.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from primetime.drivers.autoscaling import (
    AutoScaleMember,
    AutoScalingDriver,
    LifecycleHook,
    ScheduledAction,
    made_of,
)
from primetime.drivers.balancing import BalancingDriver, Listener, NetworkBalancer, TargetGroup
from primetime.drivers.ec2 import Ec2Driver, LaunchTemplate
from primetime.drivers.identity import Account, StsDriver
from primetime.drivers.volumes import Volume, VolumesDriver
from tests.aws_model import answer_problems, request_problems
from tests.aws_wire import FIXTURES, Wire

GROUP = "production-collector"
MEMBERS = ["i-0c1", "i-0c2"]
REFRESH = "08b91cf7-8fa6-48af-b6a6-d227f40f1b9b"
TEMPLATE = LaunchTemplate("lt-1", GROUP, 7, {"primetime:topology": "production"})
HOOK = LifecycleHook("drain", "terminating", 300)
SHOW = ScheduledAction("show", min_size=6, desired=6, start=datetime(2026, 11, 28, 19, 5, tzinfo=UTC))
ADDRESS = "production-collector-1.elb.eu-central-1.amazonaws.com"
LISTENER = Listener("arn:l-1", 80, "TCP", "arn:tg-1")
ATTACHED = int(datetime(2026, 11, 28, 19, 5, tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Verb:
    """A driver's method, called with `given`: the action, some of its parameters, and what it returns."""

    driver: Any
    name: str
    given: tuple[Any, ...]
    action: str
    sent: dict[str, str] = field(default_factory=dict)
    returns: Callable[[Any], bool] = lambda answer: answer is None

    def __str__(self) -> str:
        return f"{self.driver.service}.{self.name}"


def scaling(name: str, given: tuple[Any, ...], action: str, *more: Any) -> Verb:
    return Verb(AutoScalingDriver, name, given, action, *more)


def balancing(name: str, given: tuple[Any, ...], action: str, *more: Any) -> Verb:
    return Verb(BalancingDriver, name, given, action, *more)


def ec2(name: str, given: tuple[Any, ...], action: str, *more: Any) -> Verb:
    return Verb(Ec2Driver, name, given, action, *more)


def volumes(name: str, given: tuple[Any, ...], action: str, *more: Any) -> Verb:
    return Verb(VolumesDriver, name, given, action, *more)


def is_(wanted: Any) -> Callable[[Any], bool]:
    return lambda answer: bool(answer == wanted)


VERBS = [
    scaling(
        "list_auto_scale_groups",
        ([GROUP],),
        "DescribeAutoScalingGroups",
        {"AutoScalingGroupNames.member.1": GROUP},
        lambda found: [each.name for each in found] == [GROUP, "production-other"],
    ),
    scaling(
        "create_auto_scale_group",
        (GROUP, 2, 12, "lt-1", ["subnet-1", "subnet-2"], None, ["arn:tg-1"], {"a": "b"}, [HOOK], ["c6i.large"], 0.5),
        "CreateAutoScalingGroup",
        {
            "TargetGroupARNs.member.1": "arn:tg-1",
            "MixedInstancesPolicy.InstancesDistribution.OnDemandPercentageAboveBaseCapacity": "50",
            "MixedInstancesPolicy.LaunchTemplate.Overrides.member.1.InstanceType": "c6i.large",
        },
    ),
    scaling("delete_auto_scale_group", (GROUP, True), "DeleteAutoScalingGroup", {"ForceDelete": "true"}),
    scaling(
        "ex_tag_auto_scale_group",
        (GROUP, {"primetime:frozen": "ops"}, False),
        "CreateOrUpdateTags",
        {"Tags.member.1.ResourceId": GROUP, "Tags.member.1.PropagateAtLaunch": "false"},
    ),
    scaling(
        "list_auto_scale_group_members",
        (GROUP,),
        "DescribeAutoScalingGroups",
        {},
        lambda found: [each.id for each in found] == ["i-0c1"],
    ),
    scaling(
        "ex_member",
        ("i-0c1",),
        "DescribeAutoScalingInstances",
        {"InstanceIds.member.1": "i-0c1"},
        is_((GROUP, AutoScaleMember("i-0c1", "Pending:Wait", "HEALTHY", "eu-central-1a", False, "", "7"))),
    ),
    scaling("ex_set_desired", (GROUP, 6), "SetDesiredCapacity", {"DesiredCapacity": "6", "HonorCooldown": "false"}),
    scaling(
        "ex_terminate_member",
        ("i-0c1", True),
        "TerminateInstanceInAutoScalingGroup",
        {"ShouldDecrementDesiredCapacity": "true"},
    ),
    scaling(
        "ex_protect_members",
        (GROUP, MEMBERS, True),
        "SetInstanceProtection",
        {"InstanceIds.member.2": "i-0c2", "ProtectedFromScaleIn": "true"},
    ),
    scaling(
        "ex_list_activities",
        (GROUP, 5),
        "DescribeScalingActivities",
        {"MaxRecords": "5"},
        lambda found: found[0]["StatusCode"] == "Failed",
    ),
    scaling("ex_suspend", (GROUP, ["AZRebalance"]), "SuspendProcesses", {"ScalingProcesses.member.1": "AZRebalance"}),
    scaling("ex_resume", (GROUP, ["AZRebalance"]), "ResumeProcesses", {"ScalingProcesses.member.1": "AZRebalance"}),
    scaling(
        "create_auto_scale_policy",
        (GROUP, "cpu", "ASGAverageCPUUtilization", 40),
        "PutScalingPolicy",
        {"PolicyType": "TargetTrackingScaling", "TargetTrackingConfiguration.TargetValue": "40"},
    ),
    scaling(
        "list_auto_scale_policies",
        (GROUP,),
        "DescribePolicies",
        {"AutoScalingGroupName": GROUP},
        lambda found: [(each.name, each.kind) for each in found] == [("cpu", "TargetTrackingScaling")],
    ),
    scaling("delete_auto_scale_policy", (GROUP, "cpu"), "DeletePolicy", {"PolicyName": "cpu"}),
    scaling(
        "ex_put_scheduled_action",
        (GROUP, ScheduledAction("evening", 2, 4, 3, recurrence="5 20 * * 6", time_zone="Europe/Berlin")),
        "PutScheduledUpdateGroupAction",
        {"Recurrence": "5 20 * * 6", "TimeZone": "Europe/Berlin", "MaxSize": "4"},
    ),
    scaling(
        "ex_list_scheduled_actions",
        (GROUP,),
        "DescribeScheduledActions",
        {"AutoScalingGroupName": GROUP},
        lambda found: list(found) == [(GROUP, "quiz-20261128-out")],
    ),
    scaling("ex_delete_scheduled_action", (GROUP, "show"), "DeleteScheduledAction", {"ScheduledActionName": "show"}),
    scaling("ex_put_hook", (GROUP, HOOK), "PutLifecycleHook", {"HeartbeatTimeout": "300", "DefaultResult": "ABANDON"}),
    scaling("ex_list_hooks", (GROUP,), "DescribeLifecycleHooks", {}, is_([HOOK])),
    scaling("ex_delete_hook", (GROUP, "drain"), "DeleteLifecycleHook", {"LifecycleHookName": "drain"}),
    scaling(
        "ex_complete_hook",
        (GROUP, "drain", "i-0c1", True),
        "CompleteLifecycleAction",
        {"LifecycleActionResult": "CONTINUE"},
    ),
    scaling("ex_heartbeat", (GROUP, "drain", "i-0c1"), "RecordLifecycleActionHeartbeat", {"InstanceId": "i-0c1"}),
    scaling("ex_put_warm_pool", (GROUP, 2), "PutWarmPool", {"MinSize": "2", "PoolState": "Stopped"}),
    scaling(
        "ex_warm_pool",
        (GROUP,),
        "DescribeWarmPool",
        {},
        lambda found: found[0]["PoolState"] == "Stopped" and [each.state for each in found[1]] == ["Warmed:Stopped"],
    ),
    scaling("ex_delete_warm_pool", (GROUP, True), "DeleteWarmPool", {"ForceDelete": "true"}),
    scaling(
        "ex_start_refresh",
        (GROUP, 90),
        "StartInstanceRefresh",
        {"Preferences.MinHealthyPercentage": "90", "Preferences.SkipMatching": "true"},
        is_(REFRESH),
    ),
    scaling(
        "ex_list_refreshes",
        (GROUP,),
        "DescribeInstanceRefreshes",
        {},
        lambda found: [(each["InstanceRefreshId"], each["Status"]) for each in found] == [(REFRESH, "InProgress")],
    ),
    scaling("ex_cancel_refresh", (GROUP,), "CancelInstanceRefresh", {"AutoScalingGroupName": GROUP}),
    balancing(
        "list_balancers",
        (),
        "DescribeLoadBalancers",
        {},
        is_([NetworkBalancer("arn:lb-1", GROUP, ADDRESS, "active", "vpc-1")]),
    ),
    balancing(
        "create_balancer",
        (GROUP, ["subnet-1"], True, {"a": "b"}),
        "CreateLoadBalancer",
        {"Type": "network", "Scheme": "internal", "Subnets.member.1": "subnet-1", "Tags.member.1.Key": "a"},
        lambda made: made.state == "provisioning",
    ),
    balancing("destroy_balancer", ("arn:lb-1",), "DeleteLoadBalancer", {"LoadBalancerArn": "arn:lb-1"}),
    balancing(
        "ex_spread_over_zones",
        ("arn:lb-1", True),
        "ModifyLoadBalancerAttributes",
        {"Attributes.member.1.Key": "load_balancing.cross_zone.enabled", "Attributes.member.1.Value": "true"},
    ),
    balancing(
        "ex_list_target_groups",
        (),
        "DescribeTargetGroups",
        {},
        lambda found: [each.name for each in found] == ["one", "two"],
    ),
    balancing(
        "ex_create_target_group",
        (GROUP, "vpc-1", 8080, "/ready", {"a": "b"}),
        "CreateTargetGroup",
        {"HealthCheckProtocol": "HTTP", "HealthCheckPath": "/ready", "HealthCheckIntervalSeconds": "10"},
        is_(TargetGroup("arn:tg-1", GROUP, 8080, "traffic-port", "/ready", ())),
    ),
    balancing("ex_delete_target_group", ("arn:tg-1",), "DeleteTargetGroup", {"TargetGroupArn": "arn:tg-1"}),
    balancing(
        "ex_set_drain_seconds",
        ("arn:tg-1", 30),
        "ModifyTargetGroupAttributes",
        {"Attributes.member.1.Key": "deregistration_delay.timeout_seconds", "Attributes.member.1.Value": "30"},
    ),
    balancing(
        "ex_list_listeners", ("arn:lb-1",), "DescribeListeners", {"LoadBalancerArn": "arn:lb-1"}, is_([LISTENER])
    ),
    balancing(
        "ex_create_listener",
        ("arn:lb-1", 80, "arn:tg-1", {"a": "b"}),
        "CreateListener",
        {"Protocol": "TCP", "DefaultActions.member.1.TargetGroupArn": "arn:tg-1"},
        is_(LISTENER),
    ),
    balancing("ex_delete_listener", ("arn:l-1",), "DeleteListener", {"ListenerArn": "arn:l-1"}),
    balancing(
        "ex_target_health",
        ("arn:tg-1",),
        "DescribeTargetHealth",
        {"TargetGroupArn": "arn:tg-1"},
        is_({"i-0c1": "draining", "i-0c2": "healthy"}),
    ),
    balancing(
        "ex_deregister",
        ("arn:tg-1", MEMBERS),
        "DeregisterTargets",
        {"Targets.member.1.Id": "i-0c1", "Targets.member.2.Id": "i-0c2"},
    ),
    balancing(
        "ex_tags",
        (["arn:lb-1"],),
        "DescribeTags",
        {"ResourceArns.member.1": "arn:lb-1"},
        is_({"arn:lb-1": {"primetime:topology": "production"}}),
    ),
    ec2(
        "ex_create_launch_template",
        (GROUP, {"ImageId": "ami-1"}, {"a": "b"}, "once"),
        "CreateLaunchTemplate",
        {"TagSpecification.1.ResourceType": "launch-template", "ClientToken": "once"},
        lambda made: made.id == "lt-01238c059e3466abc",
    ),
    ec2(
        "ex_create_launch_template_version",
        (TEMPLATE, {"ImageId": "ami-2"}),
        "CreateLaunchTemplateVersion",
        {"LaunchTemplateId": "lt-1", "LaunchTemplateData.ImageId": "ami-2"},
        is_(2),
    ),
    ec2(
        "ex_copy_launch_template_version",
        (TEMPLATE, "5", "ami-1"),
        "CreateLaunchTemplateVersion",
        {"SourceVersion": "5", "ClientToken": "lt-1-7-5"},
        is_(2),
    ),
    ec2(
        "ex_list_launch_templates",
        ({"tag:primetime:topology": "production"},),
        "DescribeLaunchTemplates",
        {"Filter.1.Name": "tag:primetime:topology", "Filter.1.Value.1": "production"},
        is_([TEMPLATE]),
    ),
    ec2(
        "ex_get_launch_template_data",
        (TEMPLATE,),
        "DescribeLaunchTemplateVersions",
        {"LaunchTemplateVersion.1": "$Latest"},
        is_({"imageId": "ami-1", "instanceType": "c6i.large"}),
    ),
    ec2("ex_delete_launch_template", (TEMPLATE,), "DeleteLaunchTemplate", {"LaunchTemplateId": "lt-1"}, is_(True)),
    volumes(
        "list_volumes",
        ({"primetime:topology": "production"}, "eu-central-1a"),
        "DescribeVolumes",
        {"Filter.2.Name": "availability-zone", "Filter.2.Value.1": "eu-central-1a"},
        is_(
            [
                Volume(
                    *("vol-1", "eu-central-1a", "in-use", {"primetime:topology": "production"}),
                    *("i-0c1", "/dev/sdf", ATTACHED, "attached"),
                )
            ]
        ),
    ),
    volumes("attach_volume", ("vol-1", "i-0c1", "/dev/sdf"), "AttachVolume", {"Device": "/dev/sdf"}),
    volumes("detach_volume", ("vol-1", "i-0c1"), "DetachVolume", {"InstanceId": "i-0c1"}),
    volumes("ex_mark_volume", ("vol-1", {"a": "b"}), "CreateTags", {"ResourceId.1": "vol-1", "Tag.1.Key": "a"}),
    volumes("ex_unmark_volume", ("vol-1", ["a"]), "DeleteTags", {"ResourceId.1": "vol-1", "Tag.1.Key": "a"}),
    volumes("destroy_volume", ("vol-1",), "DeleteVolume", {"VolumeId": "vol-1"}),
    Verb(StsDriver, "account", (), "GetCallerIdentity", {}, is_(Account("123456789012", "aws-cn"))),
]


@pytest.mark.parametrize("verb", VERBS, ids=str)
def test_a_verb_sends_its_action_and_reads_its_answer(verb: Verb) -> None:
    wire = Wire()
    driver = wire.behind(verb.driver("key", "secret", region="eu-central-1"))
    answer = getattr(getattr(driver, "volumes", driver), verb.name)(*verb.given)
    assert wire.sent[0]["Action"] == verb.action
    assert wire.sent[0].items() >= verb.sent.items(), wire.sent[0]
    assert verb.returns(answer), answer


def test_what_a_group_is_made_of_can_be_changed() -> None:
    wire = Wire()
    driver = wire.behind(AutoScalingDriver("key", "secret", region="eu-central-1"))
    driver.update_auto_scale_group(GROUP, MinSize=3, **made_of("lt-1", ["c6i.large", "c5.large"], 0.5, 3))
    base = "MixedInstancesPolicy.InstancesDistribution.OnDemandBaseCapacity"
    assert (wire.sent[0]["Action"], wire.sent[0]["MinSize"], wire.sent[0][base]) == ("UpdateAutoScalingGroup", "3", "3")


def test_every_verb_of_the_drivers_is_among_them() -> None:
    known = {(verb.driver.service, verb.name) for verb in VERBS} | {("autoscaling", "update_auto_scale_group")}
    ours = [(AutoScalingDriver, AutoScalingDriver), (BalancingDriver, BalancingDriver), (Ec2Driver, Ec2Driver)]
    ours += [(VolumesDriver, type(VolumesDriver("k", "s", region="eu-central-1").volumes)), (StsDriver, StsDriver)]
    verbs = {
        (driver.service, name)
        for driver, holder in ours
        for name, member in vars(holder).items()
        if inspect.isfunction(member) and not name.startswith("_")
    }
    assert verbs - known == set()


@pytest.mark.parametrize("path", sorted(FIXTURES.iterdir()), ids=lambda path: path.stem)
def test_an_answer_of_the_files_is_one_that_aws_can_give(path: Any) -> None:
    text = path.read_text()
    said = re.search(r'xmlns="https?://(\w+)\.', text)
    assert said, f"{path.name} names no service"
    assert answer_problems(said[1], path.name.partition(".")[0], text) == []


@pytest.mark.parametrize(
    ("service", "asked", "problem"),
    [
        ("autoscaling", {"Action": "PutWarmPool", "MinSize": "2"}, "Missing required parameter"),
        ("autoscaling", {"Action": "PutWarmPool", "AutoScalingGroupName": "g", "PoolState": "Off"}, "none of"),
        ("autoscaling", {"Action": "PutWarmPool", "AutoScalingGroupName": "g", "Size": "2"}, "has no Size"),
        ("autoscaling", {"Action": "SetDesiredCapacity", "DesiredCapacity": "many"}, "invalid literal"),
        ("ec2", {"Action": "DescribeVpcs", "Filters.1.Name": "n"}, "has no Filters"),
        ("ec2", {"Action": "DescribeVpcs", "VpcId.2": "v"}, "is numbered"),
        ("elasticloadbalancing", {"Action": "DescribeBalancers"}, "has no action"),
    ],
)
def test_what_aws_would_not_understand_is_found(service: str, asked: dict[str, str], problem: str) -> None:
    assert problem in "".join(request_problems(service, asked))


def test_an_answer_that_aws_cannot_give_is_found() -> None:
    text = (
        "<DescribeWarmPoolResponse><DescribeWarmPoolResult><Pool/></DescribeWarmPoolResult></DescribeWarmPoolResponse>"
    )
    assert answer_problems("autoscaling", "DescribeWarmPool", text) == ["DescribeWarmPool has no Pool"]
