"""`spool`: spools whose instances are gone (on EC2): `list`, and `adopt`, when no guard takes one over."""

from __future__ import annotations

import argparse

from primetime.cli import add_topology
from primetime.cloud import machines, spools
from primetime.console import Console
from primetime.topology import load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    sub = actions.add_parser("list", help="volumes that may hold events, and what becomes of each")
    add_topology(sub, of_action=True)
    sub = actions.add_parser("adopt", help="have a collector in its zone ship what is on one, now")
    sub.add_argument("volume", help="its id: vol-...")
    add_topology(sub, of_action=True)


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    services = machines.services(topology)
    if arguments.action == "adopt":
        with console.stage("adopt"):
            told = spools.adopt(services, topology, arguments.volume, console.progress)
        console.say(told)
        console.result({"topology": topology.name, "volume": arguments.volume, "told": told})
        return 0
    found = spools.orphans(services, topology.name)
    for sentence in spools.sentences(found) or ["no spool whose instance is gone"]:
        console.say(sentence)
    console.result({"topology": topology.name, "spools": [each.id for each in found]})
    return 3 if found else 0
