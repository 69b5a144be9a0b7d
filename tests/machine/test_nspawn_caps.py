"""What a host may use at most, and what it gets beside others. Needs root."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node

from tests.nspawn_hosts import create, driver_of, ssh

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hosts by systemd-nspawn need root")

PREFIX = f"test-nspawn-caps-{os.getpid()}"
# Spins for two seconds of wall time and prints the part of one CPU that it had.
SPIN = """python3 -c '
import time
began, used = time.monotonic(), time.process_time()
while time.monotonic() < began + 2: pass
print((time.process_time() - used) / (time.monotonic() - began))
'"""


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    made = driver_of(PREFIX)
    try:
        yield made
    finally:
        made.ex_destroy_network()


@pytest.fixture(scope="module")
def capped(driver: Any) -> Node:
    return create(driver, "capped", memory_mb=256, cpus=0.25)[0]


def test_memory_beyond_the_cap_is_not_to_be_had(capped: Node) -> None:
    allocate = "python3 -c 'bytearray({} << 20)'; echo $?"
    assert ssh(capped, allocate.format(100)).stdout == "0\n"
    assert ssh(capped, allocate.format(300)).stdout == "137\n"


def test_what_takes_too_much_memory_dies_and_the_others_live(capped: Node) -> None:
    ssh(capped, "systemd-run -q --unit=modest sleep infinity && systemd-run -q --unit=greedy tail /dev/zero")
    ssh(capped, "while systemctl is-active -q greedy; do sleep 0.05; done")
    assert ssh(capped, "systemctl show -P ExecMainStatus greedy").stdout == f"{signal.SIGKILL:d}\n"
    assert ssh(capped, "systemctl is-active modest ssh").stdout.split() == ["active", "active"]


def test_a_host_gets_no_more_of_the_cpu_than_its_cap(capped: Node) -> None:
    assert 0 < float(ssh(capped, SPIN).stdout) < 0.25 * 1.4  # a period at either end may not be a whole one


def test_when_the_cpu_is_short_a_host_gets_as_its_weight_says(driver: Any) -> None:
    """What the kernel does with it is the kernel's; written where it looks."""
    create(driver, "heavy", cpu_weight=200)
    name = f"primetime/{PREFIX}/heavy"
    v1, v2 = Path("/sys/fs/cgroup/cpu", name, "cpu.shares"), Path("/sys/fs/cgroup", name, "cpu.weight")
    assert (v1.read_text() if v1.exists() else v2.read_text()).strip() in ("2048", "200")
