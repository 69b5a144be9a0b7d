"""up and down while AWS throttles, resets connections and leaves answers unheard: what is there is always known."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from primetime.cloud import machines
from primetime.cloud.found import Aws
from primetime.drivers.aws import connection
from primetime.errors import PrimetimeError
from tests.aws_proxy import LOST, RESET, SILENT, THROTTLED, Proxy, proxy_before
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401
from tests.wire.test_cloud import EVENING, quiet, small_bundle  # noqa: F401

PATIENCE = 10  # commands that may fail before one gets through
WAITED_FOR = {"CreateVpc", "CreateSubnet", "CreateAutoScalingGroup", "RunInstances"}  # the client has to lose patience
SHORTEST_SILENCE_S = 0.5
SILENCE_TO_ANSWER = 10  # a silence is longer than an answer by so much, also while the machine is busy


@pytest.fixture
def proxy(moto: Moto, small_bundle: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:  # noqa: F811
    """A calm one; waits are short, so that a storm takes seconds."""
    monkeypatch.setattr(connection, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(connection, "LONGEST_WAIT_S", 0.1)
    with proxy_before(moto.url) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        yield proxy


def storm(seed: int, **shares: int) -> Any:
    """Of every hundred calls so many meet each fault: none is left out by chance, however many calls it takes."""
    chance, left = random.Random(seed), list[str | None]()

    def faults(action: str) -> str | None:
        if not left:
            left.extend(fault for fault, share in shares.items() for _ in range(share))
            left.extend([None] * (100 - len(left)))
            chance.shuffle(left)
        return left.pop()

    return faults


def everything(url: str) -> dict[str, int]:
    """How many there are of each kind, asked by another client, past the proxy and whatever their tags."""
    place = {"region_name": REGION, "endpoint_url": url}
    ec2, scaling, balancing = (boto3.client(name, **place) for name in ("ec2", "autoscaling", "elbv2"))
    iam, storage, parameters = (boto3.client(name, **place) for name in ("iam", "s3", "ssm"))
    states = [{"Name": "instance-state-name", "Values": ["pending", "running", "stopping", "stopped"]}]
    reservations = ec2.describe_instances(Filters=states)["Reservations"]
    return {
        "networks": len(ec2.describe_vpcs()["Vpcs"]),
        "subnets": len(ec2.describe_subnets()["Subnets"]),
        "gateways": len(ec2.describe_internet_gateways()["InternetGateways"]),
        "route tables": len(ec2.describe_route_tables()["RouteTables"]),
        "security groups": len(ec2.describe_security_groups()["SecurityGroups"]),
        "templates": len(ec2.describe_launch_templates()["LaunchTemplates"]),
        "instances": sum(len(each["Instances"]) for each in reservations),
        "roles": len(iam.list_roles(PathPrefix="/primetime/")["Roles"]),
        "instance profiles": len(iam.list_instance_profiles()["InstanceProfiles"]),
        "buckets": len(storage.list_buckets()["Buckets"]),
        "parameters": len(parameters.describe_parameters()["Parameters"]),
        "groups": len(scaling.describe_auto_scaling_groups()["AutoScalingGroups"]),
        "balancers": len(balancing.describe_load_balancers()["LoadBalancers"]),
        "target groups": len(balancing.describe_target_groups()["TargetGroups"]),
    }


def calm_pass(proxy: Proxy, moto: Moto, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:  # noqa: F811
    """What is there once all that is declared is up; then nothing again, and silence is what this pass never met."""
    empty = everything(moto.url)
    assert until_done(up) == 0
    declared = everything(moto.url)
    assert until_done(down) == 0
    assert everything(moto.url) == empty
    monkeypatch.setattr(connection, "TIMEOUT_S", max(SHORTEST_SILENCE_S, SILENCE_TO_ANSWER * proxy.slowest_s))
    return declared


def until_done(verb: Any) -> int:
    """Repeat a command, as its errors say, until it is done; how often it failed."""
    for failed in range(PATIENCE):
        try:
            verb(machines.services(EVENING))
            return failed
        except PrimetimeError as error:
            assert "epeat the command" in str(error) or "has to wait" in str(error), error
    raise AssertionError(f"{PATIENCE} commands failed")


def up(services: Aws) -> None:
    machines.up(services, EVENING, quiet)


def down(services: Aws) -> None:
    machines.down(services, EVENING.name, quiet)


STORMS = [
    pytest.param({THROTTLED: 60}, id="throttled", marks=pytest.mark.long),
    pytest.param({SILENT: 6}, id="half-open", marks=pytest.mark.long),
    pytest.param({LOST: 25}, id="answers lost", marks=pytest.mark.long),
    pytest.param({THROTTLED: 20, RESET: 10, LOST: 8, SILENT: 1}, id="all at once"),
]


@pytest.mark.parametrize("shares", STORMS)
def test_a_storm_of_faults_leaves_nothing_unknown_nothing_twice_and_nothing_behind(
    shares: dict[str, int],
    proxy: Proxy,
    moto: Moto,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = everything(moto.url)
    declared = calm_pass(proxy, moto, monkeypatch)
    proxy.faults = storm(20261128, **shares)
    until_done(up)
    assert machines.look(machines.services(EVENING), EVENING).clear
    assert everything(moto.url) == declared
    until_done(down)
    assert everything(moto.url) == empty
    assert {fault for _, fault in proxy.seen if fault} == set(shares)


def test_what_a_call_made_whose_answer_was_not_heard_is_found_and_not_made_again(
    proxy: Proxy,
    moto: Moto,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    empty = everything(moto.url)
    calm_pass(proxy, moto, monkeypatch)
    proxy.seen.clear()
    unheard: list[str] = []

    def once(action: str) -> str | None:
        if action.startswith(("Create", "Run", "Authorize")) and action not in unheard:
            unheard.append(action)
            return SILENT if action in WAITED_FOR else LOST
        return None

    proxy.faults = once
    until_done(up)
    made = [action for action, _ in proxy.seen]
    assert set(unheard) >= WAITED_FOR
    assert made.count("CreateVpc") == made.count("CreateAutoScalingGroup") == 1
    assert machines.look(machines.services(EVENING), EVENING).clear
    proxy.faults = lambda action: None
    until_done(down)
    assert everything(moto.url) == empty
