"""`ssh`: onto a host, or one command there with its exit code."""

from __future__ import annotations

import argparse
import os
import shlex

from primetime.console import Console
from primetime.errors import UsageError
from primetime.inventory import live
from primetime.providers import driver_for
from primetime.topology import Topology, load

_TOPOLOGY = ("-t", "--topology")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-t", "--topology", default="demo", help="a name in inventories/, or a path (default: demo)")
    parser.add_argument("node", help="a node's name, as `status` prints it")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND...: run this there, exit as it does")


def run(arguments: argparse.Namespace, console: Console) -> int:
    named, words = _after_node(arguments.command, arguments.topology)
    topology = load(named)
    command = ["ssh", "-F", _config(topology, arguments.node), arguments.node]
    # ssh joins its words with spaces and the remote shell splits them again: quote, so that they arrive as given
    command += ["--", shlex.join(words)] if words else []
    os.execvp("ssh", command)


def _after_node(words: list[str], topology: str) -> tuple[str, list[str]]:
    """(topology, command) from what stands behind NODE: our options may, up to the command or `--`."""
    while words and words[0].startswith("-") and words[0] != "--":
        option, equals, value = words[0].partition("=")
        if option not in _TOPOLOGY:
            raise UsageError(f"ssh has no option {option}: what stands after NODE is -t TOPOLOGY, or the command")
        if not equals and len(words) == 1:
            raise UsageError(f"ssh {option}: write which topology")
        topology, words = (value, words[1:]) if equals else (words[1], words[2:])
    return topology, words[1:] if words[:1] == ["--"] else words


def _config(topology: Topology, node: str) -> str:
    """ssh's configuration for a node; UsageError when there is none of the name, or it is not running."""
    if topology.cloud:
        inventory = live(topology)
        inventory.topology.require_nodes([node])
        return inventory.located[node].ssh_config
    topology.require_nodes([node])
    found = {each.name: each for each in driver_for(topology).list_nodes()}  # the others may be down meanwhile
    if node not in found or found[node].state != "running":
        raise UsageError(
            f"{topology.name}: {node} is not running: bin/primetime up -t {topology.given} --yes starts it"
        )
    return str(found[node].extra["ssh_config"])
