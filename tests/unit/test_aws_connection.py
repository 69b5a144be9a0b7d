"""A call to AWS ends in an answer or in one sentence: what is signed, repeated, joined, refused."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
import requests

from primetime.drivers.autoscaling import AutoScalingDriver
from primetime.drivers.aws import errors
from primetime.drivers.aws.connection import repeatable
from primetime.drivers.aws.regions import endpoint
from primetime.drivers.aws.signing import Signer
from primetime.drivers.aws.wire import parameters
from primetime.drivers.ec2 import Ec2Driver
from primetime.errors import UsageError
from tests.aws_wire import Wire, ec2_error, query_error

BROKEN = requests.ConnectionError("reset by peer")


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def ec2(wire: Wire, slept: list[float]) -> Any:
    return patient(wire.behind(Ec2Driver("key", "secret", region="eu-central-1", token="session")), slept)


@pytest.fixture
def scaling(wire: Wire, slept: list[float]) -> Any:
    return patient(wire.behind(AutoScalingDriver("key", "secret", region="eu-central-1")), slept)


def patient(driver: Any, slept: list[float]) -> Any:
    """With a clock that its own waiting moves, and the longest waits that it may draw."""
    driver.connection.clock = lambda: sum(slept)
    driver.connection.sleep = slept.append
    driver.connection.jitter = lambda least, most: most
    return driver


def test_only_what_no_proxy_changes_is_signed(ec2: Any, wire: Wire) -> None:
    ec2.list_nodes()
    signed = wire.headers[0]["Authorization"].partition("SignedHeaders=")[2].partition(",")[0]
    assert signed == "content-type;host;x-amz-content-sha256;x-amz-date;x-amz-security-token"


def test_a_call_is_a_post_that_carries_its_version(ec2: Any, wire: Wire) -> None:
    ec2.list_nodes()
    assert wire.sent[0] == {"Action": "DescribeInstances", "Version": "2016-11-15"}


def test_libcloud_s_own_list_has_every_page(ec2: Any) -> None:
    assert [node.name for node in ec2.list_nodes()] == ["store-1", "store-2"]


def test_a_throttled_call_waits_longer_each_time_and_gets_its_answer(ec2: Any, wire: Wire, slept: list[float]) -> None:
    wire.first = [(503, ec2_error("RequestLimitExceeded"))] * 3
    assert len(ec2.list_nodes()) == 2
    assert slept == [0.2, 0.4, 0.8]


def test_a_storm_of_throttling_ends_at_the_deadline(ec2: Any, wire: Wire, slept: list[float]) -> None:
    wire.first = [(503, ec2_error("RequestLimitExceeded"))] * 1000
    with pytest.raises(errors.Throttled, match="repeat the command in a minute"):
        ec2.list_nodes()
    assert 50 < sum(slept) <= 60


def test_a_read_is_repeated_when_the_connection_breaks(ec2: Any, wire: Wire) -> None:
    wire.first = [BROKEN, requests.ReadTimeout("half-open")]
    assert len(ec2.list_nodes()) == 2


def test_what_could_be_made_twice_is_not_repeated_blindly(ec2: Any, wire: Wire) -> None:
    wire.first = [BROKEN]
    with pytest.raises(errors.Unanswered, match=r"ec2:CreateVpc: .* repeat the command: it looks first"):
        ec2.connection.ask("CreateVpc", CidrBlock="10.40.0.0/16")
    assert len(wire.sent) == 1


def test_a_client_token_makes_repeating_safe(ec2: Any, wire: Wire) -> None:
    wire.first = [BROKEN]
    assert (
        ec2.ex_create_launch_template("production-collector", {"ImageId": "ami-1"}, client_token="once").id
        == "lt-01238c059e3466abc"
    )
    assert [sent["ClientToken"] for sent in wire.sent] == ["once", "once"]


@pytest.mark.parametrize(
    ("action", "safe"),
    [
        ({"Action": "CreateVpc"}, False),
        ({"Action": "RunInstances"}, False),
        ({"Action": "RunInstances", "ClientToken": "t"}, True),
        ({"Action": "DeleteVpc"}, True),
        ({"Action": "PutLifecycleHook"}, True),
    ],
)
def test_what_says_how_it_shall_be_may_be_said_twice(action: dict[str, str], safe: bool) -> None:
    assert repeatable(action) is safe


@pytest.mark.parametrize(
    ("status", "code", "message", "kind", "sentence"),
    [
        (401, "AuthFailure", "", errors.CredentialsRefused, "check AWS_ACCESS_KEY_ID"),
        (403, "SignatureDoesNotMatch", "", errors.CredentialsRefused, "check AWS_ACCESS_KEY_ID"),
        (400, "RequestExpired", "", errors.CredentialsExpired, "log in again"),
        (403, "UnauthorizedOperation", "You are not authorized", errors.PermissionMissing, "not ec2:DescribeInstances"),
        (
            403,
            "UnauthorizedOperation",
            "User: arn:x is not authorized to perform: ec2:RunInstances on y",
            errors.PermissionMissing,
            "may not ec2:RunInstances: have it allowed",
        ),
        (400, "VcpuLimitExceeded", "", errors.LimitReached, "Service Quotas"),
        (400, "VpcLimitExceeded", "", errors.LimitReached, "Service Quotas"),
        (500, "InsufficientInstanceCapacity", "", errors.NoCapacity, "declare further sizes"),
        (400, "InvalidAMIID.NotFound", "", errors.ImageNotThere, "declare an image of this region"),
        (400, "InvalidAMIID.Unavailable", "", errors.ImageNotThere, "declare an image of this region"),
        (400, "InvalidVolume.NotFound", "", errors.NotThere, "InvalidVolume.NotFound"),
        (400, "InvalidGroup.Duplicate", "", errors.AlreadyThere, "InvalidGroup.Duplicate"),
        (400, "DependencyViolation", "", errors.InUse, "DependencyViolation"),
    ],
)
def test_a_refusal_has_a_kind_and_a_next_step(
    status: int, code: str, message: str, kind: type[errors.AwsError], sentence: str, ec2: Any, wire: Wire
) -> None:
    wire.first = [(status, ec2_error(code, message))]
    with pytest.raises(kind) as caught:
        ec2.list_nodes()
    assert sentence in str(caught.value) and "\n" not in str(caught.value)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ("AutoScalingGroup name not found - null", errors.NotThere),
        ("AutoScalingGroup by this name already exists", errors.AlreadyThere),
        ("You must use a valid launch template. The image id '[ami-1]' does not exist", errors.ImageNotThere),
        ("MinSize is above MaxSize", errors.AwsError),
    ],
)
def test_auto_scaling_s_one_code_is_told_apart_by_its_message(
    message: str, kind: type[errors.AwsError], scaling: Any, wire: Wire
) -> None:
    wire.first = [(400, query_error("ValidationError", message))]
    with pytest.raises(errors.AwsError) as caught:
        scaling.list_auto_scale_groups()
    assert type(caught.value) is kind


def test_a_page_of_a_proxy_is_a_fault_and_no_crash(scaling: Any, wire: Wire) -> None:
    wire.first = [(502, "<html>Bad Gateway")] * 100
    with pytest.raises(errors.Faulty, match="HTTP 502"):
        scaling.list_auto_scale_groups()


def test_a_clock_that_is_wrong_is_named_before_the_credentials(
    ec2: Any, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_795_600_000.0
    monkeypatch.setattr(Signer, "clock", staticmethod(lambda: now + 600))
    wire.date = formatdate(now, usegmt=True)
    wire.first = [(403, ec2_error("AuthFailure"))]
    with pytest.raises(errors.ClockWrong, match="10 minutes ahead of AWS's: set this machine's clock"):
        ec2.list_nodes()


def test_lists_are_written_as_each_service_reads_them() -> None:
    values = {"A": [{"B": True}, {"B": None}], "C": 1}
    assert parameters(values) == {"A.1.B": "true", "C": "1"}
    assert parameters(values, "member") == {"A.member.1.B": "true", "C": "1"}


@pytest.mark.parametrize(
    ("region", "host"),
    [
        ("eu-central-1", "ec2.eu-central-1.amazonaws.com"),
        ("mx-central-1", "ec2.mx-central-1.amazonaws.com"),  # not in libcloud's table
        ("cn-north-1", "ec2.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "ec2.us-gov-west-1.amazonaws.com"),
        ("us-isob-east-1", "ec2.us-isob-east-1.sc2s.sgov.gov"),
    ],
)
def test_every_region_has_an_endpoint_by_rule(region: str, host: str) -> None:
    assert endpoint("ec2", region, {}).host == host


def test_an_endpoint_of_the_environment_goes_before_the_rule() -> None:
    found = endpoint("ec2", "eu-central-1", {"AWS_ENDPOINT_URL": "http://127.0.0.1:5000"})
    assert (found.host, found.port, found.secure) == ("127.0.0.1", 5000, False)


@pytest.mark.parametrize("given", ["127.0.0.1:5000", "http://h:port", "ftp://h"])
def test_an_endpoint_that_is_no_address_says_so(given: str) -> None:
    with pytest.raises(UsageError, match=r"AWS_ENDPOINT_URL is .*: write http"):
        endpoint("ec2", "eu-central-1", {"AWS_ENDPOINT_URL": given})
