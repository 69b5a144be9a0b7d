"""Cables that are cut, lossy or slow, between real hosts, and whole again. Needs root.

The three hosts are shared; each test begins and ends with every cable whole.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node

from primetime.drivers.nspawn import leftovers
from primetime.errors import PrimetimeError, UsageError
from tests.nspawn_hosts import create, driver_of, ssh
from tests.waiting import wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hosts by systemd-nspawn need root")

PREFIX = f"test-nspawn-faults-{os.getpid()}"
DELAY_MS = 150
ROUND_TRIPS_S = 4 * DELAY_MS / 1000  # to connect, and to be greeted


@pytest.fixture(scope="module")
def network() -> Iterator[Any]:
    made = driver_of(PREFIX)
    try:
        yield made
    finally:
        made.ex_destroy_network()
    assert leftovers.find(PREFIX) == []


@pytest.fixture(scope="module")
def three(network: Any) -> list[Node]:
    return create(network, "host-a", "host-b", "host-c")


@pytest.fixture
def driver(network: Any, three: list[Node]) -> Iterator[Any]:
    try:
        yield network
    finally:
        network.ex_heal()


def listed(driver: Any, name: str) -> list[str]:
    return next([str(fault) for fault in node.extra["faults"]] for node in driver.list_nodes() if node.name == name)


def hello(source: Node, target: Node, timeout_s: float = 10) -> float | None:
    """Seconds from a host until another's sshd has said who it is: two round trips. None when it does not answer."""
    code = (
        "import socket, time; began = time.monotonic(); "
        f"socket.create_connection(({target.private_ips[0]!r}, 22), {timeout_s}).recv(1); "
        "print(time.monotonic() - began)"
    )
    done = ssh(source, f'python3 -c "{code}"', check=False)
    assert done.stdout or "Error" in done.stderr, f"{source.name} was not asked: exit {done.returncode}, {done.stderr}"
    return float(done.stdout) if done.stdout else None


def hello_from_here(target: Node, timeout_s: float = 10) -> float | None:
    began = time.monotonic()
    with contextlib.suppress(OSError), socket.create_connection((target.private_ips[0], 22), timeout_s) as connection:
        connection.settimeout(timeout_s)
        if connection.recv(1):
            return time.monotonic() - began
    return None


def is_quick(source: Node, target: Node) -> None:
    """Any one exchange that is faster than the delay could ever let it be."""
    wait_for(lambda: (hello(source, target) or 9) < ROUND_TRIPS_S, f"{source.name} reaches {target.name} undelayed")


def is_slow(source: Node, target: Node) -> None:
    """Not one exchange is faster; two are asked for, and each comes through sooner or later."""
    seconds: list[float] = []

    def two_came() -> bool:
        said = hello(source, target)
        if said is not None:
            seconds.append(said)
        return len(seconds) == 2

    wait_for(two_came, f"{source.name} reaches {target.name}")
    assert min(seconds) >= ROUND_TRIPS_S, seconds


def echo(target: Node) -> None:
    """Have datagrams to port 9 sent back. Before a fault: ssh may give up on a cable that loses a third."""
    code = "import socket\ns = socket.socket(2, 2)\ns.bind(('', 9))\nwhile 1: s.sendto(*s.recvfrom(99))"
    ssh(target, f'systemctl is-active -q echo || systemd-run -q --unit=echo python3 -c "{code}"')


def lost(source: Node, target: Node, count: int = 200) -> int:
    """How many of so many datagrams and their answers did not come back from where echoes are."""
    code = f"""
import socket, time
s = socket.socket(2, 2)
s.connect(({target.private_ips[0]!r}, 9))
def heard(seconds):
    s.settimeout(seconds)
    try:
        return s.recv(9)
    except OSError:
        return b''
deadline = time.monotonic() + 20
while not heard(0.05) and time.monotonic() < deadline:
    s.send(b'ready?')
for number in range({count}):
    s.send(b'%d' % number)
came = set()
while len(came) < {count} and (answer := heard(5)):
    came |= {{answer}} - {{b'ready?'}}
print({count} - len(came))
"""
    return int(ssh(source, f'python3 -c "{code}"').stdout)


