"""`down`: remove everything of a topology, and prove by looking that nothing is left."""

from __future__ import annotations

import argparse
import os

from primetime import machines, preflight
from primetime.cli import add_topology
from primetime.console import Console
from primetime.drivers.nspawn import leftovers
from primetime.errors import UsageError
from primetime.providers import driver_for
from primetime.topology import Topology, load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask (nothing is asked for local machines)")


def _topology(named: str) -> Topology:
    """The topology, or the name of machines that are here and whose topology file is gone."""
    try:
        return load(named)
    except UsageError:
        if os.geteuid() == 0 and named in leftovers.networks():
            return Topology(named, "nspawn", image="", shows=(), nodes=())
        raise


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = _topology(arguments.topology)
    preflight.require_root("down")
    with console.stage("down"):
        with driver_for(topology).ex_lock("down"):
            machines.down(topology, console.progress)
        left = machines.left(topology)
    for thing in left:
        console.say(f"left: {thing}")
    if not left:
        console.say("left: nothing (looked for processes, mounts, links, nft tables, cgroups, sysctls and files)")
    console.result({"left": left})
    return 3 if left else 0
