"""A network of hosts: a bridge with a /24 of its own, its way out through this machine, and two sysctls.

Called by driver and leftovers. Everything is named after the network's digest and made on demand; what this machine
had before comes back when the last network goes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import re
import shutil
from collections.abc import Collection, Iterator
from hashlib import sha256
from ipaddress import IPv4Address, IPv4Network, ip_address, ip_network
from pathlib import Path
from typing import Any

from primetime.drivers.nspawn import cgroup, commands, lock, ssh, state
from primetime.drivers.nspawn.state import Network
from primetime.errors import PrimetimeError
from primetime.paths import RUN, STATE

POOLS = (IPv4Network("10.128.0.0/10"), IPv4Network("172.16.0.0/12"), IPv4Network("192.168.0.0/16"))
SYSCTLS = {
    "net/ipv4/ip_forward": 1,
    "fs/inotify/max_user_instances": 8192,  # a booted host takes about 6; at 128, hosts past the 22nd die
    "fs/inotify/max_user_watches": 65536,  # it may use 100
}
HOST_NETWORK_FILE = "etc/systemd/network/10-host0.network"  # before systemd's own 80-container-host0.network
_SYSCTL_ROOT = Path("/proc/sys")
_SYSCTL_RECORD = STATE / "sysctls.json"
_GLOBAL_LOCK = RUN / ".networks"  # no network can have this name

# The clamp: an uplink may carry less than a bridge's 1500 bytes (a VPN, a cloud), and not every path says so by ICMP.
# Metadata services live at link-local addresses: a host must only ever reach one that this machine itself serves.
_TABLE = """
table ip {table} {{
  comment "primetime {name}"
  chain forward {{
    type filter hook forward priority filter; policy accept;
    iifname "{bridge}" ip daddr 169.254.0.0/16 drop
    iifname "{bridge}" tcp flags syn tcp option maxseg size set rt mtu
    oifname "{bridge}" tcp flags syn tcp option maxseg size set rt mtu
  }}
  chain postrouting {{
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr {cidr} oifname != "{bridge}" masquerade
  }}
}}
"""


def ensure(network: Network, wanted: IPv4Network | None = None) -> IPv4Network:
    """Make the network, or what is missing of it (all of it after a reboot); its addresses stay what they were.

    They are `wanted` when that is given: PrimetimeError when they are others already, or in use.
    """
    with lock.held(_GLOBAL_LOCK, f"{network.name}: making its network", state.LOCK_TIMEOUT_S):
        cidr = offered(network, wanted)
        if network.cidr() is None:
            network.remember(cidr)
        network.nodes.mkdir(exist_ok=True)
        network.run.mkdir(parents=True, exist_ok=True)
        ssh.make_network_key(network)
        raise_sysctls()
        _make_bridge(network, cidr)
        _make_table(network, cidr)
    return cidr


def offered(network: Network, wanted: IPv4Network | None = None) -> IPv4Network:
    """The addresses that the network has, or would get now; PrimetimeError when others use them, or none are free."""
    made = network.cidr()
    if made and wanted and made != wanted:
        raise PrimetimeError(f"{network.name} is made with {made}, not {wanted}: take it down, then make it again")
    if made and bridge_exists(network):
        return made
    taken = [*_in_use(without=network.bridge), *_of_others(network)]
    cidr = made or wanted or choose(network.name, taken)
    if clash := [str(net) for net in taken if net.overlaps(cidr)]:
        way_out = "destroy the network and make it again" if made else "declare another network"
        raise PrimetimeError(
            f"{network.name}: its addresses {cidr} are used by {', '.join(clash)}: free them, or {way_out}"
        )
    return cidr


def choose(name: str, taken: Collection[IPv4Network]) -> IPv4Network:
    """A /24 that overlaps nothing in `taken`; where the search begins depends on the name, so it is mostly the same."""
    first, *others = POOLS
    subnets = list(first.subnets(new_prefix=24))
    start = int(sha256(name.encode()).hexdigest(), 16) % len(subnets)
    rest = (pool.subnets(new_prefix=24) for pool in others)
    for candidate in itertools.chain(subnets[start:], subnets[:start], *rest):
        if not any(candidate.overlaps(net) for net in taken):
            return candidate
    raise PrimetimeError(
        f"No free /24 for network {name} in {', '.join(map(str, POOLS))}: see `ip route`, and remove what is not needed"
    )


def parse_in_use(addresses: list[dict[str, Any]], routes: list[dict[str, Any]], without: str) -> list[IPv4Network]:
    """The networks that this machine reaches or has, from `ip -j addr` and `ip -j route`, less one bridge's own."""
    found = [
        ip_network(f"{address['local']}/{address['prefixlen']}", strict=False)
        for link in addresses
        for address in link.get("addr_info", ())
        if address["family"] == "inet" and link["ifname"] != without
    ]
    found += [ip_network(r["dst"], strict=False) for r in routes if r["dst"] != "default" and r.get("dev") != without]
    return [net for net in found if isinstance(net, IPv4Network) and net.prefixlen > 0]


