"""What machines on EC2 configure themselves from: bundles, what a role may do, names that AWS takes."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from primetime.cloud import names, parcel, permissions
from primetime.cloud.boot import SETTINGS
from primetime.cloud.user_data import BOOT, endpoints, environment, user_data
from primetime.drivers.identity import Account
from primetime.paths import REPO
from primetime.topology import load, parse
from tests.unit.test_cloud_plan import TEXT, topology

EVENING = topology()
ACCOUNT = Account("123456789012", "aws")


def allowed(group: str) -> dict[str, list[str]]:
    """Action → what it is allowed for, of a group's machines."""
    assert EVENING.cloud
    [declared] = [each for each in EVENING.cloud.groups if each.name == group]
    found: dict[str, list[str]] = {}
    for statement in permissions.policy(EVENING, declared, ACCOUNT)["Statement"]:
        assert statement["Effect"] == "Allow"
        for action in statement["Action"]:
            found.setdefault(action, []).extend(statement["Resource"])
    return found


def test_a_machine_reads_the_secrets_that_its_own_roles_work_with_and_no_other() -> None:
    at = "arn:aws:ssm:eu-central-1:123456789012:parameter/primetime/evening"
    assert allowed("collector")["ssm:GetParameter"] == [f"{at}/redis_shipper"]
    assert sorted(allowed("cache")["ssm:GetParameter"]) == [
        f"{at}/redis_controller",
        f"{at}/redis_monitoring",
        f"{at}/redis_shipper",
    ]


def test_a_machine_writes_its_own_group_s_objects_and_ends_its_own_group_s_pauses() -> None:
    bucket = names.bucket("evening", "eu-central-1", ACCOUNT)
    assert allowed("collector")["s3:PutObject"] == [f"arn:aws:s3:::{bucket}/hosts/collector/*"]
    [scaling] = allowed("collector")["autoscaling:CompleteLifecycleAction"]
    assert scaling.endswith(":autoScalingGroupName/evening-collector")
    assert not any(action.startswith("autoscaling:") for action in allowed("cache"))


@pytest.mark.parametrize("group", ["collector", "cache"])
def test_a_machine_may_do_nothing_to_everything_but_look(group: str) -> None:
    anywhere = [action for action, resources in allowed(group).items() if "*" in resources]
    assert [action for action in anywhere if not action.partition(":")[2].startswith("Describe")] == []


def test_a_guard_s_machine_attaches_to_itself_alone_and_deletes_what_is_marked_as_shipped_alone() -> None:
    production = load("production")
    assert production.cloud
    policy = permissions.policy(production, production.cloud.groups[0], ACCOUNT)
    whose = {"aws:ResourceTag/primetime:topology": "production", "aws:ResourceTag/primetime:name": "collector"}
    ec2 = "arn:aws:ec2:eu-central-1:123456789012"
    found = {
        (action, resource): each.get("Condition")
        for each in policy["Statement"]
        for action in each["Action"]
        for resource in each["Resource"]
        if action.startswith("ec2:") and not action.startswith("ec2:Describe")
    }
    itself = {"ArnEquals": {"ec2:SourceInstanceARN": f"{ec2}:instance/${{ec2:InstanceID}}"}}
    marks = {"aws:TagKeys": ["primetime:shipped", "primetime:kept"]}
    assert found == {
        ("ec2:AttachVolume", f"{ec2}:instance/*"): itself,
        ("ec2:DetachVolume", f"{ec2}:instance/*"): itself,
        ("ec2:AttachVolume", f"{ec2}:volume/*"): {"StringEquals": whose},
        ("ec2:DetachVolume", f"{ec2}:volume/*"): {"StringEquals": whose},
        ("ec2:CreateTags", f"{ec2}:volume/*"): {"StringEquals": whose, "ForAllValues:StringEquals": marks},
        ("ec2:DeleteTags", f"{ec2}:volume/*"): {"StringEquals": whose, "ForAllValues:StringEquals": marks},
        ("ec2:DeleteVolume", f"{ec2}:volume/*"): {
            "StringEquals": whose,
            "Null": {"aws:ResourceTag/primetime:shipped": "false"},
        },
    }


