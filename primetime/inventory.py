"""Topology and live nodes → what pyinfra, testinfra and the status table need to know of each host.

Called by inventories/*.py (plain pyinfra), by converge, verify, status and the rehearsal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from primetime import artifacts, discovery, distributions, scraping, sizing
from primetime.endpoints import Endpoint
from primetime.errors import UsageError
from primetime.flows import Flow, flows, into, out_of
from primetime.overrides import overrides
from primetime.providers import driver_for
from primetime.secrets import topology as secrets
from primetime.settings import exposes, from_data, known, problems
from primetime.showtimes import showtimes
from primetime.topology import NodeSpec, Topology, load


@dataclass(frozen=True)
class Located:
    """A live node's way in: its address and how ssh reaches it."""

    address: str
    ssh_key: str
    known_hosts: str
    ssh_config: str
    reached_at: str = ""  # where ssh finds it, if not at its address
    spool_volume: str = ""  # on EC2: the volume that its spool is on
    baking: bool = False  # on EC2: it becomes an image, and serves nobody
    image_root: str = ""  # the folder that its file system began as, where the provider has it on this machine


@dataclass(frozen=True)
class Inventory:
    """A topology whose nodes are live."""

    topology: Topology
    located: Mapping[str, Located]
    network: str  # CIDR that all hosts are in
    controllers: tuple[str, ...]  # the addresses, or networks, from which the controlling machine reaches them
    coming: tuple[NodeSpec, ...] = ()  # what a member of each group that scales is, called after the group
    members: frozenset[str] = frozenset()  # the nodes that are of such a group

    @cached_property
    def cluster(self) -> dict[str, list[dict[str, str]]]:
        """Inventory group → its hosts, as {name, address}; there may be none of a group that scales."""
        scaling = [group for each in self.coming for group in each.groups]
        return {
            group: [
                {"name": node.name, "address": self.located[node.name].address}
                for node in self.topology.in_group(group)
            ]
            for group in dict.fromkeys([*self.topology.all_groups(), *scaling])
        }

    @cached_property
    def flows(self) -> list[Flow]:
        """Who may connect to whom. Whoever comes later is let in, and reached, by the network it will be in."""
        exposed = {
            self.located[node.name].address: self.endpoints(node, self.settings(node)) for node in self.topology.nodes
        }
        if self.coming:
            exposed[self.network] = [each for node in self.coming for each in self.endpoints(node, self.settings(node))]
        members = {group: [host["address"] for host in hosts] for group, hosts in self.cluster.items()}
        members |= {group: [self.network] for node in self.coming for group in node.groups}
        for group, cls in known().items():
            if other := getattr(cls, "reaches_as", ""):
                members[other] = [*members.get(other, ()), *members.get(group, ())]
        return flows(exposed, members, self.controllers)

    @property
    def fixed(self) -> list[NodeSpec]:
        """The nodes that do not come and go."""
        return [node for node in self.topology.nodes if node.name not in self.members]

    def _begun_by(self, address: str) -> list[Flow]:
        """What a host may begin; to members by their network alone, so that nothing changes when one comes."""
        members = {self.located[name].address for name in self.members}
        return [flow for flow in out_of(self.flows, address) if flow.address not in members]

    def _named(self, node: NodeSpec) -> list[dict[str, str]]:
        """{name, address} of the hosts that one knows by name: itself, and all but members that no host looks for."""
        return [
            {"name": each.name, "address": self.located[each.name].address}
            for each in self.topology.nodes
            if each.name == node.name or each.name not in self.members or self._is_looked_for(each)
        ]

    def _is_looked_for(self, node: NodeSpec) -> bool:
        """Whether daemons of this cluster connect to it; monitoring does by its address."""
        others = self.cluster.keys() - {"monitoring"}
        return any(others & set(endpoint.open_to) for _, endpoint in self.endpoints(node, self.settings(node)))

    def settings(self, node: NodeSpec) -> dict[str, Any]:
        """Every override that holds on a host: group_data, then the topology's own."""
        return overrides(node.groups, self.topology.settings)

    def data(self, node: NodeSpec) -> dict[str, Any]:
        """All that roles and promises may know of one host (group_data not included)."""
        where = self.located[node.name]
        return {
            **self.topology.settings,
            "ssh_hostname": where.reached_at or where.address,
            "ssh_user": "root",
            "ssh_key": where.ssh_key,
            "ssh_known_hosts_file": where.known_hosts,
            "ssh_strict_host_key_checking": "yes",
            "topology": self.topology.file,
            "node_name": node.name,
            "address": where.address,
            "image_root": where.image_root,
            "spool_volume": where.spool_volume,
            "memory_mb": node.memory_mb,
            "heap_mb": heap_mb(node),
            "cluster": self.cluster,
            "network": self.network,
            "controllers": list(self.controllers),
            "flows_in": [asdict(flow) for flow in into(self.flows, where.address)],
            "flows_out": [asdict(flow) for flow in self._begun_by(where.address)],
            "named": self._named(node),
            "shows": list(self.topology.shows),
            "release": distributions.release(self.topology.image),
            "artifacts": artifacts.ensure(node.groups, self.topology.image),
            **self._watched(node),
        }

    def _watched(self, node: NodeSpec) -> dict[str, Any]:
        """What only a host that watches has to know of all others."""
        address, found = self.located[node.name].address, dict[str, Any]()
        if "monitoring" in node.groups:
            found |= {
                "scrapes": scraping.jobs(self, self.fixed),
                "probes": scraping.probes(self, address, self.fixed),
                "discovery": discovery.of(self, address),
            }
            found |= {"showtimes": showtimes(self.topology)}
        if "nagios" in node.groups:
            found |= {"checks": scraping.checks(self, address)}
        return found

    def endpoints(self, node: NodeSpec, data: Mapping[str, Any]) -> list[tuple[str, Endpoint]]:
        """(inventory group, endpoint) of everything that one host exposes."""
        return [
            (group, endpoint)
            for group in node.groups
            if group in known()
            for endpoint in exposes(from_data(known()[group], data))
        ]

    def endpoint(self, group: str, name: str) -> tuple[str, int]:
        """(address, port) of an endpoint on the first host of a group; UsageError when the topology has none."""
        return self.every_endpoint(group, name)[0]

    def every_endpoint(self, group: str, name: str) -> list[tuple[str, int]]:
        """(address, port) of an endpoint on each host of a group; UsageError when the topology has none."""
        found = [
            (self.located[node.name].address, endpoint.port)
            for node in self.topology.in_group(group)
            for owner, endpoint in self.endpoints(node, self.settings(node))
            if owner == group and endpoint.name == name
        ]
        if not found:
            raise UsageError(f"topology {self.topology.name} has no {group}: add it to a group's roles")
        return found

    def entrance(self) -> list[tuple[str, int]]:
        """(address, port) of where phones connect: the balancers, or the collectors when there are none."""
        return self.every_endpoint("balancer" if self.topology.in_group("balancer") else "collector", "http")


