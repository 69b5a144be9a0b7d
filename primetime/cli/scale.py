"""`scale`: a group's number by hand, when the calendar fails."""

from __future__ import annotations

import argparse

from primetime.cli import add_topology
from primetime.cloud import machines
from primetime.console import Console
from primetime.quantities import count
from primetime.topology import load


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("group", help="a group with min and max")
    parser.add_argument("members", help="how many")
    add_topology(parser)
    parser.add_argument("--no-wait", action="store_true", help="do not wait until they are healthy")
    parser.add_argument("--during-show", action="store_true", help="also fewer of them while a show is on")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    members = count(arguments.members)
    services = machines.services(topology)
    with console.stage("scale"):
        machines.scale(
            services,
            topology,
            arguments.group,
            members,
            console.progress,
            not arguments.no_wait,
            arguments.during_show,
        )
    console.say(f"{topology.name}: group {arguments.group} is {members}; the next scheduled action sets its own number")
    console.result({"topology": topology.name, "group": arguments.group, "members": members})
    return 0
