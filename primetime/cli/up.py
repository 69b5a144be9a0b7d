"""`up`: make the machines of a topology."""

from __future__ import annotations

import argparse

from primetime import doctor, machines, preflight
from primetime.cli import add_topology
from primetime.console import Console
from primetime.providers import driver_for
from primetime.topology import load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--no-wait", action="store_true", help="do not wait until every machine answers ssh")
    parser.add_argument("--yes", action="store_true", help="do not ask (nothing is asked for local machines)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    preflight.require_root("up")
    preflight.require(preflight.missing(preflight.DEMO), "up")
    doctor.require(topology, arguments.topology, "up")
    with driver_for(topology).ex_lock("up"), console.stage("machines"):
        changed = machines.up(topology, console.progress, wait=not arguments.no_wait)
    console.say(f"{topology.name}: {len(topology.nodes)} machines up, {changed} made or started")
    console.result({"topology": topology.name, "changed": changed})
    return 0
