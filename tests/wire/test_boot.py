"""What a machine does first, by the very user-data that `up` writes: against moto, a metadata service, a small bundle.

The bundle's program stands in for primetime: tests/machine has the real one on a real host.
"""

from __future__ import annotations

import base64
import io
import json
import tarfile
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from primetime.cloud import machines, names, parcel
from primetime.cloud.found import Aws
from primetime.drivers.ec2 import USER_DATA_BYTES
from primetime.topology import Topology
from tests.aws_proxy import proxy_before
from tests.metadata_server import MetadataServer, metadata_server
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401
from tests.wire.test_cloud import EVENING, quiet

KEY = ("AccessKeyId", "SecretAccessKey")
PROGRAM = """\
import json, os, pathlib, sys
said = {"arguments": sys.argv[1:], "region": os.environ["AWS_REGION"], "endpoint": os.environ["AWS_ENDPOINT_URL"]}
pathlib.Path(os.environ["PRIMETIME_CACHE"], "said.json").write_text(json.dumps(said))
print("what its program said")
sys.exit(int(pathlib.Path(os.environ["PRIMETIME_CACHE"], "code").read_text()))
"""


def tar_of(path: Path, **files: str) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text.encode()))
    return path


def files(topology: Topology, making: Path, progress: Any) -> list[parcel.File]:
    program = {"primetime/__init__.py": "", "primetime/cloud/__init__.py": "", "primetime/cloud/configure.py": PROGRAM}
    (making / "jars.tar").write_text("jars")
    return [
        parcel.File("tree", tar_of(making / "tree.tar", **program)),
        parcel.File("bundles/shipper.tar", tar_of(making / "shipper.tar", a="b"), ("shipper",), cached=True),
        parcel.File("jars/1/jars.tar", making / "jars.tar", ("hbase",), cached=True),
    ]


class Machine:
    """A member of the group `collector`, with its own user-data and its role's credentials."""

    def __init__(self, services: Aws, folder: Path, metadata: MetadataServer, aws: Moto) -> None:
        self.services, self.folder, self.metadata, self.aws = services, folder, metadata, aws
        [self.id, *_] = [each.id for each in services.scaling.list_auto_scale_group_members("evening-collector")]
        [template] = [each for each in services.ec2.ex_list_launch_templates() if each.name == "evening-collector"]
        versions = self.client("ec2").describe_launch_template_versions(
            LaunchTemplateId=template.id, Versions=["$Latest"]
        )["LaunchTemplateVersions"]
        data = versions[0]["LaunchTemplateData"]
        self.profile = data["IamInstanceProfile"]["Name"]
        self.user_data = base64.b64decode(data["UserData"]).decode()
        self.cache = folder / "cache"
        self.cache.mkdir()
        (self.cache / "code").write_text("0")
        (folder / "key.pub").write_text("ssh-ed25519 AAAA host\n")

    def boot(self) -> int:
        """Run it, its places in a folder of the test."""
        module: Any = types.ModuleType("boot")
        exec(compile(self.user_data, "user-data", "exec"), module.__dict__)
        module.HOME, module.CACHE = self.folder / "opt", self.cache
        module.LOG, module.HOST_KEY = self.folder / "log", self.folder / "key.pub"
        module.AUTHORIZED, module.WAIT_S = self.folder / "ssh" / "authorized_keys", 0.01
        return int(module.main())

    def credentials(self, key: Mapping[str, str]) -> None:
        """What its metadata service gives for its role."""
        at = "iam/security-credentials/"
        self.metadata.paths |= {"instance-id": self.id, at: self.profile, f"{at}{self.profile}": json.dumps(key)}

    def client(self, service: str) -> Any:
        """Another client, past the proxy."""
        return boto3.client(service, region_name=REGION, endpoint_url=self.aws.url)

    def object(self, key: str) -> bytes | None:
        return self.services.read("evening", key)

    @property
    def log(self) -> str:
        """As it is kept in the bucket."""
        return (self.object(names.log("collector", self.id)) or b"").decode()

    def overwrite(self, key: str, content: bytes) -> None:
        bucket = names.bucket("evening", REGION, self.services.account)
        self.client("s3").put_object(Bucket=bucket, Key=key, Body=content)


@pytest.fixture
def completed() -> list[dict[str, str]]:
    """What was said of launch hooks."""
    return []


