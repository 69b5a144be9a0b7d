"""`plan`: what `up` would change."""

from __future__ import annotations

import argparse

from primetime import machines
from primetime.cli import add_topology
from primetime.console import Console
from primetime.topology import load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
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
