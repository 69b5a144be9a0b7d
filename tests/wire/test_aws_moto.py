"""The drivers against moto, which checks every signature and every permission as IAM would."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from primetime.drivers.autoscaling import AutoScalingDriver, LifecycleHook
from primetime.drivers.aws.connection import AwsConnection
from primetime.drivers.aws.errors import CredentialsRefused, PermissionMissing
from primetime.drivers.balancing import BalancingDriver
from primetime.drivers.ec2 import Ec2Driver
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401

ALLOWED = ["ec2:*", "autoscaling:*", "elasticloadbalancing:*"]


class IamConnection(AwsConnection):
    service_name = "iam"
    version = "2010-05-08"


class Iam(Ec2Driver):
    connectionCls = IamConnection
    service = "iam"


@pytest.fixture
def checked(moto: Moto) -> Iterator[tuple[str, str]]:  # noqa: F811
    """A user's key and secret, from whom on every call is checked."""
    iam = Iam().connection
    iam.ask("CreateUser", UserName="ops")
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": ALLOWED, "Resource": "*"}]}
    iam.ask("PutUserPolicy", UserName="ops", PolicyName="p", PolicyDocument=json.dumps(policy))
    made = iam.ask("CreateAccessKey", UserName="ops")["AccessKey"]
    moto.check_signatures(after=0)
    yield made["AccessKeyId"], made["SecretAccessKey"]
    moto.check_signatures(after=1 << 30)


def test_every_service_accepts_our_signature(checked: tuple[str, str]) -> None:
    assert Ec2Driver(*checked, region=REGION).list_nodes() == []
    assert AutoScalingDriver(*checked, region=REGION).list_auto_scale_groups() == []
    assert BalancingDriver(*checked, region=REGION).list_balancers() == []


def test_a_wrong_secret_is_refused_in_every_service(checked: tuple[str, str]) -> None:
    for driver in (Ec2Driver, AutoScalingDriver, BalancingDriver):
        with pytest.raises(CredentialsRefused, match="check AWS_ACCESS_KEY_ID"):
            driver(checked[0], "wrong", region=REGION).connection.ask(
                {"ec2": "DescribeVpcs", "autoscaling": "DescribeAutoScalingGroups"}.get(
                    driver.service, "DescribeLoadBalancers"
                )
            )


def test_a_missing_permission_is_named(checked: tuple[str, str]) -> None:
    with pytest.raises(PermissionMissing) as caught:
        Iam(*checked, region=REGION).connection.ask("ListUsers")
    assert caught.value.permission == "iam:ListUsers"


def test_a_group_with_balancer_hooks_and_schedule_is_made_found_and_removed(moto: Moto) -> None:  # noqa: F811
    ec2, scaling, balancing = Ec2Driver(), AutoScalingDriver(), BalancingDriver()
    network = ec2.connection.ask("CreateVpc", CidrBlock="10.40.0.0/16")["vpc"]["vpcId"]
    subnet = ec2.connection.ask("CreateSubnet", VpcId=network, CidrBlock="10.40.1.0/24")["subnet"]["subnetId"]
    image = ec2.connection.ask("DescribeImages")["imagesSet"][0]["imageId"]
    template = ec2.ex_create_launch_template("collector", {"ImageId": image, "InstanceType": "c6i.large"}, {"a": "b"})
    targets = balancing.ex_create_target_group("collector", network, 80, "/ready", {"a": "b"})
    balancer = balancing.create_balancer("collector", [subnet], tags={"a": "b"})
    balancing.ex_create_listener(balancer.id, 80, targets.id)
    scaling.create_auto_scale_group(
        "collector", 2, 4, template.id, [subnet], target_groups=[targets.id], tags={"a": "b"}, ex_spot_share=0.5
    )
    hook = LifecycleHook("boot", "launching", 300)
    scaling.ex_put_hook("collector", hook)

    [group] = scaling.list_auto_scale_groups(ex_tags={"a": "b"})
    assert [member.state for member in group.members] == ["InService", "InService"]
    assert balancing.ex_target_health(targets.id) == {member.id: "healthy" for member in group.members}
    assert scaling.ex_list_hooks("collector") == [hook]
    assert balancing.ex_tags([balancer.id]) == {balancer.id: {"a": "b"}}

    scaling.ex_set_desired("collector", 4)
    assert len(scaling.list_auto_scale_group_members("collector")) == 4
    scaling.delete_auto_scale_group("collector", force=True)
    balancing.destroy_balancer(balancer.id)
    balancing.ex_delete_target_group(targets.id)
    ec2.ex_delete_launch_template(template)
    assert (scaling.list_auto_scale_groups(), balancing.list_balancers(), balancing.ex_list_target_groups()) == (
        [],
        [],
        [],
    )
