"""The nspawn driver on real hosts: they come up, keep apart, survive, and go without trace. Needs root.

Hosts are shared by the tests of this module; a test that stops one starts it again.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from libcloud.compute.base import Node

from primetime.drivers.nspawn import leftovers
from primetime.drivers.nspawn.state import Network
from primetime.errors import PrimetimeError
from primetime.paths import REPO
from tests.nspawn_hosts import create, driver_of, ssh, state_of
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hosts by systemd-nspawn need root")

PREFIX = f"test-nspawn-{os.getpid()}"
NAMES = [f"host-{number}" for number in range(1, 9)]


def python(code: str, *argv: str, **options: Any) -> subprocess.Popen[str]:
    """Another process that has the drivers at hand."""
    prelude = "import sys, primetime.drivers\nfrom libcloud.compute.providers import get_driver\n"
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    return subprocess.Popen(
        [sys.executable, "-c", prelude + code, *argv], stdout=subprocess.PIPE, text=True, env=environment, **options
    )


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    made = driver_of(PREFIX)
    try:
        yield made
    finally:
        made.ex_destroy_network()


@pytest.fixture(scope="module")
def hosts(driver: Any) -> list[Node]:
    return create(driver, *NAMES)


@pytest.fixture
def other() -> Iterator[Any]:
    """A second network, gone after the test."""
    made = driver_of(f"{PREFIX}-b")
    try:
        yield made
    finally:
        made.ex_destroy_network()


def test_eight_hosts_made_at_once_answer_ssh_by_their_names(hosts: list[Node]) -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda node: ssh(node, "hostname").stdout.strip(), hosts)) == NAMES


def test_a_host_boots_without_a_failed_unit(hosts: list[Node]) -> None:
    assert ssh(hosts[0], "systemctl is-system-running --wait").stdout.strip() == "running"


def test_another_process_lists_the_hosts_as_running(hosts: list[Node]) -> None:
    code = "print(*(f'{n.name}={n.state.value}' for n in get_driver('nspawn')(sys.argv[1]).list_nodes()))"
    with python(code, PREFIX) as process:
        listed = process.communicate()[0].split()
    assert listed == [f"{name}=running" for name in NAMES]


def test_labels_come_back_with_the_node(other: Any) -> None:
    image = other.ex_ensure_image("bookworm")
    other.create_node("redis-1", other.ex_size(256), image, ex_labels={"groups": "base,redis"})
    assert other.list_nodes()[0].extra["labels"] == {"groups": "base,redis"}


def test_a_name_is_given_once(driver: Any, hosts: list[Node]) -> None:
    with pytest.raises(PrimetimeError, match="has a node host-1 already"):
        create(driver, "host-1")


def test_packages_install_without_a_fresh_list(hosts: list[Node]) -> None:
    assert ssh(hosts[0], "apt-get install -y --no-install-recommends hello && hello").stdout.endswith("Hello, world!\n")


def test_a_host_reaches_the_package_mirror(hosts: list[Node]) -> None:
    updated = ssh(hosts[1], "apt-get update --error-on=any", check=False)
    assert updated.returncode == 0, updated.stderr


def test_a_host_cannot_reach_the_addresses_of_metadata_services(hosts: list[Node], other: Any) -> None:
    """A host of another network stands in for one, so that there is something to reach; this machine does reach it."""
    link_local = "169.254.77.77"  # not 169.254.169.254 itself: in a cloud this machine would lose it meanwhile
    (far,) = create(other, "far")
    ssh(far, f"ip addr add {link_local}/32 dev host0")
    subprocess.run(["ip", "route", "add", link_local, "via", far.private_ips[0]], check=True)  # goes with the bridge
    with socket.create_connection((link_local, 22), timeout=5) as connection:
        assert connection.recv(4) == b"SSH-"
    reach = "timeout 2 bash -c 'head -c 4 < /dev/tcp/%s/22'"
    assert ssh(hosts[0], reach % far.private_ips[0]).stdout == "SSH-"
    assert ssh(hosts[0], reach % link_local, check=False).returncode != 0
    assert ssh(hosts[0], reach % "169.254.169.254", check=False).returncode != 0


def test_a_long_packet_finds_its_way_out(hosts: list[Node]) -> None:
    """A SYN that leaves through this machine offers no more than the uplink carries."""
    route = json.loads(subprocess.run(["ip", "-j", "route", "get", "1.1.1.1"], capture_output=True, check=True).stdout)
    mtu = int(Path("/sys/class/net", route[0]["dev"], "mtu").read_text())
    mirror = urlsplit(ssh(hosts[0], "apt-get indextargets --format '$(SITE)' | head -n 1").stdout.strip())
    target = (mirror.hostname, mirror.port or {"http": 80, "https": 443}[mirror.scheme])
    probe = f"import socket; s = socket.create_connection({target!r}, 10); print(s.getsockopt(6, 2))"
    assert int(ssh(hosts[0], f'python3 -c "{probe}"').stdout) <= mtu - 40


def test_a_killed_host_starts_again_on_its_address_with_its_data(driver: Any, hosts: list[Node]) -> None:
    ssh(hosts[2], "echo kept > /root/data && sync /root/data")
    for _ in range(2):  # what came back from one kill outlives the next
        driver.ex_kill(hosts[2])
        assert state_of(driver, hosts[2].name) == "stopped"
        driver.start_node(hosts[2])
        driver.ex_wait_for_ssh([hosts[2]])
        assert ssh(hosts[2], "cat /root/data").stdout == "kept\n"


def test_a_stopped_host_shuts_down_in_order_and_starts_again(driver: Any, hosts: list[Node]) -> None:
    driver.stop_node(hosts[3])
    assert state_of(driver, hosts[3].name) == "stopped"
    assert "has been shut down" in Path(hosts[3].extra["console"]).read_text()
    driver.start_node(hosts[3])
    driver.ex_wait_for_ssh([hosts[3]])


def test_a_rebooted_host_is_a_new_boot(driver: Any, hosts: list[Node]) -> None:
    before = ssh(hosts[3], "cat /proc/sys/kernel/random/boot_id").stdout
    driver.reboot_node(hosts[3])
    driver.ex_wait_for_ssh([hosts[3]])
    assert ssh(hosts[3], "cat /proc/sys/kernel/random/boot_id").stdout != before


def test_a_host_may_reboot_itself(driver: Any, hosts: list[Node]) -> None:
    before = ssh(hosts[4], "cat /proc/sys/kernel/random/boot_id").stdout
    ssh(hosts[4], "systemctl reboot", check=False)

    def again() -> bool:
        found = ssh(hosts[4], "cat /proc/sys/kernel/random/boot_id", check=False)
        return found.returncode == 0 and found.stdout != before

    wait_for(again, "host-5 boots again")


def _leader(driver: Any, node: Node) -> int:
    """The pid of a node's first process, from the file that it wrote at its start."""
    return int((Network(driver.key).node(node.name) / "leader").read_text().split()[1])


