"""A local cluster as it was after its converge, with nothing that shows have left: what `demo reset` does.

By cleaning, not by snapshots: to keep and to put back a disk stops every host, and HBase takes longer to come back than
all of this takes. Each step may be cut short and done again.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis

from primetime import machines, scripts, wider
from primetime.errors import PrimetimeError
from primetime.hbase import admin
from primetime.hbase.gateway import HbaseUnavailable
from primetime.inventory import Inventory, live
from primetime.live_counts import client_of, saying_what_failed
from primetime.providers import driver_for, provider_of
from primetime.settings import from_data
from primetime.stage.disk import SpoolDisk, image_of
from primetime.topology import Topology
from roles.collector.settings import Collector

Progress = Callable[[str], None]

BATCH = 1_000
SERVES_S = 90.0  # a store that was killed is back after some 25 s
LOOK_S = 0.5
_SHIPPING = ("primetime-shipper", "primetime-collector")


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
    if hasattr(driver, "ex_heal"):
        faults = [str(fault) for node in nodes.values() for fault in node.extra.get("faults", ())]
        driver.ex_heal()
        done += [f"healed: {fault}" for fault in dict.fromkeys(faults)]
    started = machines.up(topology, progress)
    return [*done, *([f"{started} machines made or started"] if started else [])]


def clear(topology: Topology, progress: Progress) -> int:
    """Nothing of a show is left: spools, tables, live counts. How many keys Redis had.

    Collectors and shippers stand still when this returns, and the tables are gone: a converge brings back both.
    """
    inventory = live(topology)
    progress("clearing the spools")
    collectors = [node.name for node in topology.nodes if {"collector", "shipper"} & set(node.groups)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda node: _clear_spool(inventory, node), collectors))
        progress("clearing HBase and Redis")
        cleared = pool.submit(_clear_counts, inventory)
        _drop_tables(inventory)
        return cleared.result()


def _clear_spool(inventory: Inventory, node: str) -> None:
    """A new spool has a new name: the ledger begins anew with it, and earlier rehearsals are of another cluster."""
    run = functools.partial(scripts.run, inventory.located[node].ssh_config, node)
    spool = from_data(Collector, inventory.topology.settings).spool_path
    run(f"systemctl stop {' '.join(_SHIPPING)} || true")
    if provider_of(inventory.topology) == "nspawn":
        found: Any = next(each for each in driver_for(inventory.topology).list_nodes() if each.name == node)
        SpoolDisk(image_of(found), run, spool).detach()
        run(f"systemctl stop {' '.join(_SHIPPING)} || true")
    run(f"test ! -d {spool} || find {spool} -mindepth 1 -delete")


def _drop_tables(inventory: Inventory) -> None:
    if not inventory.topology.in_group("hbase_thrift"):
        return
    host, port = inventory.endpoint("hbase_thrift", "thrift")
    until = time.monotonic() + SERVES_S
    while True:
        try:
            for table in admin.tables(host, port):
                admin.drop_table(host, port, table)
            return
        except HbaseUnavailable:
            if time.monotonic() > until:
                raise
            time.sleep(LOOK_S)


def _clear_counts(inventory: Inventory) -> int:
    client = client_of(inventory)
    if client is None:
        return 0
    until = time.monotonic() + SERVES_S
    with saying_what_failed():
        while True:
            try:
                return _delete_all(client)
            except redis.ConnectionError:
                if time.monotonic() > until:
                    raise
                time.sleep(LOOK_S)


def _delete_all(client: redis.Redis) -> int:
    gone = 0
    keys = list(client.scan_iter(count=BATCH))
    for begin in range(0, len(keys), BATCH):
        gone += int(client.unlink(*keys[begin : begin + BATCH]))
    return gone