def nameservers(resolv_conf: str) -> list[IPv4Address]:
    """The IPv4 resolvers of a resolv.conf that a host could reach: none on this machine's own loopback."""
    found = []
    for line in resolv_conf.splitlines():
        with contextlib.suppress(ValueError, IndexError):
            keyword, address = line.split()[:2]
            server = ip_address(address)
            if keyword == "nameserver" and isinstance(server, IPv4Address) and not server.is_loopback:
                found.append(server)
    return found


def host_resolv_conf() -> str:
    """A resolv.conf for hosts. Without a reachable resolver it names none: a dead one costs 30 s at each boot."""
    # The second is what systemd-resolved asks, when the first names only its stub on the loopback.
    for path in (Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")):
        with contextlib.suppress(OSError):
            text = path.read_text()
            if found := nameservers(text):
                search = [line for line in text.splitlines() if line.startswith(("search ", "options "))]
                return "\n".join([*(f"nameserver {server}" for server in found), *search]) + "\n"
    return "# the controlling machine has no resolver that a host could reach\n"


def host_network(network: Network, address: str) -> str:
    """systemd-networkd's file for a host's own end of its cable. No IPv6: its duplicate check delays each boot."""
    cidr = network.cidr()
    if cidr is None:
        raise PrimetimeError(f"{network.name} has no network yet: make it first")
    return f"""[Match]
Name=host0
[Network]
Address={address}/{cidr.prefixlen}
Gateway={cidr[1]}
LinkLocalAddressing=no
IPv6AcceptRA=no
"""


def _of_others(network: Network) -> list[IPv4Network]:
    """The addresses of our other networks, also of those that are not up."""
    found = (Network(name).cidr() for name in state.recorded() if name != network.name)
    return [cidr for cidr in found if cidr is not None]


def _in_use(without: str) -> list[IPv4Network]:
    addresses = json.loads(commands.run("ip", "-j", "addr"))
    routes = json.loads(commands.run("ip", "-j", "-4", "route", "show", "table", "all") or "[]")
    servers = nameservers(host_resolv_conf())
    return [*parse_in_use(addresses, routes, without), *map(IPv4Network, servers)]


def bridge_exists(network: Network) -> bool:
    return Path("/sys/class/net", network.bridge).exists()


def _make_bridge(network: Network, cidr: IPv4Network) -> None:
    # An address of its own: a bridge without one takes its lowest port's, and hosts' ARP caches go stale.
    mac = ":".join(("02", *(network.digest[i : i + 2] for i in range(0, 8, 2)), "01"))
    if not bridge_exists(network):
        commands.run("ip", "link", "add", network.bridge, "address", mac, "type", "bridge")
    # A host that is still booting does not answer ARP, and by default the kernel asks only once a second.
    Path("/proc/sys/net/ipv4/neigh", network.bridge, "retrans_time_ms").write_text("50")
    commands.run("ip", "link", "set", network.bridge, "alias", f"primetime {network.name}", "up")
    commands.run("ip", "addr", "replace", f"{cidr[1]}/{cidr.prefixlen}", "dev", network.bridge)


def _make_table(network: Network, cidr: IPv4Network) -> None:
    """Replace the network's nft table in one transaction."""
    table = _TABLE.format(table=network.table, name=network.name, bridge=network.bridge, cidr=cidr)
    commands.run("nft", "-f", "-", stdin=f"table ip {network.table}\ndelete table ip {network.table}\n{table}")


def raise_sysctls() -> None:
    """Raise what hosts need, noting what was there first. Call under the global lock."""
    original = state.read_json(_SYSCTL_RECORD) or {}
    for key, wanted in SYSCTLS.items():
        path = _SYSCTL_ROOT / key
        value = int(path.read_text())
        if value < wanted:
            state.write_json(_SYSCTL_RECORD, original := {**original, key: original.get(key, value)})
            path.write_text(str(wanted))


def changed_sysctls() -> dict[str, int]:
    """The sysctls that differ from what this machine had before its first network, with their values of then."""
    original = state.read_json(_SYSCTL_RECORD) or {}
    return {key: int(str(was)) for key, was in original.items() if int((_SYSCTL_ROOT / key).read_text()) != was}


def destroy(network: Network) -> None:
    """Kill and remove a network with all of its nodes, half-made ones too; with the last one, every trace of us."""
    with lock.held(_GLOBAL_LOCK, f"{network.name}: removing its network", state.LOCK_TIMEOUT_S):
        for path in network.run.glob("*"):
            if path.is_socket():
                ssh.close_master(network, path.name)
        cgroup.kill(network.cgroup())
        for link in Path("/sys/class/net").glob(f"[vt][bd]-{network.digest}-*"):
            commands.attempt("ip", "link", "delete", link.name)
        for family in ("ip", "bridge"):
            commands.attempt("nft", "delete", "table", family, network.table)
        commands.attempt("ip", "link", "delete", network.bridge)
        cgroup.remove(network.cgroup())
        shutil.rmtree(network.run, ignore_errors=True)
        if not lock.is_held(network.command_lock):
            network.command_lock.unlink(missing_ok=True)
        shutil.rmtree(network.going, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            network.folder.rename(network.going)
        shutil.rmtree(network.going, ignore_errors=True)
        if not state.recorded():
            restore_sysctls()
            for cut_short in STATE.glob(f".{_SYSCTL_RECORD.name}.*"):
                cut_short.unlink()
            for folder in (*cgroup.folders("primetime"), STATE):
                with contextlib.suppress(OSError):  # not empty: not all of it is recorded, and leftovers.find names it
                    folder.rmdir()


def restore_sysctls() -> None:
    """Put back what raise_sysctls changed. Call under the global lock, with the last network gone."""
    for key, was in changed_sysctls().items():
        path = _SYSCTL_ROOT / key
        if int(path.read_text()) == SYSCTLS[key]:  # else somebody has set it since: theirs to keep
            path.write_text(str(was))
    _SYSCTL_RECORD.unlink(missing_ok=True)


def all_tables() -> Iterator[tuple[str, str]]:
    """Our nft tables: (family and table, name of its network; empty when it does not say)."""
    if not commands.has("nft"):  # then we made none
        return
    ours = r"^table ((?:ip|bridge) primetime_[0-9a-f]{8})$"
    for table in re.findall(ours, commands.run("nft", "list", "tables"), re.MULTILINE):
        listed = commands.attempt("nft", "list", "table", *table.split()).stdout
        comment = re.search(r'comment "primetime ([a-z0-9-]+)"', listed)
        yield table, comment[1] if comment else ""


def all_links() -> Iterator[dict[str, Any]]:
    """Every link of this machine, as `ip -j link` tells it; none on a machine on which we can have made none."""
    if not commands.has("ip"):
        return
    yield from json.loads(commands.run("ip", "-j", "link"))
