"""What Prometheus is to look at: derived from every `Endpoint`, as its file_sd takes it; and what Nagios checks.

Called by `status --json`, and by the inventory for the roles monitoring and nagios, which write it down as it stands.
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from primetime.endpoints import Endpoint
from primetime.needs import label

if TYPE_CHECKING:
    from primetime.inventory import Inventory
    from primetime.topology import NodeSpec

# an endpoint's protocol → the prober's module that asks in it; else `tcp` connects
PROBED = {"http": "http", "redis": "redis", "tls": "tls"}


def jobs(inventory: Inventory, nodes: Sequence[NodeSpec] | None = None) -> list[dict[str, Any]]:
    """One entry for each endpoint of each host, or of these: {"targets": ["address:port"], "labels": {...}}.

    `job` is the inventory group; `node` the host's name, which outlives its address.
    """
    return [
        _target(inventory, node, endpoint, scraped(group, endpoint))
        for node, group, endpoint in endpoints(inventory, nodes)
        if endpoint.scrape
    ]


def scraped(group: str, endpoint: Endpoint) -> dict[str, str]:
    """The labels of what serves metrics, but for its node."""
    return {"job": group, "__metrics_path__": str(endpoint.scrape)}


def probes(inventory: Inventory, source: str, nodes: Sequence[NodeSpec] | None = None) -> list[dict[str, Any]]:
    """One entry for each endpoint that `source`, an address, may open a connection to and that tells nothing itself.

    What serves metrics is known to answer by that alone; what is closed to the monitoring host is left to who uses it.
    """
    return [
        _target(inventory, node, endpoint, probed(group, endpoint))
        for node, group, endpoint in reached(inventory, source, nodes)
        if not endpoint.scrape
    ]


def probed(group: str, endpoint: Endpoint) -> dict[str, str]:
    """The labels of what is asked whether it answers, but for its node."""
    module = PROBED.get(endpoint.protocol, "tcp")
    return {"group": group, "endpoint": endpoint.name, "__param_module": module}


def _target(inventory: Inventory, node: NodeSpec, endpoint: Endpoint, labels: dict[str, str]) -> dict[str, Any]:
    address = inventory.located[node.name].address
    return {"targets": [f"{address}:{endpoint.port}"], "labels": {**labels, "node": node.name}}


def checks(inventory: Inventory, source: str) -> list[dict[str, Any]]:
    """One entry for each endpoint that `source`, an address, may open a connection to: {"node", "service", "port",
    "asked"}. `asked` is the check_command of Nagios; what serves metrics is asked for them.
    """
    return [
        {
            "node": node.name,
            "service": f"{label(group)} {endpoint.name}",
            "port": endpoint.port,
            "asked": f"metrics!{endpoint.port}!{endpoint.scrape}"
            if endpoint.scrape
            else f"{PROBED.get(endpoint.protocol, 'tcp')}!{endpoint.port}",
        }
        for node, group, endpoint in reached(inventory, source)
    ]


def reached(
    inventory: Inventory, source: str, nodes: Sequence[NodeSpec] | None = None
) -> Iterator[tuple[NodeSpec, str, Endpoint]]:
    """What `source` may open a connection to; of what one host at a time listens on nobody can say which."""
    open_to = {
        (flow.address, flow.port) for flow in inventory.flows if flow.transport == "tcp" and flow.open_to(source)
    }
    for node, group, endpoint in endpoints(inventory, nodes):
        # whoever is still to come is somewhere in the network
        at = inventory.located[node.name].address if node.name in inventory.located else inventory.network
        if not endpoint.leader_only and (at, endpoint.port) in open_to:
            yield node, group, endpoint


def endpoints(
    inventory: Inventory, nodes: Sequence[NodeSpec] | None = None
) -> Iterator[tuple[NodeSpec, str, Endpoint]]:
    """What the hosts, or these, open to others."""
    for node in inventory.topology.nodes if nodes is None else nodes:
        for group, endpoint in inventory.endpoints(node, inventory.settings(node)):
            if not endpoint.loopback:
                yield node, group, endpoint
