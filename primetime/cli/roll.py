"""`roll`: replace the members of groups that scale, one by one, by what their launch templates say now."""

from __future__ import annotations

import argparse

from primetime.cli import add_topology
from primetime.cloud import machines
from primetime.cloud.roll import roll
from primetime.console import Console
from primetime.errors import UsageError
from primetime.topology import load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask; nothing is replaced without it")
    parser.add_argument("--resume", action="store_true", help="go on after the one that stopped it")
    parser.add_argument("--back", action="store_true", help="bring back what members were made of before")
    parser.add_argument("--during-show", action="store_true", help="also while a show is on")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    if arguments.resume and arguments.back:
        raise UsageError("--resume goes on and --back goes back: write one of them")
    services = machines.services(topology)
    if not arguments.yes:
        raise UsageError(f"roll replaces machines, one by one: look at status -t {topology.given}, then add --yes")
    with console.stage("roll"):
        came = roll(services, topology, console.progress, arguments.resume, arguments.back, arguments.during_show)
    console.say(f"{topology.name}: {len(came)} members replaced")
    console.result({"topology": topology.name, "came": came, "calls": len(services.calls)})
    return 0
