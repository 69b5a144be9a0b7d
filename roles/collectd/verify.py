"""What collectd promises beyond running and listening."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from roles.collectd.settings import CollectdAgent, CollectdReceiver

GROUP = "collectd_receiver"
DATA = "/var/lib/primetime-collectd"
ROUNDS = 4  # of figures, in which something arrives
ALWAYS = ("cpu", "load", "memory")  # what any host has, a container too

# argv: a file; prints how many seconds back its longest archive reaches. The layout is rrd_format.h's, of 64 bits.
REACHES = """
import struct, sys
data = open(sys.argv[1], "rb").read()
sources, archives, step = struct.unpack_from("<3Q", data, 24)
at = [128 + 120 * (sources + number) for number in range(archives)]
print(max(rows * each * step for rows, each in (struct.unpack_from("<2Q", data, place + 24) for place in at)))
"""

# argv: address, port; sends a figure in the clear as a host called stranger: collectd's binary protocol, part by part.
STRANGER = """
import socket, struct, sys, time
def text(kind, value): return struct.pack(">HH", kind, 5 + len(value)) + value.encode() + bytes(1)
def number(kind, value): return struct.pack(">HHQ", kind, 12, value)
packet = text(0, "stranger") + number(1, int(time.time())) + number(7, 10) + text(2, "load") + text(4, "load")
packet += struct.pack(">HHH3B", 6, 33, 3, 1, 1, 1) + struct.pack("<3d", 1, 1, 1)
socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(packet, (sys.argv[1], int(sys.argv[2])))
"""


def _left(node: Any, look: Callable[[], list[str]]) -> list[str]:
    """What `look` still finds wrong after these rounds; it returns once nothing is."""
    ends = time.monotonic() + ROUNDS * node.mine(CollectdReceiver).interval_s
    while (wrong := look()) and time.monotonic() < ends:
        time.sleep(0.5)
    return wrong


def _fresh(host: Any, seconds: int) -> set[tuple[str, str]]:
    """(host, plugin) of every file that was written within so many seconds."""
    found = host.check_output("find %s -name '*.rrd' -newermt '-%s seconds' -printf '%%P\\n'", DATA, seconds)
    return {(name, plugin.partition("-")[0]) for name, plugin, _ in (line.split("/") for line in found.splitlines())}


def test_each_host_s_figures_arrive_and_are_fresh(host: Any, node: Any, network: Any) -> None:
    """Of those that answer: one that is away, or whose agent is, is a broken promise of its own."""
    names = [peer.name for peer in node.peers("collectd_agent") if peer.name in network.listening]

    def silent() -> list[str]:
        fresh = _fresh(host, 3 * node.mine(CollectdReceiver).interval_s)
        return [f"{name}: {plugin}" for name in names for plugin in ALWAYS if (name, plugin) not in fresh]

    assert not (wrong := _left(node, silent)), f"nothing new of {', '.join(wrong)}"


def test_it_takes_nothing_that_is_not_encrypted(host: Any, node: Any) -> None:
    """What arrived after it has been written when the stranger's would have been: one thread takes all in order."""
    since = host.check_output("date +%%s.%%N")
    host.check_output("python3 -c %s %s %s", STRANGER, node.address, str(node.mine(CollectdReceiver).port))

    def unwritten() -> list[str]:
        found = host.check_output("find %s -name '*.rrd' -newermt @%s -print -quit", f"{DATA}/{node.name}", since)
        return [] if found else [node.name]

    assert not (wrong := _left(node, unwritten)), f"nothing new of {', '.join(wrong)}"
    assert not host.file(f"{DATA}/stranger").exists


def test_its_files_reach_back_as_far_as_declared(host: Any, node: Any) -> None:
    wanted = max(node.mine(CollectdReceiver).timespans_s)
    file = host.check_output("find %s -name load.rrd -print -quit", DATA)
    assert file, "no host's load has arrived yet"
    reaches = int(host.check_output("python3 -c %s %s", REACHES, file))
    assert wanted <= reaches < 1.1 * wanted


def test_what_it_keeps_is_its_own(host: Any) -> None:
    folder, users = host.file(DATA), host.file("/etc/primetime/collectd-receiver/users")
    assert (folder.mode, folder.user) == (0o750, "collectd-receiver")
    assert (users.mode, users.user, users.group) == (0o640, "root", "collectd-receiver")


def test_it_runs_as_its_own_user(host: Any) -> None:
    assert _user(host, "primetime-collectd-receiver") == "collectd-receiver"


def _user(host: Any, service: str) -> str:
    pid = host.check_output("systemctl show -P MainPID %s", service)
    return str(host.check_output("ps -o user:32= -p %s", pid).strip())


def test_the_distribution_s_collectd_stays_off(host: Any) -> None:
    assert not host.service("collectd").is_running
    assert host.service("collectd").is_masked


@pytest.mark.daemon("collectd_agent")
def test_it_keeps_the_secret_to_itself(host: Any) -> None:
    file = host.file("/etc/primetime/collectd-agent/agent.conf")
    assert (file.mode, file.user, file.group) == (0o640, "root", "collectd-agent")


@pytest.mark.daemon("collectd_agent")
def test_it_runs_as_the_agent_s_user(host: Any) -> None:
    assert _user(host, "primetime-collectd-agent") == "collectd-agent"


@pytest.mark.daemon("collectd_agent")
def test_its_plugins_are_there(host: Any, node: Any) -> None:
    files = [f"/usr/lib/collectd/{plugin}.so" for plugin in node.mine(CollectdAgent).plugins]
    assert [file for file in files if not host.file(file).exists] == []
