"""What every host promises."""

from typing import Any

GROUP = "base"


def test_every_node_of_the_topology_resolves(host: Any, node: Any) -> None:
    for peer in node.peers("base"):
        assert peer.address in host.check_output("getent hosts %s", peer.name)


def test_the_journal_has_a_limit(host: Any) -> None:
    assert "SystemMaxUse=" in host.file("/etc/systemd/journald.conf.d/primetime.conf").content_string