def test_a_host_has_a_session_of_its_own(driver: Any, hosts: list[Node]) -> None:
    """So that Ctrl-C, or the end of a terminal, ends the command and not the hosts."""
    assert os.getsid(_leader(driver, hosts[0])) != os.getsid(0)


def test_two_networks_have_hosts_of_the_same_name(hosts: list[Node], other: Any) -> None:
    (twin,) = create(other, "host-1")
    assert twin.private_ips != hosts[0].private_ips
    assert ssh(twin, "cat /etc/machine-id").stdout != ssh(hosts[0], "cat /etc/machine-id").stdout


def test_one_network_goes_and_the_other_stays(driver: Any, hosts: list[Node], other: Any) -> None:
    create(other, "host-1")
    other.ex_destroy_network()
    assert leftovers.find(other.key) == []
    assert ssh(hosts[0], "hostname").returncode == 0


def test_after_a_reboot_of_this_machine_a_host_comes_back_on_its_address(other: Any) -> None:
    """A reboot takes processes, links, tables and /run, and leaves /var/lib."""
    (node,) = create(other, "host-1")
    other.ex_kill(node)
    network = other.ex_network()
    subprocess.run(["ip", "link", "delete", network["bridge"]], check=True)
    subprocess.run(["nft", "delete", "table", "ip", network["table"]], check=True)
    subprocess.run(["rm", "-r", f"/run/primetime/{other.key}"], check=True)
    later = driver_of(other.key)
    assert [str(found.state.value) for found in later.list_nodes()] == ["stopped"]
    later.start_node(node)
    later.ex_wait_for_ssh([node])
    assert ssh(node, "hostname").stdout == "host-1\n"
    assert later.ex_network() == network


def test_a_boot_that_fails_shows_the_end_of_its_console(other: Any) -> None:
    (node,) = create(other, "host-1")
    other.stop_node(node)
    init = Network(other.key).node("host-1") / "upper/usr/lib/systemd/systemd"
    init.parent.mkdir(parents=True)
    init.write_text("#!/bin/sh\necho this init is broken\nexit 7\n")
    init.chmod(0o755)
    other.start_node(node)
    with pytest.raises(PrimetimeError, match=r"(?s)host-1 .* stopped before its ssh answered.*this init is broken"):
        other.ex_wait_for_ssh([node])


