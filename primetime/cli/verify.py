"""`verify`: prove every promise of every role on the live hosts."""

from __future__ import annotations

import argparse
from itertools import groupby

from primetime.cli import add_topology
from primetime.console import Console
from primetime.errors import UsageError
from primetime.inventory import Inventory, live
from primetime.providers import held
from primetime.topology import load
from primetime.verify import Broken, VerifyReport, verify


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--node", default="", metavar="NODE,NODE", help="the promises of these nodes only")
    parser.add_argument("--role", default="", metavar="ROLE,ROLE", help="these roles' only: hdfs, or hdfs/namenode")


def run(arguments: argparse.Namespace, console: Console) -> int:
    inventory = live(load(arguments.topology))
    nodes, roles = _words(arguments.node), _words(arguments.role)
    _check(inventory, nodes, roles)
    # alone: what another command is just changing would count as broken
    with held(inventory.topology, "verify"), console.stage("verify"):
        report = verify(inventory, arguments.topology, console.progress, nodes=nodes, roles=roles)
    tell(console, report)
    console.result(
        {
            "checked": report.checked,
            "failed": [_named(broken) for broken in report.failed],
            "following": [_named(broken) for broken in report.following],
            "rendered": [_named(unproved) for unproved in report.rendered],
        }
    )
    return 3 if report.failed else 0


def _words(text: str) -> list[str]:
    return [word for word in text.split(",") if word]


def _check(inventory: Inventory, nodes: list[str], roles: list[str]) -> None:
    topology = inventory.topology
    for name in nodes:
        if name not in inventory.located:
            raise UsageError(f"no node {name} in {topology.name}: it has {', '.join(inventory.located)}")
    here = [group.replace("_", "/", 1) for group in topology.all_groups()]
    for role in roles:
        if role not in here:
            raise UsageError(f"no role {role} in {topology.name}: it has {', '.join(here)}")


def _named(broken: Broken) -> dict[str, str]:
    return {"node": broken.node, "role": broken.role, "promise": broken.promise}


def tell(console: Console, report: VerifyReport) -> None:
    """What is not as promised, for people."""
    for broken in report.failed:
        console.say(f"not kept: {broken}")
    for (node, role), following in groupby(report.following, lambda broken: (broken.node, broken.role)):
        console.say(f"and with it, {node}: {role}: {', '.join(broken.promise for broken in following)}")
    if report.rendered:
        told = ", ".join(sorted({unproved.promise for unproved in report.rendered}))
        console.say(f"rendered, not proved here: {told}")
    kept = report.checked - len(report.failed) - len(report.following) - len(report.rendered)
    console.say(f"{kept} of {report.checked} promises kept")
