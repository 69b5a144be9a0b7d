"""What is read back from disk, from the process table and from the mount table."""

import os
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from primetime.drivers.nspawn import cgroup, commands, lock, machine, ssh, state
from primetime.drivers.nspawn.state import Network, NodeRecord
from primetime.errors import PrimetimeError

BOOT_ID = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
V1 = """\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
34 31 0:31 / /sys/fs/cgroup/cpuset rw,relatime - cgroup cgroup rw,cpuset
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw
"""


@pytest.fixture
def network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Network:
    """A network whose files lie in a temporary folder."""
    monkeypatch.setattr(state, "STATE", tmp_path / "lib")
    monkeypatch.setattr(state, "RUN", tmp_path / "run")
    made = Network("demo")
    made.nodes.mkdir(parents=True)
    made.remember(IPv4Network("10.137.9.0/24"))
    return made


def record(name: str, address: str) -> NodeRecord:
    return NodeRecord(name, address, 256, None, "bookworm", "/nowhere")


def test_a_node_made_again_has_its_address_again(network: Network) -> None:
    before = network.free_address("redis-1", None)
    network.add(record("redis-1", before), {})
    network.drop("redis-1")
    assert network.free_address("redis-1", None) == before


def test_a_node_without_a_host_key_keeps_no_other_from_being_reached(network: Network) -> None:
    network.add(record("becomes-an-image", "10.137.9.10"), {})
    network.add(record("redis-1", "10.137.9.11"), {f"{ssh.HOST_KEY}.pub": (ssh.new_key("root@redis-1")[1], 0o644)})
    ssh.write_config(network)
    known = network.known_hosts.read_text()
    assert ("redis-1" in known, "becomes-an-image" in known) == (True, False)


def test_no_address_is_given_twice(network: Network) -> None:
    for number in range(100):
        network.add(record(f"n-{number}", network.free_address(f"n-{number}", None)), {})
    assert len({node.address for node in network.records()}) == 100


def test_an_address_that_another_node_has_is_refused_by_name(network: Network) -> None:
    network.add(record("redis-1", "10.137.9.10"), {})
    with pytest.raises(PrimetimeError, match="redis-1's address"):
        network.free_address("redis-2", "10.137.9.10")


@pytest.mark.parametrize("address", ["10.137.9.1", "10.137.9.255", "10.137.8.10", "redis"])
def test_an_address_that_no_host_can_have_is_refused(network: Network, address: str) -> None:
    with pytest.raises(PrimetimeError, match="no host of"):
        network.free_address("redis-1", address)


def test_a_torn_record_is_not_a_node(network: Network) -> None:
    network.add(record("redis-1", "10.137.9.10"), {})
    (network.node("redis-1") / "node.json").write_text('{"name": "red')
    assert network.records() == []


def test_a_half_made_node_is_not_a_node(network: Network) -> None:
    (network.nodes / ".new-redis-1" / "upper").mkdir(parents=True)
    (network.nodes / ".new-redis-1" / "node.json").write_text("{}")
    assert network.records() == []


def test_a_hosts_private_key_is_for_root_alone(network: Network) -> None:
    network.add(record("redis-1", "10.137.9.10"), {"etc/key": ("secret", 0o600)})
    assert (network.node("redis-1") / "upper/etc/key").stat().st_mode & 0o777 == 0o600


def test_an_unknown_node_is_a_sentence_that_names_the_known_ones(network: Network) -> None:
    network.add(record("redis-1", "10.137.9.10"), {})
    with pytest.raises(PrimetimeError, match=r"demo has no node redis-2: its nodes are redis-1"):
        network.record("redis-2")


def test_a_living_process_with_its_start_time_is_the_leader(tmp_path: Path) -> None:
    (tmp_path / "leader").write_text(f"{BOOT_ID} {Path('/proc/self/stat').read_text()}")
    assert machine.leader(tmp_path) == os.getpid()


def test_a_recycled_pid_is_not_the_leader(tmp_path: Path) -> None:
    head, _, rest = Path("/proc/self/stat").read_text().rpartition(")")
    fields = rest.split()
    fields[19] = str(int(fields[19]) - 1)  # started one tick earlier
    (tmp_path / "leader").write_text(f"{BOOT_ID} {head}) {' '.join(fields)}")
    assert machine.leader(tmp_path) is None


def test_a_leader_of_an_earlier_boot_is_dead(tmp_path: Path) -> None:
    boot = "00000000-0000-4000-8000-000000000000"
    (tmp_path / "leader").write_text(f"{boot} {Path('/proc/self/stat').read_text()}")
    assert machine.leader(tmp_path) is None


@pytest.mark.parametrize("text", ["", BOOT_ID, f"{BOOT_ID} 12 (sh"])
def test_a_torn_leader_file_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "leader").write_text(text)
    assert machine.leader(tmp_path) is None


def test_hybrid_cgroups_are_found_by_what_they_control() -> None:
    assert [(h.root.name, set(h.controllers)) for h in cgroup.parse_mounts(V1)] == [
        ("cpu,cpuacct", {"cpu"}),
        ("memory", {"memory"}),
        ("systemd", {"name=systemd"}),
        ("unified", set()),
    ]


def test_a_plain_cgroup_v2_machine_has_one_hierarchy() -> None:
    line = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot\n"
    assert [h.root for h in cgroup.parse_mounts(line)] == [Path("/sys/fs/cgroup")]


def test_a_machine_without_the_tools_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(PrimetimeError, match=r"apt-get install -y iproute2 mmdebstrap nftables .*systemd-container"):
        commands.require.__wrapped__()


def test_a_lock_names_who_holds_it(tmp_path: Path) -> None:
    with lock.held(tmp_path / "l", "primetime up"):  # noqa: SIM117
        with (
            pytest.raises(PrimetimeError, match=rf"`primetime up` \(pid {os.getpid()}, since "),
            lock.held(tmp_path / "l", "x"),
        ):
            pass


def test_a_released_lock_is_free_and_leaves_no_file(tmp_path: Path) -> None:
    with lock.held(tmp_path / "l", "primetime up"):
        pass
    with lock.held(tmp_path / "l", "primetime down"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_file_that_a_dead_process_left_is_free(tmp_path: Path) -> None:
    (tmp_path / "l").write_text('{"pid": 1, "command": "primetime up"}')
    assert not lock.is_held(tmp_path / "l")
