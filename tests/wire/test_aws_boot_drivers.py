"""The drivers by which machines configure themselves against moto, which checks every signature and permission."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from primetime.drivers.aws.errors import AlreadyThere, CredentialsRefused, PermissionMissing
from primetime.drivers.identity import IamDriver, StsDriver
from primetime.drivers.parameters import ParametersDriver
from primetime.drivers.storage import StorageDriver
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401

POLICY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}


@pytest.fixture
def checked(moto: Moto) -> Iterator[tuple[str, str]]:  # noqa: F811
    """A user's key and secret, from whom on every call is checked."""
    iam = IamDriver().connection
    iam.ask("CreateUser", UserName="ops")
    allowed = ["s3:*", "ssm:*", "iam:*Role*", "iam:*InstanceProfile*"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": allowed, "Resource": "*"}]}
    iam.ask("PutUserPolicy", UserName="ops", PolicyName="p", PolicyDocument=json.dumps(policy))
    made = iam.ask("CreateAccessKey", UserName="ops")["AccessKey"]
    moto.check_signatures(after=0)
    yield made["AccessKeyId"], made["SecretAccessKey"]
    moto.check_signatures(after=1 << 30)


def test_an_object_comes_back_as_it_went_and_its_bucket_goes(checked: tuple[str, str], tmp_path: Path) -> None:
    storage = StorageDriver(*checked, region=REGION)
    bucket = storage.create_container("primetime-test")
    sent, came = tmp_path / "sent", tmp_path / "came"
    sent.write_bytes(bytes(range(256)) * 25_000)
    storage.upload_object(str(sent), bucket, "bundles/1/a.tar")
    [found] = storage.list_container_objects(bucket, prefix="bundles/")
    storage.download_object(found, str(came))
    assert came.read_bytes() == sent.read_bytes()
    storage.delete_object(found)
    assert storage.delete_container(bucket)
    assert storage.list_containers() == []


def test_a_parameter_is_encrypted_listed_without_its_value_and_removed(
    checked: tuple[str, str],
    moto: Moto,  # noqa: F811
) -> None:
    parameters = ParametersDriver(*checked, region=REGION)
    for name in ("one", "two"):
        parameters.put_parameter(f"/primetime/t/{name}", f"value of {name}", {"primetime:topology": "t"})
    parameters.put_parameter("/primetime/other/three", "x", {})
    parameters.put_parameter("/primetime/t/two", "another", {}, replace=True)
    with pytest.raises(AlreadyThere):
        parameters.put_parameter("/primetime/t/one", "again", {})
    assert [(each.name, each.version) for each in parameters.list_parameters("/primetime/t")] == [
        ("/primetime/t/one", 1),
        ("/primetime/t/two", 2),
    ]
    assert parameters.get_parameter("/primetime/t/two") == "another"
    assert parameters.find_parameter("/primetime/t/two") == parameters.list_parameters("/primetime/t")[1]
    assert parameters.find_parameter("/primetime/t/none") is None
    moto.check_signatures(after=1 << 30)
    raw = boto3.client("ssm", region_name=REGION, endpoint_url=moto.url).get_parameter(Name="/primetime/t/one")
    assert (raw["Parameter"]["Type"], raw["Parameter"]["Value"] != "value of one") == ("SecureString", True)
    parameters.delete_parameters(["/primetime/t/one", "/primetime/t/two", "/primetime/t/none"])
    assert parameters.list_parameters("/primetime/t") == []
    assert parameters.get_parameter("/primetime/t/one") is None


def test_a_machine_role_is_made_once_completed_when_cut_short_and_removed(checked: tuple[str, str]) -> None:
    iam = IamDriver(*checked)
    iam.connection.ask("CreateRole", RoleName="t-redis", Path="/primetime/t/", AssumeRolePolicyDocument="{}")
    for _ in range(2):
        iam.make_machine_role("t-redis", "/primetime/t/", POLICY, "digest 1", {"primetime:topology": "t"})
    assert [(each.name, each.description) for each in iam.list_machine_roles("/primetime/t/")] == [
        ("t-redis", "digest 1")
    ]
    assert iam.list_machine_roles("/primetime/other/") == []
    iam.delete_machine_role("t-redis")
    iam.delete_machine_role("t-redis")
    assert iam.list_machine_roles("/primetime/") == []


def test_the_account_of_credentials_is_told(checked: tuple[str, str]) -> None:
    account = StsDriver(*checked, region=REGION).account()
    assert (len(account.number), account.partition) == (12, "aws")


def test_a_wrong_secret_is_refused_in_both_protocols(checked: tuple[str, str]) -> None:
    with pytest.raises(CredentialsRefused):
        ParametersDriver(checked[0], "wrong", region=REGION).list_parameters("/primetime/t")
    with pytest.raises((CredentialsRefused, PermissionMissing)):
        StorageDriver(checked[0], "wrong", region=REGION).list_containers()
