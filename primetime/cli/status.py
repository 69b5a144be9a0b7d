"""`status`: what is running, and where."""

from __future__ import annotations

import argparse
import time
from typing import Any

from primetime import expiry, machines
from primetime.cli import add_topology
from primetime.cli.rehearse import last_certificate
from primetime.console import Console, table
from primetime.errors import UsageError
from primetime.inventory import Inventory, live
from primetime.providers import driver_for
from primetime.scraping import jobs
from primetime.topology import Topology, load

# name in --json → (inventory group, endpoint name)
ENDPOINTS = {"collector": ("collector", "http"), "thrift": ("hbase_thrift", "thrift"), "redis": ("redis", "redis")}


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--log", metavar="INSTANCE", help="what a machine on EC2 said of its own configuration")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    if topology.cloud:  # what runs there comes and goes
        return _log(topology, arguments.log, console) if arguments.log else _on_ec2(topology, console)
    if arguments.log:
        raise UsageError(f"--log is of machines on EC2, and {topology.name} is not there: ssh leads onto any other")
    found = machines.found(topology)
    if at_work := driver_for(topology).ex_at_work():
        console.say(f"{at_work} is at work on {topology.name}: what follows may change")
    stopped = [node.name for node in topology.nodes if found.get(node.name) != "running"]
    if stopped:
        for node in topology.nodes:
            console.say(f"{node.name}: {found.get(node.name, 'not there')}")
        console.say(f"bin/primetime up -t {arguments.topology} makes and starts what is missing")
        console.result({"topology": topology.name, "nodes": [], "down": stopped})
        return 3
    return _show(console, live(topology))


def _on_ec2(topology: Topology, console: Console) -> int:
    """And the spools of what runs there no more, and members that come or never came."""
    from primetime.cloud import machines as cloud
    from primetime.cloud import newcomers, spools

    inventory, services = live(topology), cloud.services(topology)
    waiting = spools.sentences(spools.orphans(services, topology.name))
    lacking = newcomers.lacking(services, topology)
    tell(console, inventory)
    for sentence in (*waiting, *lacking):
        console.say(sentence)
    console.result({**summary(inventory), "spools": waiting, "lacking": lacking})
    return 3 if lacking else 0


def _log(topology: Topology, instance: str, console: Console) -> int:
    from primetime.cloud import machines as cloud
    from primetime.cloud import newcomers

    text = newcomers.log(cloud.services(topology), topology, instance)
    console.say(text.rstrip())
    console.result({"topology": topology.name, "instance": instance, "log": text})
    return 0


def _show(console: Console, inventory: Inventory) -> int:
    tell(console, inventory)
    tell_expiry(console, inventory.topology.name)
    console.result({**summary(inventory), "expires": expiry.of(inventory.topology.name)})
    return 0


def tell_expiry(console: Console, name: str) -> None:
    """When the machines remove themselves, if they do."""
    at_s = expiry.of(name)
    if at_s is not None:
        console.say(
            f"removes itself {expiry.words(at_s, time.time())}, at {time.strftime('%H:%M', time.localtime(at_s))}"
        )


def summary(inventory: Inventory) -> dict[str, Any]:
    """What `demo` and `status` print for programs."""
    topology = inventory.topology
    endpoints = {
        name: "{}:{}".format(*inventory.endpoint(group, endpoint))
        for name, (group, endpoint) in ENDPOINTS.items()
        if topology.in_group(group)
    }
    return {
        "topology": topology.name,
        "changed": 0,
        "stages": [],
        "nodes": [
            {"name": node.name, "address": inventory.located[node.name].address, "groups": list(node.groups)}
            for node in topology.nodes
        ],
        "shows": list(topology.shows),
        "endpoints": endpoints,
        "scrape": jobs(inventory),
        "certificate": last_certificate(topology),
    }


def tell(console: Console, inventory: Inventory) -> None:
    """The table of nodes and what they expose, for people."""
    rows = []
    for node in inventory.topology.nodes:
        address = inventory.located[node.name].address
        for group, endpoint in inventory.endpoints(node, inventory.settings(node)):
            bound = "127.0.0.1" if endpoint.loopback else address
            open_to = ", ".join(endpoint.open_to) or "this host"
            rows.append((node.name, group.replace("_", "/", 1), endpoint.name, f"{bound}:{endpoint.port}", open_to))
    console.say(table(rows, ("node", "role", "endpoint", "address", "open to")))
