"""Members of groups that scale, as Prometheus finds them by itself: it asks EC2, by the tags of whose they are.

Called by the inventory for the monitoring role, which writes it into prometheus.yml: who comes is scraped, and who has
gone is not, without a converge.
https://prometheus.io/docs/prometheus/latest/configuration/configuration/#ec2_sd_config
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from primetime.guard.marks import NAME, OWNER
from primetime.needs import label
from primetime.scraping import endpoints, jobs, probed, probes, reached, scraped

if TYPE_CHECKING:
    from primetime.endpoints import Endpoint
    from primetime.inventory import Inventory
    from primetime.topology import NodeSpec


def of(inventory: Inventory, source: str) -> dict[str, Any]:
    """What the monitoring host at the address `source` needs to find all members; nothing where no group scales.

    `filters` are EC2's; `name_of` and `baking` the labels that Prometheus gives to the tags of a member's group, and of
    a machine that becomes an image and serves nobody. `scrapes` and `probes` have an entry for each endpoint that the
    members of a group have: {"name", "member_of", "port", "labels"}. `now` are the targets of the members that are
    there, as `scraping` tells them of others.
    """
    cloud = inventory.topology.cloud
    if cloud is None or not inventory.coming:
        return {"scrapes": [], "probes": [], "now": []}
    from primetime.cloud.found import BAKE  # imported late: other topologies need nothing of AWS

    there = [node for node in inventory.topology.nodes if node.name in inventory.members]
    members = [node for node in there if not inventory.located[node.name].baking]
    return {
        "region": cloud.region,
        "filters": [
            {"name": f"tag:{OWNER}", "values": [inventory.topology.name]},
            {"name": f"tag:{NAME}", "values": [node.name for node in inventory.coming]},
            {"name": "instance-state-name", "values": ["running"]},
        ],
        "name_of": _label_of(NAME),
        "baking": _label_of(BAKE),
        "scrapes": [
            _job("scrape", node, group, endpoint, scraped(group, endpoint))
            for node, group, endpoint in endpoints(inventory, inventory.coming)
            if endpoint.scrape
        ],
        "probes": [
            _job("probe", node, group, endpoint, {"job": "probe", **probed(group, endpoint)})
            for node, group, endpoint in reached(inventory, source, inventory.coming)
            if not endpoint.scrape
        ],
        "now": jobs(inventory, members) + probes(inventory, source, members),
    }


def _label_of(tag: str) -> str:
    """Under which name Prometheus shows an instance's tag: what no label's name can have is an underscore."""
    return f"__meta_ec2_tag_{re.sub(r'[^a-zA-Z0-9_]', '_', tag)}"


def _job(verb: str, node: NodeSpec, group: str, endpoint: Endpoint, labels: dict[str, str]) -> dict[str, Any]:
    name = f"{verb} {label(group)} {endpoint.name} of {node.name}"
    return {"name": name, "member_of": node.name, "port": endpoint.port, "labels": labels}
