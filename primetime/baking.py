"""Boxes with roles, of a topology of containers: its machines once more, converged, proved, made into boxes, removed.

Called by `up --bake`. The machines have a name, a network and secrets of their own, which end with them, so that a
topology that is up is not touched, and no box knows what anybody works with.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

from primetime import artifacts, class_archives, machines, scripts
from primetime.converge import converge
from primetime.drivers.nspawn import network
from primetime.drivers.nspawn.state import Network
from primetime.drivers.vagrant import boxes, converged, project
from primetime.errors import NotAsDeclared, PrimetimeError, UsageError
from primetime.inventory import live
from primetime.providers import driver_for
from primetime.secrets import topology as secrets
from primetime.topology import Topology, load
from primetime.verify import verify

Progress = Callable[[str], None]
PROVIDER = "vagrant:lxc"
SUFFIX = "-bake"
ARCHIVED_S = 240.0  # each of a host's JVMs computes for some seconds as it writes what it has loaded


def bake(topology: Topology, progress: Progress) -> list[str]:
    """The names of the boxes, one for each set of roles. PrimetimeError when machines cannot be made, or do not prove
    their roles: then there is no box, and nothing is left."""
    plain = boxes.ensure(topology.image, progress)
    with tempfile.TemporaryDirectory(prefix="primetime-bake-") as folder:
        text = _other(yaml.safe_load(Path(topology.file).read_text()), _network(topology))
        path = Path(folder) / f"{text['name']}.yml"
        path.write_text(yaml.safe_dump(text, sort_keys=False))
        other = load(str(path))
        with driver_for(other).ex_lock("up --bake"), _plain_machines(other, progress):
            return [box.name for box in _boxes(other, text["groups"], plain, progress)]


def _other(text: dict[str, Any], network: str) -> dict[str, Any]:
    """What a topology file says, under another name and in this network; without one, wherever there is room."""
    groups, rest = text["groups"], {**text, "network": network}
    if not network:
        groups = {group: {k: v for k, v in spec.items() if k != "addresses"} for group, spec in groups.items()}
        del rest["network"]
    return {**rest, "name": text["name"][: 31 - len(SUFFIX)] + SUFFIX, "provider": PROVIDER, "groups": groups}


def _network(topology: Topology) -> str:
    """The addresses that the topology itself would get now: its configuration is then in its boxes as it will be.

    Empty while its machines are there, or others use these addresses.
    """
    if driver_for(topology).ex_network():
        return ""
    try:
        return str(network.offered(Network(topology.name), IPv4Network(topology.network) if topology.network else None))
    except PrimetimeError:
        return ""


@contextmanager
def _plain_machines(topology: Topology, progress: Progress) -> Iterator[None]:
    """Machines that no box with roles is taken for, converged and proved; gone afterwards, and what is kept of them."""
    machines.down(topology, progress)  # what a killed one left
    os.environ[project.PLAIN] = "1"
    try:
        artifacts.ensure(topology.all_groups(), topology.image, progress)
        machines.up(topology, progress)
        _on_each(topology, class_archives.record)
        report = converge(topology.file, progress=progress)
        if report.failures:
            raise PrimetimeError(report.complaint())
        verified = verify(live(topology), topology.file, progress)
        if verified.failed:
            raise NotAsDeclared("\n".join(f"not kept, so no box is made: {broken}" for broken in verified.failed))
        progress("archiving the classes that JVMs have loaded")
        _on_each(topology, class_archives.keep)
        yield
    finally:
        del os.environ[project.PLAIN]
        machines.down(topology, progress)
        secrets.forget(topology)


def _on_each(topology: Topology, do: Callable[[tuple[str, ...], class_archives.Run], None]) -> None:
    """Do this on every machine, given its groups and how to run a script there."""
    located = live(topology).located
    for node in topology.nodes:
        do(node.groups, partial(scripts.run, located[node.name].ssh_config, node.name, within_s=ARCHIVED_S))


def _boxes(topology: Topology, groups: dict[str, dict[str, Any]], plain: Path, progress: Progress) -> Iterator[Path]:
    """A box of the first machine of each group, when all have stopped."""
    driver = driver_for(topology)
    nodes = {node.name: node for node in driver.list_nodes()}
    values = [secrets.value(topology, name).text.encode() for name in secrets.declared(topology)]
    driver.ex_stop_nodes(list(nodes.values()))
    done = set[Path]()
    for group, spec in groups.items():
        box = converged.box_of(plain, spec["roles"])
        if box not in done:
            converged.make(driver.ex_container(nodes[f"{group}-1"]), box, values, progress)
            done.add(box)
            yield box


def require_containers(provider: str) -> None:
    """UsageError unless a provider's machines can be made into boxes here."""
    if provider != PROVIDER:
        raise UsageError(f"--bake makes images on EC2, and boxes of {PROVIDER}: leave it out for {provider}")
