"""`converge`: roles onto hosts."""

from __future__ import annotations

import argparse

from primetime import space
from primetime.cli import add_topology
from primetime.console import Console
from primetime.converge import ConvergeReport, converge
from primetime.providers import held
from primetime.topology import Topology, load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--dry", action="store_true", help="only say what would change")
    parser.add_argument("--limit", metavar="NODE,NODE", help="these nodes only")
    parser.add_argument("--during-show", action="store_true", help="also while a show is on (on EC2)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    limit = [] if arguments.limit is None else [name.strip() for name in arguments.limit.split(",")]
    if not topology.cloud:  # there it is known when its members are
        topology.require_nodes(limit)
    if topology.cloud and not arguments.dry:
        _require_quiet(topology, arguments.during_show)
    with held(topology, "converge"), console.stage("converge"):
        report = converge(arguments.topology, dry=arguments.dry, limit=limit, progress=console.progress)
    tell(console, report, dry=arguments.dry)
    console.result(
        {
            "topology": topology.name,
            "changed": report.changed,
            "changes": [{"node": node, "operation": operation} for node, operation in report.changes],
            "failed": [vars(failure) for failure in report.failures],
            "not_tried": [vars(left_out) for left_out in report.not_tried],
        }
    )
    return 1 if report.failures else 0


def _require_quiet(topology: Topology, during_show: bool) -> None:
    from primetime.cloud import freeze, machines

    freeze.require_quiet(machines.services(topology), topology, during_show, "converge")


def tell(console: Console, report: ConvergeReport, *, dry: bool) -> None:
    """What a converge did, for people."""
    if dry:
        for node, operation in report.changes:
            console.say(f"would change {node}: {operation}")
    word = "would change" if dry else "changed"
    if report.changed or report.failures:
        console.say(f"{report.changed} of {report.operations} operations {word} something")
    else:
        console.say("no changes")
    if report.failures:
        complaint = report.complaint()
        console.complain(f"primetime: {complaint}")
        if hint := space.hint(complaint):
            console.complain(f"primetime: {hint}")
