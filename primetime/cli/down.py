"""`down`: remove everything of a topology, and prove by looking that nothing is left."""

from __future__ import annotations

import argparse
import os

from primetime import machines, preflight
from primetime.cli import add_topology
from primetime.console import Console
from primetime.drivers.nspawn import leftovers
from primetime.drivers.vagrant import containers
from primetime.errors import UsageError
from primetime.providers import driver_for, remembered
from primetime.stage import beside
from primetime.topology import Topology, load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask; on EC2 nothing is removed without it")
    parser.add_argument("--leave-spools", action="store_true", help="also while spools are not shipped (on EC2)")


def _topology(named: str) -> Topology:
    """The topology, or the name of machines that are here and whose topology file is gone."""
    try:
        return load(named)
    except UsageError:
        if os.geteuid() == 0 and named in {*leftovers.networks(), *containers.topologies()}:
            return Topology(named, remembered(named) or "nspawn", image="", shows=(), nodes=())
        raise


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = _topology(arguments.topology)
    if topology.cloud:
        return _on_ec2(topology, arguments, console)
    preflight.require_root("down")
    with console.stage("down"):
        beside.discard(topology.name)  # before the lock: what it mends may need that
        with driver_for(topology).ex_lock("down"):
            machines.down(topology, console.progress)
        left = machines.left(topology)
    for thing in left:
        console.say(f"left: {thing}")
    if not left:
        console.say(
            "left: nothing (looked for processes, mounts, links, nft tables, cgroups, sysctls, containers and files)"
        )
    console.result({"left": left})
    return 3 if left else 0


def _on_ec2(topology: Topology, arguments: argparse.Namespace, console: Console) -> int:
    from primetime.cloud import machines as cloud

    assert topology.cloud
    if not arguments.yes:
        raise UsageError(f"down removes all of {topology.name}: add --yes")
    services = cloud.services(topology)
    with console.stage("down"):
        guarded = [each.name for each in topology.cloud.groups if each.scales and "guard" in each.roles]
        cloud.down(services, topology.name, console.progress, arguments.leave_spools, guarded)
        left, money = cloud.left(services, topology.name)
    for thing in left:
        console.say(f"left: {thing}")
    console.say(
        f"{len(left)} left, {money} (asked EC2, Auto Scaling and load balancing by tag, S3, SSM and IAM by name)"
    )
    console.result({"left": left, "calls": len(services.calls)})
    return 3 if left else 0
