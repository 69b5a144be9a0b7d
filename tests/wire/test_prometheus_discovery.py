"""A real Prometheus follows the members of a group that scales, by what EC2 says: moto, and a metadata service."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from primetime import discovery
from primetime.cloud import living, machines, names
from primetime.cloud.found import BAKE, Aws
from primetime.inventory import Inventory
from primetime.paths import REPO
from roles.monitoring.settings import Monitoring
from tests.metadata_server import MetadataServer, metadata_server
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401
from tests.redis_server import free_port
from tests.unit.test_discovery import WATCHED, inventory
from tests.waiting import wait_for
from tests.wire.test_cloud import quiet, small_bundle  # noqa: F401

NEVER = 1 << 30


@dataclass
class Watching:
    """A Prometheus on the configuration that `up` would bring the monitoring host, and the cluster it looks at."""

    services: Aws
    aws: Moto
    port: int

    def client(self, service: str) -> Any:
        return boto3.client(service, region_name=REGION, endpoint_url=self.aws.url)

    def asks(self) -> set[tuple[str, str, str]]:
        """(job, node, address and port) of every target that EC2 told it of."""
        url = f"http://127.0.0.1:{self.port}/api/v1/targets?{urllib.parse.urlencode({'state': 'active'})}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                active = json.load(answer)["data"]["activeTargets"]
        except OSError:  # it has yet to start
            return set()
        of_members = [each["labels"] for each in active if each["scrapePool"] != "prober"]
        return {(each["job"], each["node"], each["instance"]) for each in of_members}

    def wanted(self) -> set[tuple[str, str, str]]:
        """As the inventory tells the same of the members that it finds."""
        return {
            (job["labels"].get("job", "probe"), job["labels"]["node"], target)
            for job in asked(self.services)["now"]
            for target in job["targets"]
        }

    def wait_until_it_asks_whom_it_should(self, members: int) -> None:
        assert len({node for _, node, _ in self.wanted()}) == members
        wait_for(lambda: self.asks() == self.wanted(), f"Prometheus asks {members} members")


def asked(services: Aws) -> dict[str, Any]:
    found = living.inventory(WATCHED, services, here=True)
    return discovery.of(found, found.located["watch-1"].address)


@pytest.fixture
def services(
    moto: Moto,  # noqa: F811
    small_bundle: None,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Aws:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path / "home"))
    found = machines.services(WATCHED)
    machines.up(found, WATCHED, quiet)
    return found


@pytest.fixture
def role(services: Aws, moto: Moto) -> Iterator[MetadataServer]:  # noqa: F811
    """The metadata service of the monitoring host: what it may do is what `up` has given its role."""
    named = names.role(REGION, WATCHED.name, "watch")
    iam = boto3.client("iam", region_name=REGION, endpoint_url=moto.url)
    sts = boto3.client("sts", region_name=REGION, endpoint_url=moto.url)
    arn = iam.get_role(RoleName=named)["Role"]["Arn"]
    key = sts.assume_role(RoleArn=arn, RoleSessionName="watch")["Credentials"]
    told = {"Code": "Success", "Token": key["SessionToken"], "Expiration": "2099-01-01T00:00:00Z"}
    told |= {name: key[name] for name in ("AccessKeyId", "SecretAccessKey")}
    with metadata_server() as server:
        at = "iam/security-credentials/"
        server.paths |= {at: named, f"{at}{named}": json.dumps(told)}
        yield server


def configured(folder: Path, members: dict[str, Any], aws: str) -> Path:
    """The configuration that a converge would bring, in a folder of the test; it looks each second."""
    (folder / "rules.yml").write_text("groups: []")
    values = {"monitoring": Monitoring(discovery_interval_s=1), "address": "10.40.0.2", "node_name": "watch-1"}
    values |= {"targets": str(folder), "rules": str(folder / "rules.yml"), "members": members, "aws": aws}
    templates = Environment(loader=FileSystemLoader(REPO), undefined=StrictUndefined, keep_trailing_newline=True)
    path = folder / "prometheus.yml"
    path.write_text(templates.get_template("templates/monitoring/prometheus.yml.j2").render(**values))
    return path


@pytest.fixture
def watching(services: Aws, moto: Moto, role: MetadataServer, tmp_path: Path) -> Iterator[Watching]:  # noqa: F811
    port = free_port()
    config = configured(tmp_path, asked(services), moto.url)
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    process = subprocess.Popen(command, env={"AWS_EC2_METADATA_SERVICE_ENDPOINT": role.url})
    try:
        yield Watching(services, moto, port)
    finally:
        process.terminate()
        process.wait()


@pytest.mark.parametrize("found", [inventory(), replace(inventory(), coming=())], ids=["scales", "fixed"])
def test_promtool_finds_its_configuration_in_order(found: Inventory, tmp_path: Path) -> None:
    config = configured(tmp_path, discovery.of(found, found.located["watch-1"].address), "")
    done = subprocess.run(["promtool", "check", "config", config], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
def test_whoever_comes_is_asked_and_whoever_has_gone_is_not(watching: Watching) -> None:
    watching.wait_until_it_asks_whom_it_should(members=2)
    machines.scale(watching.services, WATCHED, "collector", 3, quiet)
    watching.wait_until_it_asks_whom_it_should(members=3)
    machines.scale(watching.services, WATCHED, "collector", 2, quiet)
    watching.wait_until_it_asks_whom_it_should(members=2)


@pytest.mark.long
def test_a_machine_that_becomes_an_image_is_not_asked(watching: Watching) -> None:
    [first, *_] = watching.services.scaling.list_auto_scale_group_members("evening-collector")
    watching.client("ec2").create_tags(Resources=[first.id], Tags=[{"Key": BAKE, "Value": "0123456789ab"}])
    watching.wait_until_it_asks_whom_it_should(members=1)


@pytest.mark.long
def test_its_role_alone_lets_it_look_and_nothing_else(watching: Watching) -> None:
    """Signed by the role's own credentials, with what `up` allows it and no more."""
    watching.aws.check_signatures(after=0)
    try:
        wait_for(watching.asks, "Prometheus asks anybody")
    finally:
        watching.aws.check_signatures(after=NEVER)
    watching.wait_until_it_asks_whom_it_should(members=2)