def test_a_host_whose_link_is_down_is_reached_by_nobody_until_it_is_up(driver: Any, three: list[Node]) -> None:
    a, b, _ = three
    driver.ex_link_down(a)
    assert (hello_from_here(a, 1), hello(b, a, 1)) == (None, None)
    assert listed(driver, "host-a") == ["link down"]
    driver.ex_link_up(a)
    wait_for(lambda: hello_from_here(a, 1) is not None, "host-a answers again")
    assert listed(driver, "host-a") == []


def test_a_link_that_is_down_takes_the_carrier_from_the_host(driver: Any, three: list[Node]) -> None:
    driver.ex_link_down(three[0])
    assert Path("/sys/class/net", three[0].extra["link"], "operstate").read_text() == "down\n"


def test_loss_on_a_cable_loses_some_packets_and_not_all(driver: Any, three: list[Node]) -> None:
    a, b, c = three
    echo(a)
    echo(c)
    driver.ex_loss(a, 20)  # of a question and its answer, 36 %
    assert 0.2 < lost(b, a) / 200 < 0.55
    assert lost(b, c) == 0


def test_loss_between_two_hosts_spares_everybody_else(driver: Any, three: list[Node]) -> None:
    a, b, c = three
    driver.ex_loss(a, 100, to=b)
    assert (hello(a, b, 1), hello(b, a, 1)) == (None, None)
    assert None not in (hello(a, c), hello(c, b), hello_from_here(a), hello_from_here(b))


def test_a_fault_between_two_hosts_is_the_same_from_either_end(driver: Any, three: list[Node]) -> None:
    a, b, _ = three
    driver.ex_loss(a, 5, to=b)
    driver.ex_loss(b, 7, to=a)
    both = ["loss 7 % between host-a and host-b"]
    assert (listed(driver, "host-a"), listed(driver, "host-b"), listed(driver, "host-c")) == (both, both, [])
    driver.ex_loss(b, 0, to=a)
    assert listed(driver, "host-a") == []


def test_a_slow_cable_delays_both_ways_and_everybody(driver: Any, three: list[Node]) -> None:
    a, b, c = three
    driver.ex_delay(a, DELAY_MS)
    is_slow(a, b)
    is_slow(b, a)
    assert (hello_from_here(a) or 0) >= ROUND_TRIPS_S
    is_quick(b, c)
    driver.ex_delay(a, 0)
    is_quick(b, a)


def test_a_delay_between_two_hosts_spares_everybody_else(driver: Any, three: list[Node]) -> None:
    a, b, c = three
    driver.ex_delay(b, DELAY_MS, jitter_ms=20, to=a)
    assert listed(driver, "host-a") == ["delay 150 ms and up to 20 ms more between host-a and host-b"]
    is_slow(a, b)
    is_slow(b, a)
    is_quick(a, c)
    is_quick(c, b)
    wait_for(lambda: (hello_from_here(a) or 9) < ROUND_TRIPS_S, "host-a is near for the controlling machine")


def test_every_byte_comes_through_a_slow_and_lossy_cable(driver: Any, three: list[Node]) -> None:
    a, b, _ = three
    ssh(a, "head -c 20000000 /dev/urandom > /root/sent")
    serve = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=8000)"
    ssh(a, f'cd /root && systemd-run -q --unit=serve --working-directory=/root python3 -c "{serve}"')
    ssh(b, f"timeout 20 bash -c 'until : < /dev/tcp/{a.private_ips[0]}/8000; do sleep 0.1; done' 2> /dev/null")
    driver.ex_delay(a, 5, jitter_ms=5)
    driver.ex_loss(a, 0.5, to=b)
    fetch = f"import urllib.request as u; u.urlretrieve('http://{a.private_ips[0]}:8000/sent', '/root/got')"
    ssh(b, f'python3 -c "{fetch}"')
    driver.ex_heal()
    assert ssh(a, "sha256sum < /root/sent").stdout == ssh(b, "sha256sum < /root/got").stdout