def heap_mb(node: NodeSpec) -> dict[str, int]:
    """JVM daemon → heap in MiB on this host."""
    return sizing.on_a_host(node.memory_mb, node.groups)


def live(topology: Topology, here: bool = False) -> Inventory:
    """The inventory of a topology whose machines are up; UsageError names those that are not, and what makes them.

    With `here` this machine is one of them (on EC2), and no way to the others is looked for.
    """
    if topology.cloud:
        from primetime.cloud import living  # imported late: other topologies need nothing of AWS

        return living.inventory(topology, here=here)
    driver = driver_for(topology)
    found = {node.name: node for node in driver.list_nodes()}
    missing = [node.name for node in topology.nodes if node.name not in found or found[node.name].state != "running"]
    if missing:
        which = ", ".join(missing) if len(missing) < len(topology.nodes) else "no machine"
        word = "not running" if len(missing) < len(topology.nodes) else "is up"
        raise UsageError(f"{topology.name}: {which} {word}: bin/primetime up -t {topology.given} --yes makes them")
    located = {node.name: _located(found[node.name].extra) for node in topology.nodes}
    network = driver.ex_network()
    return Inventory(topology, located, network["cidr"], (network["gateway"],))


def _located(extra: Mapping[str, Any]) -> Located:
    """Of what a local driver tells of its node."""
    address, key, known_hosts, config = (
        str(extra[told]) for told in ("address", "ssh_key", "known_hosts", "ssh_config")
    )
    return Located(address, key, known_hosts, config, image_root=str(extra.get("image_root", "")))


def pyinfra_groups(name: str) -> dict[str, Sequence[Any]]:
    """Inventory groups for pyinfra: {"all": [(host, data)], "redis": [host], ...}."""
    return groups_of(live(load(name)))


def groups_of(inventory: Inventory, here: str = "") -> dict[str, Sequence[Any]]:
    """The same, of an inventory at hand; of the one node `here` when it is given, which knows the others by its data.

    PrimetimeError when a secret is missing that its roles need; a node by itself may look at its own alone.
    """
    if not here:
        secrets.check(inventory.topology)
    nodes = [node for node in inventory.topology.nodes if here in ("", node.name)]
    everyone = [(node.name, inventory.data(node)) for node in nodes]
    groups: dict[str, Sequence[Any]] = {
        group: [node.name for node in nodes if group in node.groups]
        for group in inventory.topology.all_groups()
        if any(group in node.groups for node in nodes)
    }
    return {"all": everyone, **groups}


def check_host_data(data: Mapping[str, Any], host: str) -> None:
    """Raise UsageError for any override that no role has, or of a wrong type (group_data is seen only here)."""
    found = problems(data, f"data of {host}")
    if found:
        raise UsageError("\n".join(found))
