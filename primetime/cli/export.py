"""`export`: the same cluster for other tools: `cloudformation`, a template on standard output."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime

from primetime.cli import add_topology
from primetime.cloud.cloudformation import template
from primetime.cloud.wanted import wanted
from primetime.console import Console
from primetime.topology import load


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="FORMAT")
    add_topology(actions.add_parser("cloudformation", help="a template of a topology on EC2, as JSON"))


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    made = template(topology, wanted(topology, datetime.now(UTC)))
    console.say(json.dumps(made, indent=2))
    console.result(made)
    return 0