@pytest.fixture
def machine(
    moto: Moto,  # noqa: F811
    completed: list[dict[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Machine]:
    def complete(asked: dict[str, str]) -> tuple[int, bytes]:
        completed.append(asked)
        return 200, b"<CompleteLifecycleActionResponse/>"

    monkeypatch.setattr(parcel, "files", files)
    with proxy_before(moto.url) as proxy, metadata_server() as metadata:
        proxy.answers["CompleteLifecycleAction"] = complete
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        services = machines.services(EVENING)
        machines.up(services, EVENING, quiet)
        machine = Machine(services, tmp_path, metadata, moto)
        machine.credentials({"AccessKeyId": "test", "SecretAccessKey": "test", "Token": "test"})
        monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", metadata.url)
        yield machine


def results(completed: list[dict[str, str]]) -> list[tuple[str, ...]]:
    words = ("AutoScalingGroupName", "LifecycleHookName", "InstanceId", "LifecycleActionResult")
    return [tuple(each[word] for word in words) for each in completed]


def test_user_data_fits_with_room_to_spare(machine: Machine) -> None:
    assert len(machine.user_data.encode()) < 0.8 * USER_DATA_BYTES
    assert machine.user_data.startswith("#!/usr/bin/python3\n")


def test_a_machine_that_is_as_it_shall_be_lets_its_launch_go_on(
    machine: Machine, completed: list[dict[str, str]]
) -> None:
    assert machine.boot() == 0
    assert results(completed) == [("evening-collector", "configure", machine.id, "CONTINUE")]
    said = json.loads((machine.cache / "said.json").read_text())
    assert (said["arguments"][:2], said["region"]) == (["evening", machine.id], REGION)
    assert "what its program said" in machine.log and "launch: CONTINUE" in machine.log
    assert machine.object(names.host_key("collector", machine.id)) == b"ssh-ed25519 AAAA host\n"
    assert (machine.folder / "ssh" / "authorized_keys").read_text().startswith("ssh-ed25519 ")


def test_a_machine_fetches_what_its_own_roles_need(machine: Machine) -> None:
    machine.boot()
    assert (machine.cache / "bundles" / "shipper.tar").is_file()
    assert not (machine.cache / "jars").exists()


def test_a_machine_that_fails_is_abandoned_and_its_log_is_kept(
    machine: Machine, completed: list[dict[str, str]]
) -> None:
    (machine.cache / "code").write_text("1")
    assert machine.boot() == 1
    assert results(completed) == [("evening-collector", "configure", machine.id, "ABANDON")]
    assert "what its program said" in machine.log
    assert "its roles did not come to keep their promises within 1500 s" in machine.log


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ("manifest", "is not signed by the key that this machine was given: nothing of it was run"),
        ("signature", "is not signed by the key that this machine was given: nothing of it was run"),
        ("file", "tree of the bundle has other bytes than were signed: nothing of it was run"),
        ("another's", "is not signed by the key that this machine was given: nothing of it was run"),
    ],
)
def test_a_bundle_that_was_changed_is_refused(
    what: str, says: str, machine: Machine, completed: list[dict[str, str]]
) -> None:
    at = f"{names.BUNDLES}/{parcel.version(EVENING)}"
    manifest = machine.object(f"{at}/{names.MANIFEST}") or b""
    tree = json.loads(manifest)["files"][0]["sha256"]
    if what == "manifest":
        machine.overwrite(f"{at}/{names.MANIFEST}", manifest.replace(tree.encode(), b"0" * 64))
    elif what == "signature":
        machine.overwrite(f"{at}/{names.SIGNATURE}", bytes(64))
    elif what == "file":
        machine.overwrite(f"{names.FILES}/{tree}", b"another tree")
    else:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        machine.overwrite(f"{at}/{names.SIGNATURE}", Ed25519PrivateKey.generate().sign(manifest))
    assert machine.boot() == 1
    assert says in machine.log
    assert results(completed) == [("evening-collector", "configure", machine.id, "ABANDON")]
    assert not (machine.cache / "said.json").exists()


def test_a_machine_that_aws_does_not_answer_for_a_while_asks_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import urllib.request

    opened, failures = urllib.request.urlopen, [OSError("no route")] * 3

    def unreliable(*words: Any, **named: Any) -> Any:
        if failures:
            raise failures.pop()
        return opened(*words, **named)

    monkeypatch.setattr(urllib.request, "urlopen", unreliable)
    assert machine.boot() == 0


def test_the_older_bundle_does_not_pass_for_the_newer(machine: Machine) -> None:
    at = f"{names.BUNDLES}/{parcel.version(EVENING)}"
    older = (machine.object(f"{at}/{name}") or b"" for name in (names.MANIFEST, names.SIGNATURE))
    machine.user_data = machine.user_data.replace(parcel.version(EVENING), "0123456789ab")
    for name, content in zip((names.MANIFEST, names.SIGNATURE), older, strict=True):
        machine.overwrite(f"{names.BUNDLES}/0123456789ab/{name}", content)
    assert machine.boot() == 1
    assert f"bundle 0123456789ab says that it is {parcel.version(EVENING)}: nothing of it was run" in machine.log


def test_every_call_of_a_machine_is_signed_as_aws_checks_it(machine: Machine, completed: list[dict[str, str]]) -> None:
    anything = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam = machine.client("iam")
    # moto does not know what a call is about: a policy that names resources allows nothing there
    iam.put_role_policy(RoleName=machine.profile, PolicyName="moto", PolicyDocument=json.dumps(anything))
    role = iam.get_role(RoleName=machine.profile)["Role"]["Arn"]
    key = machine.client("sts").assume_role(RoleArn=role, RoleSessionName=machine.id)["Credentials"]
    machine.credentials({**{name: key[name] for name in KEY}, "Token": key["SessionToken"]})
    machine.aws.check_signatures(after=0)
    try:
        assert machine.boot() == 0
        machine.credentials({**{name: key[name] for name in KEY}, "SecretAccessKey": "x", "Token": key["SessionToken"]})
        with pytest.raises(Exception, match="SignatureDoesNotMatch"):
            machine.boot()
    finally:
        machine.aws.check_signatures(after=1 << 30)
    assert [each["LifecycleActionResult"] for each in completed] == ["CONTINUE", "ABANDON"]
