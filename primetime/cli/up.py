"""`up`: make the machines of a topology."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from primetime import baking, doctor, machines, preflight
from primetime.cli import add_provider, add_topology
from primetime.console import Console
from primetime.errors import UsageError
from primetime.providers import choose, driver_for, provider_of
from primetime.topology import Topology, load

if TYPE_CHECKING:
    from primetime.cloud.found import Aws


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    add_provider(parser)
    parser.add_argument(
        "--prepare", action="store_true", help="network and box, and no machine: `vagrant up` asks for it"
    )
    parser.add_argument("--no-wait", action="store_true", help="do not wait until every machine answers ssh")
    parser.add_argument("--yes", action="store_true", help="do not ask; on EC2 nothing is made without it")
    parser.add_argument("--plan", metavar="FILE", help="do what `plan --save FILE` said, or refuse (on EC2)")
    parser.add_argument(
        "--bake",
        action="store_true",
        help="make images of groups that scale (on EC2), or boxes with roles (vagrant:lxc)",
    )
    parser.add_argument("--during-show", action="store_true", help="also while a show is on (on EC2)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = choose(load(arguments.topology), arguments.provider)
    if topology.cloud:
        return _on_ec2(topology, arguments, console)
    preflight.require_root("up")
    preflight.require(preflight.missing_for(provider_of(topology)), "up")
    if arguments.bake:
        baking.require_containers(provider_of(topology))
    doctor.require(topology, arguments.topology, "up")
    made = _boxes(topology, console) if arguments.bake else []
    with driver_for(topology).ex_lock("up"), console.stage("machines"):
        if arguments.prepare:
            machines.prepare(topology, console.progress)
            return 0
        changed = machines.up(topology, console.progress, wait=not arguments.no_wait)
    console.say(f"{topology.name}: {len(topology.nodes)} machines up, {changed} made or started")
    console.result({"topology": topology.name, "changed": changed, **({"boxes": made} if made else {})})
    return 0


def _boxes(topology: Topology, console: Console) -> list[str]:
    with console.stage("bake"):
        made = baking.bake(topology, console.progress)
    console.say(f"boxes: {', '.join(made)}: machines made from now on are made of them")
    return made


def _on_ec2(topology: Topology, arguments: argparse.Namespace, console: Console) -> int:
    from primetime.cloud import machines as cloud

    if not arguments.yes:
        raise UsageError(f"up makes machines that cost money: look at plan -t {topology.given}, then add --yes")
    services = cloud.services(topology)
    saved = Path(arguments.plan) if arguments.plan else None
    if arguments.bake and arguments.no_wait:
        raise UsageError("--bake needs machines that serve: leave --no-wait out")
    with console.stage("machines"):
        taken = cloud.up(services, topology, console.progress, saved, not arguments.no_wait, arguments.during_show)
    images = _bake(services, topology, arguments.during_show, console) if arguments.bake else []
    if images:
        taken += cloud.up(services, topology, console.progress, during_show=arguments.during_show)
        console.say(
            f"images: {', '.join(images)}: machines made from now on are made of them; roll replaces the others"
        )
    if taken and not arguments.no_wait:
        tell_short_leads(services, topology, console)
    console.say(f"{topology.name}: {taken} steps taken, {len(services.calls)} calls")
    console.result({"topology": topology.name, "changed": taken, "images": images, "calls": len(services.calls)})
    return 0


def tell_short_leads(services: Aws, topology: Topology, console: Console) -> None:
    """Members that came took longer than a show gives them: said now, not when it begins."""
    from primetime.cloud import launches

    found = launches.of_collectors(services, topology)
    for name in found.too_short(topology.timed):
        console.say(f"show {name}: its lead is too short ({found}): {launches.LENGTHEN}")


def _bake(services: Aws, topology: Topology, during_show: bool, console: Console) -> list[str]:
    from primetime.cloud.bake import bake

    with console.stage("bake"):
        return bake(services, topology, console.progress, during_show)