def test_a_host_that_does_not_answer_in_time_is_named(driver: Any, hosts: list[Node]) -> None:
    ssh(hosts[6], "systemctl stop ssh", check=False)
    try:
        with pytest.raises(PrimetimeError, match=r"host-7 .* did not answer ssh on port 22 within 0.3 s"):
            driver.ex_wait_for_ssh([hosts[6]], timeout_s=0.3)
    finally:
        driver.reboot_node(hosts[6])
        driver.ex_wait_for_ssh([hosts[6]])


def test_a_second_command_on_a_network_is_told_who_holds_it(other: Any) -> None:
    code = "with get_driver('nspawn')(sys.argv[1]).ex_lock('primetime up'): print('held', flush=True); sys.stdin.read()"
    with python(code, other.key, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(PrimetimeError, match=rf"`primetime up` \(pid {process.pid}, since "), other.ex_lock("down"):
            pass
        process.communicate("")
    with other.ex_lock("down"):
        pass


def test_hosts_do_not_hold_the_lock_of_the_command_that_started_them(other: Any) -> None:
    other.ex_ensure_image("bookworm")
    code = """
driver = get_driver('nspawn')(sys.argv[1])
with driver.ex_lock('primetime up'):
    driver.create_node('host-1', driver.ex_size(256), driver.list_images()[0])
    print('made', flush=True)
    sys.stdin.read()
"""
    with python(code, other.key, stdin=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "made\n"
        process.kill()
        process.wait()
    assert state_of(other, "host-1") == "running"
    with other.ex_lock("down"):
        pass


@pytest.mark.parametrize(
    "kind",
    ["process ", " is mounted", "network link pt-", "network link vb-", "nft table ip", "control group", "/var/lib"],
)
def test_what_is_there_while_hosts_run_is_named(hosts: list[Node], kind: str) -> None:
    assert any(kind in sentence for sentence in leftovers.find(PREFIX))


def test_what_is_there_of_one_network_is_there_of_all(hosts: list[Node]) -> None:
    kinds = ("process", "network link", "nft table", "/var/lib")
    before, all_of_them, after = leftovers.find(PREFIX), leftovers.find(), leftovers.find(PREFIX)
    ours = {sentence for sentence in set(before) & set(after) if sentence.startswith(kinds)}
    assert ours
    assert ours <= set(all_of_them)


def test_a_network_with_hosts_and_open_connections_goes_without_trace(other: Any) -> None:
    one, two = create(other, "host-1", "host-2")
    ssh(one, "true")  # leaves a shared connection open
    other.destroy_node(two)
    assert [node.name for node in other.list_nodes()] == ["host-1"]
    other.ex_destroy_network()
    assert leftovers.find(other.key) == []
    assert other.key not in leftovers.networks()


def test_destroying_twice_is_no_error(other: Any) -> None:
    other.ex_create_network()
    assert other.ex_destroy_network()
    assert other.ex_destroy_network()


def test_a_creator_killed_at_any_moment_leaves_nothing_that_a_sweep_does_not_remove() -> None:
    code = """
from concurrent.futures import ThreadPoolExecutor
driver = get_driver('nspawn')(sys.argv[1])
print('begins', flush=True)
with driver.ex_lock('primetime up'), ThreadPoolExecutor(4) as pool:
    make = lambda n: driver.create_node(f'host-{n}', driver.ex_size(256), driver.list_images()[0])
    list(pool.map(make, range(4)))
"""
    name = f"{PREFIX}-killed"
    moments = random.Random(os.urandom(8))
    left = []
    while len(left) < 8 or (not any(left) and len(left) < 50):  # a busy machine may be slower than eight moments
        with python(code, name, start_new_session=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(moments.uniform(0, 0.4))  # the moment is the test's subject, not a wait for anything
            process.send_signal(signal.SIGKILL)
        left.append(len(leftovers.sweep(name)))
        wait_for(lambda: leftovers.find(name) == [], f"{name} is gone after {left}")
    assert any(left), "every creator was killed before it had made anything"


def test_a_sweep_does_not_take_a_network_from_a_living_command(other: Any) -> None:
    other.ex_create_network()
    with other.ex_lock("primetime up"), pytest.raises(PrimetimeError, match="`primetime up`"):
        leftovers.sweep(other.key)
    assert other.ex_network()
