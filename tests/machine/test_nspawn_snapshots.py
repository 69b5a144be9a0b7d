"""A host's disk kept and brought back exactly; others that begin where it stood. Needs root."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from libcloud.compute.base import Node

from primetime.drivers.nspawn import leftovers
from primetime.drivers.nspawn.state import Network
from primetime.errors import PrimetimeError, UsageError
from tests.nspawn_hosts import create, driver_of, ssh, state_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hosts by systemd-nspawn need root")

PREFIX = f"test-nspawn-snapshots-{os.getpid()}"
# Everything that a test or a package leaves, less what each boot writes: path, mode, owner, size, target; and contents.
LIST = r"""find / -xdev \( -path /var/log -o -path /var/tmp -o -path /tmp -o -path /var/lib/systemd \) -prune -o \
-printf '%p %M %U:%G %l\n' | sort; find /root /etc /opt /srv -xdev -type f -exec sha256sum {} + | sort"""
CHANGE = """
echo changed > /root/kept; chmod 600 /root/kept; rm /root/doomed; rm -r /srv/tree; mkdir /srv/tree; touch /srv/tree/new
ln -sfn /elsewhere /root/link; rm /etc/debian_version; chmod 700 /opt; chown 7:7 /root/script; mkfifo /root/pipe
mv /root/folder /root/moved; chmod 711 /
"""
FILL = """
mkdir -p /srv/tree/deep /root/folder; echo one > /root/kept; echo two > /root/doomed; echo three > /srv/tree/deep/file
ln -s /somewhere /root/link; install -m 4750 /bin/true /root/script; echo four > /root/folder/file
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    made = driver_of(PREFIX)
    try:
        yield made
    finally:
        made.ex_destroy_network()
    assert leftovers.find(PREFIX) == []


@pytest.fixture
def host(driver: Any) -> Iterator[Node]:
    (node,) = create(driver, "host-1")
    try:
        yield node
    finally:
        driver.destroy_node(node)


def names(driver: Any, node: Node) -> list[str]:
    return [snapshot.name for snapshot in driver.ex_list_snapshots(node)]


def test_a_reset_brings_back_every_file_and_mode_as_it_was(driver: Any, host: Node) -> None:
    ssh(host, FILL)
    driver.ex_snapshot(host, "filled")
    driver.ex_wait_for_ssh([host])
    before = ssh(host, LIST).stdout
    ssh(host, CHANGE)
    assert ssh(host, LIST).stdout != before
    driver.ex_reset(host, "filled")
    driver.ex_wait_for_ssh([host])
    assert ssh(host, LIST).stdout == before


def test_one_may_go_back_and_forth_between_snapshots(driver: Any, host: Node) -> None:
    for name in ("one", "two", "three"):
        ssh(host, f"echo {name} > /root/name; echo {name} >> /root/names")
        driver.ex_snapshot(host, name)
        driver.ex_wait_for_ssh([host])
    assert names(driver, host) == ["one", "two", "three"]
    for name, lines in (("one", 1), ("three", 3), ("two", 2)):
        driver.ex_reset(host, name)
        driver.ex_wait_for_ssh([host])
        assert ssh(host, "cat /root/name; wc -l < /root/names").stdout.split() == [name, str(lines)]


def test_a_host_made_from_a_snapshot_has_its_data_and_an_identity_of_its_own(driver: Any, host: Node) -> None:
    ssh(host, "echo kept > /root/data")
    snapshot = driver.ex_snapshot(host, "golden")
    image = driver.ex_ensure_image("bookworm")
    twin = driver.create_node("twin", driver.ex_size(256), image, ex_snapshot=snapshot)
    try:
        driver.ex_wait_for_ssh([host, twin])
        identity = "cat /etc/machine-id /etc/hostname /etc/ssh/ssh_host_ed25519_key.pub; ip -4 -br addr show host0"
        ours, theirs = (ssh(node, identity).stdout.splitlines() for node in (host, twin))
        assert not set(ours) & set(theirs)
        assert ssh(twin, "hostname; cat /root/data").stdout.split() == ["twin", "kept"]
        ssh(twin, "echo other > /root/data")
        assert ssh(host, "cat /root/data").stdout == "kept\n"
    finally:
        driver.destroy_node(twin)


def test_a_host_lives_on_when_the_one_it_was_made_from_is_destroyed(driver: Any) -> None:
    (first,) = create(driver, "first")
    ssh(first, "echo kept > /root/data")
    snapshot = driver.ex_snapshot(first, "golden")
    heir = driver.create_node("heir", driver.ex_size(256), driver.ex_ensure_image("bookworm"), ex_snapshot=snapshot)
    driver.destroy_node(first)
    driver.reboot_node(heir)
    driver.ex_wait_for_ssh([heir])
    assert ssh(heir, "cat /root/data").stdout == "kept\n"
    assert driver.ex_list_snapshots() == []
    driver.destroy_node(heir)
    assert not Network(PREFIX).layers.exists(), "the last one that stood on it took the layer along"


def test_a_stopped_host_is_still_stopped_after_its_snapshot(driver: Any, host: Node) -> None:
    driver.stop_node(host)
    driver.ex_snapshot(host, "still")
    driver.ex_reset(host, "still")
    assert state_of(driver, host.name) == "stopped"


def test_all_hosts_go_back_to_one_point_and_their_cables_are_whole(driver: Any, host: Node) -> None:
    (other,) = create(driver, "host-2")
    try:
        for node in (host, other):
            ssh(node, "echo seeded > /root/state")
        driver.ex_snapshot_network("seeded")
        driver.ex_wait_for_ssh([host, other])
        for node in (host, other):
            ssh(node, "echo spoiled > /root/state")
        driver.ex_loss(host, 100)
        driver.ex_kill(other)
        driver.ex_reset_network("seeded")
        driver.ex_wait_for_ssh([host, other])
        assert [ssh(node, "cat /root/state").stdout for node in (host, other)] == ["seeded\n"] * 2
    finally:
        driver.destroy_node(other)


def test_a_deleted_snapshot_is_gone_and_the_host_stays(driver: Any, host: Node) -> None:
    ssh(host, "echo kept > /root/data")
    driver.ex_snapshot(host, "brief")
    driver.ex_delete_snapshot(host, "brief")
    driver.ex_wait_for_ssh([host])
    assert (names(driver, host), ssh(host, "cat /root/data").stdout) == ([], "kept\n")
    with pytest.raises(PrimetimeError, match="host-1 has no snapshot brief: its snapshots are none"):
        driver.ex_reset(host, "brief")


def test_a_snapshot_that_was_cut_short_loses_nothing(driver: Any, host: Node) -> None:
    """The moment at which the least is in its place: the record names a layer that is still the upper folder."""
    ssh(host, "echo kept > /root/data")
    driver.stop_node(host)
    network = Network(PREFIX)
    network.rewrite(replace(network.record(host.name), layers=["cut"]))
    driver.start_node(host)
    driver.ex_wait_for_ssh([host])
    assert ssh(host, "cat /root/data").stdout == "kept\n"
    assert Path(network.layers, "cut", "root/data").exists()


def test_a_snapshot_s_name_is_given_once_and_stops_nobody(driver: Any, host: Node) -> None:
    driver.stop_node(host)
    driver.ex_snapshot(host, "once")
    driver.start_node(host)
    with pytest.raises(PrimetimeError, match="has a snapshot once already"):
        driver.ex_snapshot(host, "once")
    with pytest.raises(UsageError, match="small letters"):
        driver.ex_snapshot(host, "../once")
    assert state_of(driver, host.name) == "running"
