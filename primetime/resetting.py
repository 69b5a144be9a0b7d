"""A local cluster back in its seeded state: what `demo reset` does.

By cleaning, and by sending the seeded shows again, not by snapshots of disks or tables: both were measured
(docs/measurements/demo.md). Each step may be cut short and done again.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from typing import Any

import redis

from primetime import machines, scripts, wider
from primetime.audit import collectors
from primetime.audit.accounts import settle
from primetime.converge.report import ConvergeReport
from primetime.errors import PrimetimeError
from primetime.hbase import Hbase, admin
from primetime.inventory import Inventory
from primetime.live_counts import client_of, saying_what_failed
from primetime.providers import driver_for, provider_of
from primetime.seeding import state
from primetime.seeding.plant import AGAIN_S, Hopeless, served
from primetime.settings import from_data
from primetime.shipper.ledger import everything
from primetime.stage.disk import SpoolDisk, image_of
from primetime.topology import NodeSpec, Topology
from roles.collector.settings import Collector

Progress = Callable[[str], None]

BATCH = 1_000
SERVES_S = 90.0  # a store that was killed is back after some 25 s
ANSWERS_S = 20.0  # a machine boots within three
_SHIPPING = "primetime-shipper primetime-collector"
# What Prometheus has seen, and what Alertmanager was told: each in a folder of its own below /var/lib.
_WATCHING = ("primetime-prometheus", "primetime-alertmanager")


def require_machines(topology: Topology) -> None:
    """PrimetimeError when there is nothing to reset."""
    if topology.cloud:
        raise PrimetimeError(f"{topology.name} is on EC2: reset is for machines on this machine")
    if not machines.found(topology):
        raise PrimetimeError(f"there is no {topology.name} to reset: bin/primetime demo -t {topology.given} makes one")


def heal(topology: Topology, progress: Progress) -> list[str]:
    """Machines that are not declared go, cables are whole, every machine runs: what was done, as sentences."""
    driver = driver_for(topology)
    nodes = {node.name: node for node in driver.list_nodes()}
    done = []
    for name in machines.undeclared(topology, {name: "" for name in nodes}):
        progress(f"remove {name}")
        driver.destroy_node(nodes.pop(name))
        done.append(f"{name} removed")
    wider.forget(topology.name)
    if driver.ex_breaks:
        faults = [str(fault) for node in nodes.values() for fault in node.extra.get("faults", ())]
        driver.ex_heal()
        done += [f"healed: {fault}" for fault in dict.fromkeys(faults)]
    started = machines.up(topology, progress, wait=False)
    done += [f"{started} machines made or started"] if started else []
    return done + remake(topology, _silent(driver), progress)


def remake(topology: Topology, names: Iterable[str], progress: Progress) -> list[str]:
    """Machines that are beyond repair are made anew, from their image: what was done, as sentences."""
    driver, done = driver_for(topology), []
    nodes = {node.name: node for node in driver.list_nodes()}
    for name in names:
        progress(f"remove {name}, which is beyond repair")
        driver.destroy_node(nodes[name])
        done.append(f"{name} made anew")
    if done:
        machines.up(topology, progress)
    return done


def _silent(driver: Any) -> list[str]:
    """The machines whose ssh does not answer, though they run."""

    def is_silent(node: Any) -> bool:
        try:
            driver.ex_wait_for_ssh([node], ANSWERS_S)
            return False
        except PrimetimeError:
            return True

    nodes = driver.list_nodes()
    with ThreadPoolExecutor(max_workers=8) as pool:
        return [node.name for node, silent in zip(nodes, pool.map(is_silent, nodes), strict=True) if silent]


def clear_hosts(inventory: Inventory, progress: Progress) -> list[str]:
    """Spools are new and empty, and nobody knows any curve; their services begin anew. The hosts that cannot do it."""
    progress("clearing spools and curves")

    def cannot(node: NodeSpec) -> bool:
        try:
            _clear_host(inventory, node)
            return False
        except PrimetimeError as error:
            progress(str(error))
            return True

    nodes = inventory.topology.nodes
    with ThreadPoolExecutor(max_workers=8) as pool:
        return [node.name for node, broken in zip(nodes, pool.map(cannot, nodes), strict=True) if broken]


def _clear_host(inventory: Inventory, node: NodeSpec) -> None:
    run = functools.partial(scripts.run, inventory.located[node.name].ssh_config, node.name)
    run("systemctl show -P Version")  # a host that cannot say so would only be told by the converge
    if {"collector", "shipper"} & set(node.groups):
        _clear_spool(inventory, node.name, run)
    if "monitoring" in node.groups:
        run("\n".join(_anew(unit, f"/var/lib/{unit}") for unit in _WATCHING))


def _clear_spool(inventory: Inventory, node: str, run: Callable[[str], str]) -> None:
    """A new spool has a new name: the ledger begins anew with it, and earlier rehearsals are of another cluster."""
    spool = from_data(Collector, inventory.topology.settings).spool_path
    if provider_of(inventory.topology) == "nspawn":
        found: Any = next(each for each in driver_for(inventory.topology).list_nodes() if each.name == node)
        SpoolDisk(image_of(found), run, spool).detach()
    run(_anew(_SHIPPING, spool))


def _anew(units: str, folder: str) -> str:
    """Units begin with an empty folder. Those that do not begin, or are not there yet, are the next converge's."""
    clear = f"test ! -d {folder} || find {folder} -mindepth 1 -delete"
    return f"systemctl stop {units} || true; {clear}; systemctl start --no-block {units} || true"


