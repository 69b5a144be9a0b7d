"""What ZooKeeper promises beyond running and listening."""

from typing import Any

import pytest

from primetime.verify.shell import read
from roles.java import promises as java
from roles.zookeeper.settings import Zookeeper, ZookeeperExporter

GROUP = "zookeeper"

ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 5) as connection:
    connection.sendall(sys.argv[3].encode())
    print(connection.makefile().read())
"""


def ask(host: Any, node: Any, word: str) -> str:
    """The answer to a four-letter word, asked on the host: its port is closed to the controlling machine."""
    port = node.mine(Zookeeper).client_port
    return str(host.check_output("python3 -c %s %s %s %s", ASK, node.address, str(port), word))


def test_it_says_that_it_is_ok(host: Any, node: Any) -> None:
    assert ask(host, node, "ruok").strip() == "imok"


def test_it_serves_as_leader_or_follower(host: Any, node: Any) -> None:
    answer = ask(host, node, "srvr")
    assert "Mode: leader" in answer or "Mode: follower" in answer, answer


def test_it_keeps_to_the_words_that_are_allowed(host: Any, node: Any) -> None:
    assert "not in the whitelist" in ask(host, node, "dump")


def test_its_ensemble_is_all_hosts_of_the_group(host: Any, node: Any) -> None:
    config = host.file("/etc/primetime/zookeeper/zoo.cfg").content_string
    members = [line.split("=")[1].split(":")[0] for line in config.splitlines() if line.startswith("server.")]
    assert members == [peer.name for peer in node.peers("zookeeper")]


def test_its_heap_is_as_given(host: Any, node: Any) -> None:
    assert java.heap_mb(host, "zookeeper") == node.heap_mb("zookeeper")


def test_it_runs_as_its_own_user(host: Any) -> None:
    assert java.user(host, "zookeeper") == "zookeeper"


def test_nobody_else_reads_its_data(host: Any) -> None:
    folder = host.file("/var/lib/zookeeper")
    assert (folder.user, folder.mode) == ("zookeeper", 0o750)


@pytest.mark.daemon("zookeeper_exporter")
def test_it_shows_what_zookeeper_says_to_monitoring(host: Any, node: Any) -> None:
    """Only the monitoring host may ask it, and the host itself."""
    shown = read(host, f"http://{node.address}:{node.mine(ZookeeperExporter).port}/metrics")
    assert "zookeeper_up 1\n" in shown
    assert "zookeeper_znode_count " in shown
