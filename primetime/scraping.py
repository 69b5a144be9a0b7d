"""What Prometheus is to scrape: derived from every `Endpoint` with `scrape`, as its file_sd takes it.

Called by `status --json`; the monitoring role is to write it down as it stands.
"""

from __future__ import annotations

from typing import Any

from primetime.inventory import Inventory


def jobs(inventory: Inventory) -> list[dict[str, Any]]:
    """One entry for each endpoint of each host: {"targets": ["address:port"], "labels": {...}}.

    `job` is the inventory group; `node` the host's name, which outlives its address.
    https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config
    """
    return [
        {
            "targets": [f"{inventory.located[node.name].address}:{endpoint.port}"],
            "labels": {"job": group, "node": node.name, "__metrics_path__": endpoint.scrape},
        }
        for node in inventory.topology.nodes
        for group, endpoint in inventory.endpoints(node, inventory.settings(node))
        if endpoint.scrape and not endpoint.loopback
    ]