def hopeless_after(converged: Future[ConvergeReport]) -> Hopeless:
    """Hopeless when the converge that is to bring everything back has failed, or ended SERVES_S ago."""
    ended: list[float] = []
    converged.add_done_callback(lambda _: ended.append(time.monotonic()))

    def hopeless() -> bool:
        if not ended:
            return False
        failed = converged.exception() is not None or bool(converged.result().failures)
        return failed or time.monotonic() > ended[0] + SERVES_S

    return hopeless


def clear_data(inventory: Inventory, hopeless: Hopeless, progress: Progress) -> int:
    """Nothing of a show is left in HBase and Redis. How many keys Redis had.

    What does not answer is waited for, until it is `hopeless`.
    """
    progress("clearing HBase and Redis")
    with ThreadPoolExecutor(max_workers=4) as pool:
        cleared = pool.submit(_clear_counts, inventory, hopeless)
        if inventory.topology.in_group("hbase_thrift"):
            host, port = inventory.endpoint("hbase_thrift", "thrift")
            there = served(functools.partial(admin.tables, host, port), hopeless)

            def truncate(name: str) -> None:
                served(functools.partial(admin.truncate_table, host, port, name), hopeless)
                progress(f"{name} is empty")

            list(pool.map(truncate, there))
        return cleared.result()


def _clear_counts(inventory: Inventory, hopeless: Hopeless) -> int:
    client = client_of(inventory)
    if client is None:
        return 0
    with saying_what_failed():
        while True:
            try:
                return _delete_all(client)
            except redis.ConnectionError:
                if hopeless():
                    raise
                time.sleep(AGAIN_S)


def _delete_all(client: redis.Redis) -> int:
    gone = 0
    keys = list(client.scan_iter(count=BATCH))
    for begin in range(0, len(keys), BATCH):
        gone += int(client.unlink(*keys[begin : begin + BATCH]))
    return gone


def left(inventory: Inventory) -> dict[str, int]:
    """What there is beside the seeded shows, by what it is; nothing after a reset in which nobody sent anything."""
    with closing(Hbase(*inventory.endpoint("hbase_thrift", "thrift"))) as hbase, ThreadPoolExecutor(1) as pool:
        spools = pool.submit(collectors.survey, inventory, {})
        with saying_what_failed():
            found = state.beside(hbase, client_of(inventory), inventory.topology.seeded)
        accounts = settle(everything(hbase), spools.result())
    waiting = sum(account.waiting for account in accounts.segments)
    return found | ({"events in spools": waiting} if waiting else {})
