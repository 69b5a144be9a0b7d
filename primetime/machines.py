"""A topology's machines: made, started, removed; and the proof that nothing is left.

Called by the verbs `up`, `down` and `demo`.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from primetime import artifacts, expiry
from primetime.drivers.nspawn import leftovers
from primetime.drivers.vagrant import containers
from primetime.errors import NotAsDeclared
from primetime.inventory import heap_mb
from primetime.providers import driver_for
from primetime.secrets import topology as secrets
from primetime.topology import NodeSpec, Topology

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """One thing that differs between wanted and found, and what mends it."""

    action: str  # "create" or "start"
    node: NodeSpec

    def __str__(self) -> str:
        return f"{self.action} {self.node.name} ({self.node.memory_mb} MiB: {', '.join(self.node.groups)})"


def plan(topology: Topology, found: dict[str, str]) -> list[Step]:
    """Steps from what was found (node name → libcloud state) to what the topology declares."""
    steps = []
    for node in topology.nodes:
        if node.name not in found:
            steps.append(Step("create", node))
        elif found[node.name] != "running":
            steps.append(Step("start", node))
    return steps


def found(topology: Topology) -> dict[str, str]:
    """Node name → libcloud state of every machine that this topology's provider holds for it."""
    return {node.name: str(node.state) for node in driver_for(topology).list_nodes()}


def undeclared(topology: Topology, found: dict[str, str]) -> list[str]:
    """Machines that exist and that the topology does not declare (any more)."""
    return sorted(found.keys() - {node.name for node in topology.nodes})


def up(topology: Topology, progress: Progress, *, wait: bool = True) -> int:
    """Make it so; returns how many machines were made or started. With `wait`, returns when all answer ssh."""
    for node in topology.nodes:
        heap_mb(node)  # a host that is too small for its daemons is told before anything is made
    driver = driver_for(topology)
    made = secrets.make_missing(topology)
    if made:
        progress(f"made secrets: {', '.join(made)}")
    exists = found(topology)
    strangers = undeclared(topology, exists)
    if strangers:
        raise NotAsDeclared(
            f"{topology.name} has machines that it does not declare: {', '.join(strangers)}: "
            f"declare them, or remove them and what shows have left with bin/primetime demo reset -t {topology.given}, "
            f"or remove all with bin/primetime down -t {topology.name} --yes"
        )
    _require_addresses(topology, driver)
    steps = plan(topology, exists)
    image = driver.ex_ensure_image(topology.image, progress=progress) if steps else None
    with ThreadPoolExecutor(max_workers=8) as pool:
        fetched = pool.submit(_fetch_debs, steps, image, progress)
        _take(driver, steps, image, pool, progress)
        fetched.result()
    if wait:
        driver.ex_wait_for_ssh(driver.list_nodes())
    return len(steps)


def prepare(topology: Topology, progress: Progress) -> None:
    """What machines need before they can be made: their network and image."""
    driver = driver_for(topology)
    driver.ex_create_network()
    driver.ex_ensure_image(topology.image, progress=progress)


def _take(driver: Any, steps: list[Step], image: Any, pool: ThreadPoolExecutor, progress: Progress) -> None:
    """Take the steps, in one call where the driver has one for many machines."""
    if driver.ex_takes_many:
        for step in steps:
            progress(str(step))
        if steps:
            driver.ex_create_nodes([step.node.name for step in steps], progress)
        return
    nodes = {node.name: node for node in driver.list_nodes()}

    def take(step: Step) -> None:
        progress(str(step))
        if step.action == "create":
            size = driver.ex_size(step.node.memory_mb, step.node.cpus, step.node.cpu_weight)
            driver.create_node(step.node.name, size=size, image=image, ex_address=step.node.address)
        else:
            driver.start_node(nodes[step.node.name])

    list(pool.map(take, steps))


def _require_addresses(topology: Topology, driver: Any) -> None:
    """NotAsDeclared when the network or a node has other addresses than declared: they are given once."""
    made = driver.ex_network()
    declared = {node.name: node.address for node in topology.nodes if node.address}
    differ = [
        f"{node.name} has {node.extra['address']}, not {declared[node.name]}"
        for node in driver.list_nodes()
        if declared.get(node.name) not in (None, node.extra["address"])
    ]
    if made and topology.network not in (None, made["cidr"]):
        differ.append(f"its network is {made['cidr']}, not {topology.network}")
    if differ:
        raise NotAsDeclared(
            f"{topology.name} was made with other addresses: {', '.join(differ)}: declare those, "
            f"or remove all with bin/primetime down -t {topology.name} --yes and make it again"
        )


def _fetch_debs(steps: list[Step], image: Any, progress: Progress) -> None:
    """What new hosts will install, while they boot, where their provider has their image on this machine."""
    if image is not None and "root" in image.extra:
        new = [step.node.groups for step in steps if step.action == "create"]
        artifacts.ensure_debs(new, image.id, Path(image.extra["root"]), progress)


def down(topology: Topology, progress: Progress) -> None:
    """Remove every machine of a topology, and its network; nothing waits to do so any more."""
    expiry.end(topology.name)
    driver = driver_for(topology)
    nodes = driver.list_nodes()

    def remove(node: Any) -> None:
        progress(f"remove {node.name}")
        driver.destroy_node(node)

    if driver.ex_takes_many:
        driver.ex_destroy_nodes(nodes, progress)
    else:
        with ThreadPoolExecutor(max_workers=8) as pool:
            list(pool.map(remove, nodes))
    driver.ex_destroy_network()


def left(topology: Topology) -> list[str]:
    """What is still there of a topology, found by looking: sentences, none when all is gone."""
    return [*leftovers.find(topology.name), *containers.left(topology.name)]
