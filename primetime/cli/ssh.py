"""`ssh`: onto a host, or one command there with its exit code."""

from __future__ import annotations

import argparse
import os
import shlex

from primetime.console import Console
from primetime.errors import UsageError
from primetime.providers import driver_for
from primetime.topology import load


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--topology", default="demo", help="a name in inventories/, or a path (default: demo)")
    parser.add_argument("node", help="a node's name, as `status` prints it")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND...: run this there, exit as it does")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    topology.require_nodes([arguments.node])
    found = {node.name: node for node in driver_for(topology).list_nodes()}  # the others may be down meanwhile
    if arguments.node not in found or found[arguments.node].state != "running":
        raise UsageError(
            f"{topology.name}: {arguments.node} is not running: bin/primetime up -t {topology.given} --yes starts it"
        )
    words = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    command = ["ssh", "-F", str(found[arguments.node].extra["ssh_config"]), arguments.node]
    # ssh joins its words with spaces and the remote shell splits them again: quote, so that they arrive as given
    command += ["--", shlex.join(words)] if words else []
    os.execvp("ssh", command)
