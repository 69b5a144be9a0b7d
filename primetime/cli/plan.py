"""`plan`: what `up` would change."""

from __future__ import annotations

import argparse
from pathlib import Path

from primetime.cli import add_topology
from primetime.console import Console
from primetime.errors import UsageError
from primetime.topology import Topology, load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--save", metavar="FILE", help="keep the plan for `up --plan FILE` (on EC2)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    if topology.cloud:
        return _on_ec2(topology, arguments.save, console)
    if arguments.save:
        raise UsageError(f"{topology.name} is not on EC2: up looks anew anyway, so leave --save out")
    from primetime import machines

    exists = machines.found(topology)
    steps = machines.plan(topology, exists)
    strangers = machines.undeclared(topology, exists)
    for step in steps:
        console.say(str(step))
    for name in strangers:
        console.say(f"not declared: {name}")
    if not steps and not strangers:
        console.say("no changes")
    console.result({"topology": topology.name, "steps": [str(step) for step in steps], "undeclared": strangers})
    return 0


def _on_ec2(topology: Topology, save: str | None, console: Console) -> int:
    from primetime.cloud import machines as cloud

    services = cloud.services(topology)
    planned = cloud.look(services, topology)
    for sentence in planned.sentences():
        console.say(sentence)
    if save:
        cloud.save(planned, topology, Path(save))
        console.say(f"saved: bin/primetime up -t {topology.given} --plan {save} --yes does just this, or refuses")
    console.result(
        {
            "topology": topology.name,
            "steps": [str(step) for step in planned.plan.steps],
            "undeclared": list(planned.plan.undeclared),
            "conflicts": list(planned.plan.conflicts),
            "calls": len(services.calls),
        }
    )
    return 0
