"""What runs that died have left on this machine, each with the command that removes it. Called by facts.

Hosts that run, or that were stopped in order, are no leftovers: only what no command will go on with by itself.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from primetime.drivers.nspawn import leftovers, lock, machine
from primetime.drivers.nspawn.state import Network
from primetime.drivers.vagrant import containers, project
from primetime.paths import cache


def found(topology: str, named: str) -> list[tuple[str, str]]:
    """(what, command) of each; the topology's own are removed by its `down`, others by their network's name."""
    everything = [] if os.geteuid() else [pair for name in leftovers.networks() for pair in _of(name, topology, named)]
    for name in containers.topologies():
        if not project.recorded(name):
            everything.append((f"{name} has containers that vagrant knows nothing of", f"bin/primetime down -t {name}"))
    return everything + [(f"{path} was never finished", f"rm -rf {path}") for path in _half_built()]


def _of(name: str, topology: str, named: str) -> Iterator[tuple[str, str]]:
    network = Network(name)
    if project.recorded(name):
        return  # vagrant knows its machines
    if lock.is_held(network.command_lock):
        return
    down = f"bin/primetime down -t {named if name == topology else name}"
    records = network.records()
    if not records:
        there = leftovers.find(name)
        yield f"{name} has no machines, and {len(there)} things are left of it: {there[0] if there else ''}", down
        return
    for path in (network.going, *network.nodes.glob(".new-*"), *network.nodes.glob(".gone-*")):
        if path.exists():
            yield f"{path} is half made or half removed", down
    stopped = [record.name for record in records if machine.leader(network.node(record.name)) is None]
    if stopped and network.command_lock.exists():
        yield f"{name}: {', '.join(stopped)} not running, and the command that held {network.command_lock} died", down


def _half_built() -> list[Path]:
    """Folders in the cache that a build left which nobody goes on with; not those of one that is at work."""
    half = [*cache().glob("images/.*-*"), *cache().glob("jars/.new-*"), *cache().glob("bundles/.new-*")]
    return [path for path in half if not any(lock.is_held(held) for held in path.parent.glob("*lock"))]
