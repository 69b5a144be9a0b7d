"""How much a crowd needs: collectors, stores, disk and spool, from what one core of each was measured to do.

Called by `show capacity`. A pure function from the crowd and the figures to steps; each step is a sentence whose
arithmetic can be checked by hand. The figures (capacity_figures.py) are data, with where each was measured.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from primetime.errors import UsageError


@dataclass(frozen=True)
class Figure:
    """One measured number, and how to measure it again."""

    value: float
    unit: str
    date: str
    machine: str
    command: str


@dataclass(frozen=True)
class Crowd:
    """What comes in, and what must not stop it."""

    updates: int
    seconds: float
    batch: int = 1  # updates in a request
    per_connection: int = 1  # phones that share a TLS connection: more than 1 only behind a gateway of one's own
    zones: int = 3
    outage_s: float = 300.0  # how long HBase may be away
    stored_within_s: float = 60.0  # from the burst's start until all of it is readable
    cores: int = 2  # of a collector, all for accepting

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= 100:
            raise UsageError(f"a batch of {self.batch}: the collector takes 1 to 100 updates in a request")
        if self.zones < 2:
            raise UsageError(f"{self.zones} zone: the loss of one cannot be survived with fewer than 2")


@dataclass
class Capacity:
    """What is needed: numbers by name, and the sentences that they follow from."""

    needs: dict[str, float] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)

    def step(self, name: str, value: float, sentence: str) -> float:
        self.needs[name] = value
        self.steps.append(sentence)
        return value

    def as_json(self) -> dict[str, Any]:
        return {**self.needs, "steps": self.steps}


REPLICATION = 3
HEADROOM = 0.7  # of a measured core: the rest is for what the measurement did not have, and for neighbours
GB = 1e9


def capacity(crowd: Crowd, figures: Mapping[str, Figure]) -> Capacity:
    """What this crowd needs with one zone lost and the store away for a while."""
    found = Capacity()
    rate = found.step(
        "updates_per_s",
        crowd.updates / crowd.seconds,
        f"{crowd.updates:,} updates in {crowd.seconds:g} s are {crowd.updates / crowd.seconds:,.0f} updates/s",
    )
    _accepting(found, crowd, figures, rate)
    _storing(found, crowd, figures, rate)
    return found


def surviving(need: int, zones: int) -> int:
    """Machines in all, shared evenly among zones, so that `need` are left when one zone is lost."""
    return zones * math.ceil(need / (zones - 1))


def accepted_per_core(batch: int, figures: Mapping[str, Figure]) -> tuple[int, float]:
    """The measured batch size that counts for `batch` (the next one below), and its updates/s of one core."""
    measured = sorted(int(name.removeprefix("accept_batch_")) for name in figures if name.startswith("accept_batch_"))
    known = max(size for size in measured if size <= batch)
    return known, figures[f"accept_batch_{known}"].value


def _accepting(found: Capacity, crowd: Crowd, figures: Mapping[str, Figure], rate: float) -> None:
    known, per_core = accepted_per_core(crowd.batch, figures)
    cores = math.ceil(rate / (per_core * HEADROOM))
    found.step(
        "collector_cores",
        cores,
        f"a collector's core accepts {per_core:,.0f} updates/s at batch {known}; with {HEADROOM:.0%} of that planned, "
        f"{rate:,.0f} / ({per_core:,.0f} x {HEADROOM}) = {cores} cores",
    )
    connections = math.ceil(crowd.updates / crowd.batch / crowd.per_connection)
    found.step(
        "connections",
        connections,
        f"each phone sends one request: {crowd.updates:,} / {crowd.batch} a request / {crowd.per_connection} phones a "
        f"connection = {connections:,} connections",
    )
    opened, handshakes = connections / crowd.seconds, figures["tls_handshakes"].value
    balancing = math.ceil(opened / (handshakes * HEADROOM))
    found.step(
        "tls_cores",
        balancing,
        f"TLS ends at the balancer: if all connect within the burst, {opened:,.0f} handshakes/s / "
        f"({handshakes:,.0f} a core x {HEADROOM}) = {balancing} cores there; with connections opened before the "
        f"question none of these",
    )
    memory = connections * figures["connection_bytes"].value / GB
    found.step(
        "connection_memory_gb",
        memory,
        f"open connections: {connections:,} x {figures['connection_bytes'].value:,.0f} bytes = {memory:.2f} GB over "
        f"all collectors, if the balancer opens one for each phone",
    )
    needed = math.ceil(cores / crowd.cores)
    collectors = surviving(needed, crowd.zones)
    found.step(
        "collectors",
        collectors,
        f"collectors: {cores} cores / {crowd.cores} a machine = {needed} machines; so that {needed} are left when one "
        f"of {crowd.zones} zones is lost, {math.ceil(needed / (crowd.zones - 1))} in each zone = {collectors}",
    )


def _storing(found: Capacity, crowd: Crowd, figures: Mapping[str, Figure], rate: float) -> None:
    per_store, row_bytes = figures["store_updates"].value, figures["stored_bytes"].value
    storing = crowd.updates / crowd.stored_within_s
    needed = max(REPLICATION, math.ceil(storing / (per_store * HEADROOM)))
    stores = surviving(needed, crowd.zones)
    found.step(
        "stores",
        stores,
        f"stores: {crowd.updates:,} within {crowd.stored_within_s:g} s are {storing:,.0f} updates/s / "
        f"({per_store:,.0f} a RegionServer x {HEADROOM}), but {REPLICATION} for the replicas = {needed}; "
        f"so that these are left when one of {crowd.zones} zones is lost, {stores}",
    )
    disk = crowd.updates * row_bytes * REPLICATION / GB
    found.step(
        "disk_gb",
        disk,
        f"disk: {crowd.updates:,} x {row_bytes:g} bytes x {REPLICATION} replicas = {disk:.2f} GB over all stores for "
        f"each such burst",
    )
    waiting = _spooling(found, crowd, figures["spool_bytes"].value, rate)
    drain = waiting / (needed * per_store * HEADROOM)
    found.step(
        "drain_s",
        drain,
        f"when the store is back, {waiting:,} / ({needed} RegionServers x {per_store:,.0f} x {HEADROOM}) = "
        f"{drain:,.0f} s until all is stored",
    )


def _spooling(found: Capacity, crowd: Crowd, size: float, rate: float) -> int:
    """How many updates wait at the end of the outage."""
    waiting = crowd.updates + math.ceil(rate * crowd.outage_s)
    spool = waiting * size / GB
    found.step(
        "spool_gb",
        spool,
        f"spool: the store goes away as the burst ends, for {crowd.outage_s:g} s, and the burst's rate goes on: "
        f"{crowd.updates:,} + {rate:,.0f} x {crowd.outage_s:g} = {waiting:,} updates wait; x {size:g} bytes = "
        f"{spool:.2f} GB",
    )
    left = math.ceil(found.needs["collector_cores"] / crowd.cores)
    found.step(
        "spool_gb_each",
        spool / left,
        f"shared by the {left} collectors that are left when a zone is lost: {spool / left:.2f} GB each "
        f"(collector_spool_budget_mb = {math.ceil(spool / left * GB / 2**20)})",
    )
    return waiting
