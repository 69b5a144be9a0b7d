"""Which addresses a network gets, and what its parts are called."""

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from primetime.drivers.nspawn import network
from primetime.drivers.nspawn.state import Network
from primetime.errors import PrimetimeError, UsageError

ADDRESSES = [
    {"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1", "prefixlen": 8}]},
    {"ifname": "eth0", "addr_info": [{"family": "inet", "local": "192.0.2.7", "prefixlen": 24}]},
    {"ifname": "eth1", "addr_info": [{"family": "inet6", "local": "fd00::2", "prefixlen": 64}]},
    {"ifname": "pt-11111111", "addr_info": [{"family": "inet", "local": "10.130.0.1", "prefixlen": 24}]},
]
ROUTES = [
    {"dst": "default", "gateway": "192.0.2.1", "dev": "eth0"},
    {"dst": "10.8.0.0/16", "dev": "tun0"},
    {"dst": "10.9.1.2", "dev": "tun0"},
    {"type": "local", "dst": "10.130.0.1", "dev": "pt-11111111"},
]


def test_a_network_gets_the_same_addresses_each_time() -> None:
    assert network.choose("demo", []) == network.choose("demo", [])


def test_two_networks_start_their_search_at_different_places() -> None:
    assert network.choose("demo", []) != network.choose("production", [])


def test_a_taken_subnet_is_passed_over() -> None:
    first = network.choose("demo", [])
    assert not network.choose("demo", [first]).overlaps(first)


def test_a_route_to_all_of_ten_leaves_the_other_private_ranges() -> None:
    assert network.choose("demo", [IPv4Network("10.0.0.0/8")]) == IPv4Network("172.16.0.0/24")


def test_no_free_subnet_is_a_sentence_that_names_the_network() -> None:
    everything = [IPv4Network("10.0.0.0/8"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16")]
    with pytest.raises(PrimetimeError, match="No free /24 for network demo"):
        network.choose("demo", everything)


def test_addresses_and_routes_of_this_machine_are_in_use() -> None:
    used = network.parse_in_use(ADDRESSES, ROUTES, without="pt-00000000")
    assert {"192.0.2.0/24", "10.8.0.0/16", "10.9.1.2/32", "10.130.0.0/24"} <= {str(net) for net in used}


def test_a_networks_own_bridge_does_not_take_its_addresses_from_it() -> None:
    used = network.parse_in_use(ADDRESSES, ROUTES, without="pt-11111111")
    assert not any(net.overlaps(IPv4Network("10.130.0.0/24")) for net in used)


def test_the_default_route_takes_nothing() -> None:
    assert not any(net.prefixlen == 0 for net in network.parse_in_use(ADDRESSES, ROUTES, without=""))


def test_a_resolver_on_the_loopback_is_of_no_use_to_a_host() -> None:
    text = "# stub\nnameserver 127.0.0.53\nnameserver fe80::1\nnameserver 192.0.2.53\noptions edns0\nnameserver\n"
    assert network.nameservers(text) == [IPv4Address("192.0.2.53")]


@pytest.mark.parametrize("name", ["demo", "a" * 31, "test-nspawn-4194304"])
def test_a_link_name_fits_the_kernels_fifteen_characters(name: str) -> None:
    assert len(Network(name).link("10.137.9.254")) <= 15
    assert len(Network(name).bridge) <= 15


def test_hosts_of_two_networks_have_different_links() -> None:
    assert Network("demo").link("10.0.0.10") != Network("production").link("10.0.0.10")


@pytest.mark.parametrize("name", ["", "Demo", "-demo", "a/b", "..", "a" * 32, "demo\n"])
def test_a_name_that_would_not_fit_a_path_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="small letters, digits and dashes"):
        Network(name)


@pytest.fixture
def sysctls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine's sysctls as files, before its first network."""
    monkeypatch.setattr(network, "_SYSCTL_ROOT", tmp_path / "sys")
    monkeypatch.setattr(network, "_SYSCTL_RECORD", tmp_path / "sysctls.json")
    before = {"net/ipv4/ip_forward": 0, "fs/inotify/max_user_instances": 128, "fs/inotify/max_user_watches": 100_000}
    for key, value in before.items():
        (tmp_path / "sys" / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "sys" / key).write_text(f"{value}\n")
    return tmp_path / "sys"


def test_sysctls_go_back_to_what_they_were_before_the_first_of_two_networks(sysctls: Path) -> None:
    network.raise_sysctls()
    network.raise_sysctls()
    assert (sysctls / "net/ipv4/ip_forward").read_text() == "1"
    network.restore_sysctls()
    assert (sysctls / "net/ipv4/ip_forward").read_text() == "0"
    assert network.changed_sysctls() == {}


def test_a_sysctl_that_suffices_is_left_alone(sysctls: Path) -> None:
    (sysctls / "fs/inotify/max_user_instances").write_text("65536\n")
    network.raise_sysctls()
    assert (sysctls / "fs/inotify/max_user_instances").read_text() == "65536\n"
    assert network.changed_sysctls() == {"net/ipv4/ip_forward": 0}


def test_a_sysctl_that_somebody_has_set_meanwhile_is_theirs(sysctls: Path) -> None:
    network.raise_sysctls()
    (sysctls / "fs/inotify/max_user_instances").write_text("65536")
    network.restore_sysctls()
    assert (sysctls / "fs/inotify/max_user_instances").read_text() == "65536"
