"""What every host promises."""

from typing import Any

import pytest

from primetime.verify.shell import read
from roles.base.settings import Base, BaseExporter

GROUP = "base"


def test_every_node_of_the_topology_resolves(host: Any, node: Any) -> None:
    """But for members of groups that come and go to which no host connects."""
    for peer in node.data["named"]:
        assert peer["address"] in host.check_output("getent ahostsv4 %s", peer["name"])
    assert node.address in host.check_output("getent ahostsv4 $(uname -n)")  # on EC2 its host name is another


def test_its_disks_have_room(host: Any, node: Any) -> None:
    """free_disk_mb of each, or a tenth where a whole disk is not much more than that."""
    wanted_mb = node.mine(Base).free_disk_mb
    short = []
    for line in host.run("df -Pm -x devtmpfs").stdout.splitlines()[1:]:
        _, size_mb, _, free_mb, _, place = line.split(maxsplit=5)
        virtual = place.startswith(("/dev", "/proc", "/run", "/sys"))
        if not virtual and int(free_mb) < min(wanted_mb, max(1, int(size_mb) // 10)):
            short.append(f"{place} has {free_mb} MB left of {size_mb}")
    assert not short, ", ".join(short)


def test_the_journal_has_a_limit(host: Any) -> None:
    assert "SystemMaxUse=" in host.file("/etc/systemd/journald.conf.d/primetime.conf").content_string


def test_the_journal_keeps_to_its_limit(host: Any, node: Any) -> None:
    used = int(host.check_output("du -sm /var/log/journal").split()[0])
    assert used <= node.mine(Base).journal_max_mb


def test_the_hosts_reach_what_it_opens_to_them_and_nothing_else(node: Any, network: Any) -> None:
    wrong = network.into(node, controller=False)
    assert not wrong, "; ".join(wrong)


def test_the_controlling_machine_reaches_what_it_opens_to_it_and_nothing_else(node: Any, network: Any) -> None:
    wrong = network.into(node, controller=True)
    assert not wrong, "; ".join(wrong)


def test_nothing_undeclared_listens(node: Any, network: Any) -> None:
    declared = {(flow["transport"], flow["port"]) for flow in node.data["flows_in"]}
    listening = {
        (transport, port)
        for transport, address, port in network.listening[node.name]
        if not address.startswith("127.") and address != "::1"
    }
    undeclared = ", ".join(f"{port} ({transport})" for transport, port in sorted(listening - declared))
    assert not undeclared, f"something listens on {undeclared}"


def test_the_firewall_in_force_is_the_one_on_disk(host: Any) -> None:
    # The file is loaded beside it, in a network of its own that ends with the command.
    loaded = "nft -f /etc/primetime/base/firewall.nft && nft list table inet primetime"
    on_disk = host.check_output("unshare --net sh -c %s", loaded)
    in_force = host.check_output("nft list table inet primetime")
    differing = sorted(set(in_force.splitlines()) ^ set(on_disk.splitlines()))
    assert in_force == on_disk, f"they differ in: {'; '.join(line.strip() for line in differing) or 'their order'}"


@pytest.mark.daemon("base_exporter")
def test_it_shows_the_host_to_monitoring(host: Any, node: Any) -> None:
    """Each collector has found something. Only the monitoring host may ask it, and the host itself."""
    settings = node.mine(BaseExporter)
    shown = read(host, f"http://{node.address}:{settings.port}/metrics")
    lines = shown.splitlines()
    silent = [
        name
        for name in settings.collectors
        if f'node_scrape_collector_success{{collector="{name}"}} 1' not in lines
        # Debian 13's calls pressure failed where the kernel has none of interrupts, and shows the rest
        and not any(line.startswith(f"node_{name}_") for line in lines)
    ]
    assert silent == []
