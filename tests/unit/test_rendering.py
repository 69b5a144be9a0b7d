"""What hosts of distributions that are not proved here would be told: pyinfra for real, on hosts that only note it."""

from __future__ import annotations

import hashlib
import runpy
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyinfra
import pytest
import yaml
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all
from pyinfra.api.inventory import Inventory as Hosts
from pyinfra.api.operations import run_ops
from pyinfra.api.state import StateStage
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_config, ctx_host, ctx_inventory, ctx_state

from primetime import artifacts
from primetime.converge.order import OrderedState
from primetime.distributions import DISTRIBUTIONS
from primetime.inventory import Inventory, Located, groups_of
from primetime.paths import REPO
from primetime.secrets import topology as secrets
from primetime.topology import load

pytestmark = pytest.mark.long  # pyinfra looks at every operation of every role: three seconds of CPU a release

UNPROVED = [release for release, each in DISTRIBUTIONS.items() if not each.proved]
ROLES = ["redis", "zookeeper", "collector", "shipper", "jenkins", "nagios", "collectd/receiver"]


@dataclass
class Told:
    commands: list[str] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)


class Noting(BaseConnector):
    """A host that has nothing yet: it answers every question with nothing, and notes what it is told."""

    handles_execution = True
    told = Told()

    def connect(self) -> None:
        pass

    @staticmethod
    def make_names_data(name: str) -> Iterator[Any]:
        yield f"@fake/{name}", {}, []

    def put_file(self, filename: Any, remote_filename: str, *args: Any, **kwargs: Any) -> bool:
        text = filename.read() if hasattr(filename, "read") else Path(filename).read_bytes()
        self.told.files[remote_filename] = text if isinstance(text, str) else text.decode(errors="replace")
        return True

    def get_file(self, *args: Any, **kwargs: Any) -> bool:
        return False

    def run_shell_command(self, command: Any, *args: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
        self.told.commands.append(command if isinstance(command, str) else command.get_raw_value())
        return True, CommandOutput([OutputLine("stdout", "")])


@pytest.fixture
def told(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """All roles that differ between distributions, converged onto one host of a release."""
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(pyinfra, "is_cli", True)
    jars, bundle = tmp_path / "jars", tmp_path / "shipper-1.tar"
    jars.mkdir()
    (tmp_path / "jenkins.war").write_bytes(b"war")
    digest = hashlib.sha256(b"war").hexdigest()
    settings = {"jenkins_war": f"{tmp_path}/jenkins.war", "jenkins_war_sha256": digest, "jenkins_plugins": ""}
    (jars / "jars.tar").touch()
    bundle.touch()
    monkeypatch.setattr(artifacts, "ensure", lambda groups, image: {"jars": str(jars), "shipper": str(bundle)})
    groups = {"all": {"roles": ROLES, "count": 1, "memory_mb": 1280}}
    content = {"name": "noted", "provider": "nspawn", "image": "bookworm", "shows": ["a"], "partial": True}
    (tmp_path / "noted.yml").write_text(yaml.safe_dump({**content, "groups": groups, "settings": settings}))
    topology = load(str(tmp_path / "noted.yml"))
    secrets.make_missing(topology)
    inventory = Inventory(
        replace(topology, image=request.param),
        {"all-1": Located("10.0.0.10", "", "", "")},
        "10.0.0.0/24",
        ("10.0.0.1",),
    )
    Noting.told = Told()
    converge(inventory)
    yield Noting.told
    for context in (ctx_state, ctx_config, ctx_inventory):
        context.reset()


def converge(inventory: Inventory) -> None:
    named = groups_of(inventory)
    state, config = OrderedState(check_for_changes=False), Config()
    hosts = Hosts((named["all"], {}), **{name: (members, {}) for name, members in named.items() if name != "all"})
    for one in hosts:
        one.connector_cls = Noting
    ctx_state.set(state)
    ctx_config.set(config)
    ctx_inventory.set(hosts)
    config.lock_current_state()
    state.init(hosts, config)
    state.cwd = str(REPO)
    state.current_deploy_filename = str(REPO / "deploy.py")
    state.set_stage(StateStage.Connect)
    connect_all(state)
    state.set_stage(StateStage.Prepare)
    for one in state.inventory.get_active_hosts():
        with ctx_host.use(one):
            runpy.run_path(state.current_deploy_filename)
    state.set_stage(StateStage.Execute)
    run_ops(state)


def installed(told: Told) -> set[str]:
    return {
        word for command in told.commands if "apt-get" in command and "install" in command for word in command.split()
    }


@pytest.mark.parametrize("told", UNPROVED, indirect=True, ids=UNPROVED)
def test_a_host_is_told_of_every_package_and_unit(told: Told, request: pytest.FixtureRequest) -> None:
    release = request.node.callspec.params["told"]
    java = {"jammy": "openjdk-17-jre-headless", "noble": "default-jre-headless"}[release]
    assert installed(told) >= {"redis-server", "nginx", "libnginx-mod-http-lua", java}
    assert installed(told) >= {"fontconfig", "openssl"}
    assert installed(told) >= {"nagios4-core", "lighttpd", "collectd-core"}
    proxy = next(text for text in told.files.values() if "Description=What speaks TLS before Jenkins" in text)
    assert "ExecStart=/usr/sbin/nginx -c /etc/primetime/jenkins-proxy/nginx.conf" in proxy
    unit = next(text for text in told.files.values() if "Description=Shipper" in text)
    assert f"ExecStart=/usr/bin/python{DISTRIBUTIONS[release].python} -m primetime.shipper" in unit