def test_faults_are_the_cables_and_outlast_a_restart_of_the_host(driver: Any, three: list[Node]) -> None:
    a, b, c = three
    driver.ex_delay(a, DELAY_MS, to=b)
    driver.ex_loss(a, 100, to=c)
    driver.ex_kill(a)
    driver.start_node(a)
    driver.ex_wait_for_ssh([a])
    wait_for(lambda: (hello(b, a) or 0) >= ROUND_TRIPS_S, "host-a is slow again")
    assert hello(c, a, 1) is None


def test_the_same_fault_twice_is_one_and_its_process_goes_on(driver: Any, three: list[Node]) -> None:
    driver.ex_delay(three[0], 10)
    (before,) = relays()
    driver.ex_delay(three[0], 10)
    assert relays() == [before]
    driver.ex_heal()
    assert relays() == []


def relays() -> list[str]:
    return [sentence for sentence in leftovers.find(PREFIX) if f"of {PREFIX}/_faults" in sentence]


def test_a_heal_of_one_host_leaves_the_faults_of_others(driver: Any, three: list[Node]) -> None:
    a, b, c = three
    driver.ex_loss(a, 1, to=b)
    driver.ex_loss(c, 2)
    driver.ex_heal(a)
    assert [listed(driver, node.name) for node in three] == [[], [], ["loss 2 %"]]


def test_what_makes_faults_is_named_while_it_is_there(driver: Any, three: list[Node]) -> None:
    driver.ex_delay(three[0], 10)
    there = leftovers.find(PREFIX)
    for kind in ("/_faults runs", "network link td-", "nft table bridge primetime_"):
        assert any(kind in sentence for sentence in there), kind


def test_a_destroyed_host_takes_its_faults_with_it(driver: Any, three: list[Node]) -> None:
    (gone,) = create(driver, "host-d")
    driver.ex_delay(gone, 10)
    driver.ex_loss(three[0], 10, to=gone)
    driver.destroy_node(gone)
    assert (listed(driver, "host-a"), relays()) == ([], [])


def test_no_fault_outlives_its_network() -> None:
    name = f"{PREFIX}-b"
    brief = driver_of(name)
    try:
        one, two = create(brief, "host-a", "host-b")
        brief.ex_delay(one, 10)
        brief.ex_loss(one, 10, to=two)
        brief.ex_link_down(two)
    finally:
        brief.ex_destroy_network()
    assert leftovers.find(name) == []


def test_a_delay_whose_process_died_is_cut_and_comes_back_when_asked_again(driver: Any, three: list[Node]) -> None:
    """A fault test must not pass because its fault went away in silence."""
    a, b, _ = three
    driver.ex_delay(a, 10)
    (pid,) = [int(sentence.split()[1]) for sentence in relays()]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: not relays(), "the relay is dead")
    assert hello(b, a, 1) is None
    driver.ex_heal()
    wait_for(lambda: hello(b, a, 1) is not None, "host-a answers again")


@pytest.mark.parametrize(("percent", "ms"), [(101, 0), (-1, 0), (0, -1)])
def test_an_amount_that_makes_no_sense_is_refused(driver: Any, three: list[Node], percent: float, ms: float) -> None:
    with pytest.raises(UsageError, match="write"):
        driver.ex_delay(three[0], ms) if ms else driver.ex_loss(three[0], percent)


def test_faults_need_a_node_that_exists(driver: Any, three: list[Node]) -> None:
    stranger = driver.list_nodes()[0]
    stranger.name = "host-x"
    with pytest.raises(PrimetimeError, match="has no node host-x"):
        driver.ex_loss(stranger, 5)


def test_the_bridge_table_is_gone_when_every_cable_is_whole(driver: Any, three: list[Node]) -> None:
    driver.ex_loss(three[0], 5)
    driver.ex_heal()
    listed = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True, check=True).stdout
    assert f"table bridge {driver.ex_network()['table']}" not in listed
