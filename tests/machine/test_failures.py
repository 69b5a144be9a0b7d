"""What fails on one host: the others finish, it is named, and the same command goes on from there.

Hosts are shared by the tests of this module; each test mends what it broke.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node
from libcloud.compute.providers import get_driver

import primetime.drivers  # noqa: F401  (registers the driver)
from tests.conftest import Bench

NAME = "test-failures"
TOPOLOGY = f"""\
name: {NAME}
provider: nspawn
image: bookworm
network: 192.168.251.0/28
shows: [rehearsal]
groups:
  cache: {{roles: [redis], count: 2, memory_mb: 256, addresses: [192.168.251.12, 192.168.251.11]}}
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    path = tmp_path_factory.mktemp("topology") / "t.yml"
    path.write_text(TOPOLOGY)
    with Bench(path).converged() as bench:
        yield bench


def node(name: str) -> tuple[Any, Node]:
    """(driver, one of its nodes)."""
    driver = get_driver("nspawn")(NAME)
    return driver, next(node for node in driver.list_nodes() if node.name == name)


def upper(node: Node) -> Path:
    """The files by which a stopped host differs from its image."""
    return Path(node.extra["console"]).parent / "upper"


def break_service(bench: Bench, name: str, service: str) -> None:
    bench.ssh(name, "mkdir", "-p", f"/etc/systemd/system/{service}.service.d")
    bench.ssh(
        name, "sh", "-c", f"printf '[Service]\\nExecStart=\\nExecStart=/nowhere\\nRestart=no\\n' "
        f"> /etc/systemd/system/{service}.service.d/broken.conf && systemctl daemon-reload && systemctl stop {service}"
    )  # fmt: skip


def mend_service(bench: Bench, name: str, service: str) -> None:
    bench.ssh(name, "sh", "-c", f"rm -r /etc/systemd/system/{service}.service.d && systemctl daemon-reload")


def test_hosts_have_the_addresses_that_are_declared(hosts: Bench) -> None:
    found = {node["name"]: node["address"] for node in hosts.json("status")["nodes"]}
    assert found == {"cache-1": "192.168.251.12", "cache-2": "192.168.251.11"}


def test_a_role_that_fails_on_one_host_is_finished_on_the_other_and_goes_on_when_mended(hosts: Bench) -> None:
    break_service(hosts, "cache-2", "primetime-redis")
    hosts.ssh("cache-1", "sh", "-c", "echo '# by hand' >> /etc/primetime/redis/redis.conf")
    done = hosts.run("converge", "--json", check=False)
    result = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 1
    assert [(failed["host"], failed["operation"]) for failed in result["failed"]] == [
        ("cache-2", "Redis | Keep Redis running")
    ]
    assert "cache-2: Redis | Keep Redis running failed:\n    Job for primetime-redis.service failed" in done.stderr
    assert {"node": "cache-1", "operation": "Redis | Restart Redis on its new configuration"} in result["changes"]
    mend_service(hosts, "cache-2", "primetime-redis")
    assert {change["node"] for change in hosts.json("converge")["changes"]} == {"cache-2"}
    assert hosts.json("converge")["changes"] == []


def test_a_restart_that_an_earlier_run_did_not_come_to_is_made_by_the_next(hosts: Bench) -> None:
    hosts.ssh("cache-1", "touch", "/etc/primetime/redis/redis.conf")  # newer than the daemon that read it
    wanted = [{"node": "cache-1", "operation": "Redis | Restart Redis on its new configuration"}]
    assert hosts.json("converge", "--dry")["changes"] == wanted
    assert hosts.json("converge")["changes"] == wanted
    assert hosts.json("converge")["changes"] == []


def test_a_host_that_does_not_let_us_in_is_named_and_a_dry_run_exits_1(hosts: Bench) -> None:
    hosts.ssh("cache-2", "systemctl", "stop", "ssh")
    try:
        done = hosts.run("converge", "--dry", "--json", check=False)
    finally:
        driver, cache = node("cache-2")
        driver.reboot_node(cache)
        driver.ex_wait_for_ssh([cache])
    failed = json.loads(done.stdout.splitlines()[-1])["failed"]
    assert done.returncode == 1
    assert [(failure["host"], failure["operation"]) for failure in failed] == [("cache-2", "connect")]
    assert "port 22 on 192.168.251.11" in failed[0]["said"]
    assert hosts.json("converge")["failed"] == []


def test_a_host_that_does_not_boot_is_named_with_its_console_and_the_others_stay_up(hosts: Bench) -> None:
    driver, cache = node("cache-2")
    driver.stop_node(cache)
    init = upper(cache) / "usr/lib/systemd/systemd"
    init.parent.mkdir(parents=True, exist_ok=True)
    init.write_text("#!/bin/sh\necho no luck today\nexit 1\n")
    init.chmod(0o755)
    try:
        done = hosts.run("up", "--yes", check=False)
        assert done.returncode == 1
        assert f"{NAME}: cache-2 (192.168.251.11) stopped before its ssh answered" in done.stderr
        assert "    no luck today" in done.stderr
        assert "cache-1 answered; run the same again when mended" in done.stderr
        assert hosts.ssh("cache-1", "hostname").strip() == "cache-1"
    finally:
        init.unlink()
    hosts.run("up", "--yes")
    assert hosts.json("converge")["failed"] == []
