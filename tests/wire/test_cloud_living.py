"""Live machines of a topology on EC2, and its secrets there, against moto."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import boto3
import pytest

from primetime.cloud import living, machines, names
from primetime.cloud.found import Aws
from primetime.errors import PrimetimeError, UsageError
from primetime.inventory import groups_of, live
from primetime.secrets import topology as secrets
from tests.conftest import Bench
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401
from tests.unit.test_cloud_plan import QUIET
from tests.wire.test_cloud import EVENING, quiet, small_bundle  # noqa: F401


@pytest.fixture
def services(
    moto: Moto,  # noqa: F811
    small_bundle: None,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Aws:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path / "home"))
    return machines.services(EVENING)


def test_the_inventory_is_of_what_runs_members_of_groups_that_scale_among_it(services: Aws) -> None:
    machines.up(services, EVENING, quiet)
    machines.scale(services, EVENING, "collector", 3, quiet)
    inventory = live(EVENING)
    members = [f"collector-{each.id}" for each in services.scaling.list_auto_scale_group_members("evening-collector")]
    assert [node.name for node in inventory.topology.nodes] == ["cache-1", "cache-2", *sorted(members)]
    assert len(inventory.cluster["shipper"]) == 3
    assert {len(set(inventory.topology.in_group(group))) for group in ("collector", "shipper")} == {3}
    groups = groups_of(inventory)
    assert [len(groups[name]) for name in ("all", "redis", "collector")] == [5, 2, 3]


def test_a_store_s_firewall_knows_collectors_that_are_not_there_yet(services: Aws) -> None:
    machines.up(services, EVENING, quiet)
    inventory = live(EVENING)
    cache = inventory.located["cache-1"].address
    [redis] = [flow for flow in inventory.flows if flow.address == cache and flow.name == "redis redis"]
    assert redis.open_to("10.40.1.200") and not redis.open_to("10.41.0.1")


def test_a_machine_by_itself_reads_no_secret_but_knows_its_peers(services: Aws) -> None:
    machines.up(services, EVENING, quiet)
    here = living.inventory(EVENING, services, here=True)
    before = len(services.calls)
    groups = groups_of(here, "cache-1")
    assert [name for name, _ in groups["all"]] == ["cache-1"]
    assert [peer["name"] for peer in groups["all"][0][1]["cluster"]["redis"]] == ["cache-1", "cache-2"]
    assert len(services.calls) == before


def test_what_is_not_up_is_named(services: Aws) -> None:
    with pytest.raises(UsageError, match="evening: no machine is up: bin/primetime up -t"):
        live(EVENING)
    machines.up(services, EVENING, quiet)
    cache = next(each for each in living.machines(services, EVENING) if each.name == "cache-2")
    services.ec2.connection.ask("TerminateInstances", InstanceId=[cache.id])
    with pytest.raises(UsageError, match="evening: cache-2 not running"):
        live(EVENING)


def test_ssh_takes_the_topology_s_key_and_trusts_the_host_keys_that_machines_put_down(
    services: Aws,
    moto: Moto,  # noqa: F811
) -> None:
    machines.up(services, EVENING, quiet)
    cache = next(each for each in living.machines(services, EVENING) if each.name == "cache-1")
    bucket = names.bucket("evening", REGION, services.account)
    host_key = names.host_key("cache", cache.id)
    client = boto3.client("s3", region_name=REGION, endpoint_url=moto.url)
    client.put_object(Bucket=bucket, Key=host_key, Body=b"ssh-ed25519 AAAA root@x\n")
    way = live(EVENING).located["cache-1"]
    known = Path(way.known_hosts).read_text().splitlines()
    assert known == [f"cache-1,{cache.public} ssh-ed25519 AAAA"]
    public = subprocess.run(["ssh-keygen", "-y", "-f", way.ssh_key], capture_output=True, text=True, check=True).stdout
    [template] = [each for each in services.ec2.ex_list_launch_templates() if each.name == "evening-cache"]
    user_data = base64.b64decode(services.ec2.ex_get_launch_template_data(template)["userData"]).decode()
    assert public.split()[1] in user_data
    config = Path(way.ssh_config).read_text()
    assert f"Host cache-1\n  HostName {cache.public}\n" in config and "StrictHostKeyChecking yes" in config


def test_secrets_are_made_by_up_kept_by_aws_and_changed_by_the_verb(
    services: Aws,
    moto: Moto,  # noqa: F811
    tmp_path: Path,
) -> None:
    path = tmp_path / "evening.yml"
    path.write_text(QUIET)
    bench = Bench(path)
    with pytest.raises(PrimetimeError, match=r"Secret redis_shipper of evening .* is not in AWS Systems Manager"):
        secrets.check(EVENING)
    machines.up(services, EVENING, quiet)
    listed = bench.json("secret", "list")
    assert listed["missing"] == []
    assert {each["name"] for each in listed["secrets"]} == {"redis_shipper", "redis_monitoring", "redis_controller"}
    before = secrets.value(EVENING, "redis_shipper").text
    bench.run("secret", "rotate", "redis_shipper")
    assert secrets.value(EVENING, "redis_shipper").text != before
    refused = bench.run("secret", "rotate", "--key", check=False)
    assert (refused.returncode, "AWS encrypts the secrets of evening" in refused.stderr) == (2, True)
    machines.down(services, EVENING.name, quiet)
    parameters = boto3.client("ssm", region_name=REGION, endpoint_url=moto.url).describe_parameters()["Parameters"]
    assert json.dumps(parameters) == "[]"
