"""Fifty hosts at once, and hosts of the newer release. Needs root, and takes long."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

from primetime.drivers.nspawn import leftovers
from tests.nspawn_hosts import create, driver_of, ssh

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="hosts by systemd-nspawn need root"),
    pytest.mark.long,
]


def test_fifty_hosts_come_up_at_once_and_go_without_trace() -> None:
    name = f"test-nspawn-fifty-{os.getpid()}"
    driver = driver_of(name)
    names = [f"host-{number}" for number in range(50)]
    try:
        nodes = create(driver, *names)
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(lambda node: ssh(node, "hostname").stdout.strip(), nodes)) == names
    finally:
        driver.ex_destroy_network()
    assert leftovers.find(name) == []


def test_a_trixie_host_boots_without_a_failed_unit() -> None:
    driver = driver_of(f"test-nspawn-trixie-{os.getpid()}")
    try:
        (node,) = create(driver, "host-1", image="trixie")
        assert ssh(node, "systemctl is-system-running --wait", check=False).stdout.strip() == "running"
        assert ssh(node, ". /etc/os-release && echo $VERSION_CODENAME").stdout == "trixie\n"
    finally:
        driver.ex_destroy_network()
