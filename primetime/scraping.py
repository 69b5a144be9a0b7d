"""What Prometheus is to look at: derived from every `Endpoint`, as its file_sd takes it; and what Nagios checks.

Called by `status --json`, and by the inventory for the roles monitoring and nagios, which write it down as it stands.
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from primetime.endpoints import Endpoint
from primetime.needs import label

if TYPE_CHECKING:
    from primetime.inventory import Inventory
    from primetime.topology import NodeSpec

# an endpoint's protocol → the prober's module that asks in it; else `tcp` connects
PROBED = {"http": "http", "redis": "redis", "tls": "tls"}


def jobs(inventory: Inventory) -> list[dict[str, Any]]:
    """One entry for each endpoint of each host: {"targets": ["address:port"], "labels": {...}}.

    `job` is the inventory group; `node` the host's name, which outlives its address.
    """
    return [
        {
            "targets": [f"{inventory.located[node.name].address}:{endpoint.port}"],
            "labels": {"job": group, "node": node.name, "__metrics_path__": endpoint.scrape},
        }
        for node, group, endpoint in _endpoints(inventory)
        if endpoint.scrape
    ]


def probes(inventory: Inventory, source: str) -> list[dict[str, Any]]:
    """One entry for each endpoint that `source`, an address, may open a connection to and that tells nothing itself.

    What serves metrics is known to answer by that alone; what is closed to the monitoring host is left to who uses it.
    """
    return [
        {
            "targets": [f"{inventory.located[node.name].address}:{endpoint.port}"],
            "labels": {
                "group": group,
                "node": node.name,
                "endpoint": endpoint.name,
                "__param_module": PROBED.get(endpoint.protocol, "tcp"),
            },
        }
        for node, group, endpoint in _reached(inventory, source)
        if not endpoint.scrape
    ]


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
        for node, group, endpoint in _reached(inventory, source)
    ]


def _reached(inventory: Inventory, source: str) -> Iterator[tuple[NodeSpec, str, Endpoint]]:
    """What `source` may open a connection to; of what one host at a time listens on nobody can say which."""
    open_to = {
        (flow.address, flow.port) for flow in inventory.flows if flow.transport == "tcp" and flow.open_to(source)
    }
    for node, group, endpoint in _endpoints(inventory):
        if not endpoint.leader_only and (inventory.located[node.name].address, endpoint.port) in open_to:
            yield node, group, endpoint


def _endpoints(inventory: Inventory) -> Iterator[tuple[NodeSpec, str, Endpoint]]:
    for node in inventory.topology.nodes:
        for group, endpoint in inventory.endpoints(node, inventory.settings(node)):
            if not endpoint.loopback:
                yield node, group, endpoint