@pytest.mark.parametrize("longest", ["a" * 31])
def test_names_are_as_short_as_aws_takes_them(longest: str) -> None:
    bucket = names.bucket(longest, "eu-central-1", ACCOUNT)
    assert re.fullmatch(r"[a-z0-9][a-z0-9-]{1,61}[a-z0-9]", bucket)
    assert len(names.role("eu-central-1", longest, longest)) <= 64


def test_topologies_of_one_name_in_two_regions_or_accounts_share_nothing() -> None:
    buckets = {
        names.bucket("evening", region, Account(number, "aws"))
        for region in ("eu-central-1", "eu-west-1")
        for number in ("1", "2")
    }
    assert len(buckets) == 4
    assert names.role("eu-central-1", "evening", "cache") != names.role("eu-west-1", "evening", "cache")


def test_a_version_follows_from_what_is_in_the_topology_s_file(tmp_path: Path) -> None:
    def version(name: str, text: str) -> str:
        path = tmp_path / name
        path.write_text(text)
        return parcel.version(parse(text, str(path)))

    assert version("1.yml", TEXT) == version("2.yml", TEXT) != version("3.yml", TEXT.replace("max: 12", "max: 9"))


def test_a_bundle_s_tree_is_the_same_bytes_twice_and_has_what_runs_there(tmp_path: Path) -> None:
    production, tars = load("production"), (tmp_path / "1.tar", tmp_path / "2.tar")
    for tar in tars:
        parcel._pack_tree(production, tar)
    assert tars[0].read_bytes() == tars[1].read_bytes()
    with tarfile.open(tars[0]) as archive:
        inside = set(archive.getnames())
    assert {
        "deploy.py",
        "primetime/cloud/configure.py",
        "roles/redis/deploy.py",
        "inventories/production.yml",
    } <= inside
    assert not [name for name in inside if "__pycache__" in name or name.startswith(("tests/", ".git"))]
    assert (REPO / "templates" / "redis").is_dir() and any(name.startswith("templates/redis/") for name in inside)


def test_the_manifest_has_the_digest_of_every_file(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    content = json.loads(parcel.manifest(EVENING, [parcel.File("tree", path, ("redis",))]))
    [file] = content["files"]
    assert (content["version"], content["topology"]) == (parcel.version(EVENING), "evening")
    assert file == {
        "name": "tree",
        "sha256": "ed7002b439e9ac845f22357d822bac1444730fbdb6016d3ec9432297b9ec9f73",
        "groups": ["redis"],
        "cached": False,
    }


def test_user_data_is_the_program_with_its_settings() -> None:
    known: dict[str, Any] = {}
    text = user_data({"group": "it's", "within_s": 5})
    exec(compile(text, "user-data", "exec"), known)
    assert known["SETTINGS"] == {"group": "it's", "within_s": 5}
    assert SETTINGS == {}
    assert text.count("\n") <= BOOT.read_text().count("\n") + 2


def test_the_program_needs_nothing_but_the_standard_library() -> None:
    imported = set(re.findall(r"^(?:import|from) (\w+)", BOOT.read_text(), re.MULTILINE))
    import sys

    assert imported <= set(sys.stdlib_module_names)


def test_machines_find_aws_where_this_command_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    assert endpoints("eu-west-3")["s3"] == "https://s3.eu-west-3.amazonaws.com"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://198.51.100.1:5000")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "never there")
    assert set(endpoints("eu-west-3").values()) == {"http://198.51.100.1:5000"}
    assert environment("eu-west-3") == {"AWS_ENDPOINT_URL": "http://198.51.100.1:5000", "AWS_REGION": "eu-west-3"}
