"""Has a live cluster have its seeded shows, by the way that every event takes. Called by `demo` and `demo reset`."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import redis

from primetime.errors import NotAsDeclared, PrimetimeError
from primetime.hbase import Hbase, HbaseUnavailable
from primetime.inventory import Inventory
from primetime.live_counts import client_of
from primetime.paths import home
from primetime.rehearsal.stored import events_read
from primetime.seeding import audience, state
from primetime.seeding.send import send
from primetime.seeding.state import Seeded
from primetime.topology import Topology

Progress = Callable[[str], None]
Hopeless = Callable[[], bool]  # whether what does not answer now is not worth waiting for any more
T = TypeVar("T")

WITHIN_S = 90.0  # HBase may be on its way back
LOOK_S, AGAIN_S = 0.1, 0.5
NEEDS = ("collector", "shipper", "hbase_thrift")


def fits(topology: Topology) -> bool:
    """Whether events can pass through it."""
    return all(topology.in_group(group) for group in NEEDS)


def after(seconds: float) -> Hopeless:
    """Hopeless from so many seconds from now on."""
    until = time.monotonic() + seconds
    return lambda: time.monotonic() > until


def served(call: Callable[[], T], hopeless: Hopeless) -> T:
    """What HBase answers, as soon as it does; HbaseUnavailable when that is hopeless."""
    while True:
        try:
            return call()
        except HbaseUnavailable:
            if hopeless():
                raise
            time.sleep(AGAIN_S)


def plant(inventory: Inventory, seeded: Seeded, progress: Progress, hopeless: Hopeless | None = None) -> dict[str, Any]:
    """Send what a seed makes of the seeded shows, unless all of it is there: {"seed", "shows", "updates", "sha256"}.

    NotAsDeclared when a seeded show has other events; PrimetimeError when its state is not reached and that is
    `hopeless`, by default after WITHIN_S.
    """
    topology, hopeless = inventory.topology, hopeless or after(WITHIN_S)
    client = client_of(inventory)
    wanted = seeded.sha256(counts=client is not None)
    with closing(Hbase(*inventory.endpoint("hbase_thrift", "thrift"))) as hbase:
        if _has_any(hbase, seeded, topology, hopeless) and _now(hbase, client, seeded) == wanted:
            progress("the seeded shows are there")
        else:
            for events in seeded.events.values():
                send(events, inventory.entrance(), progress, hopeless)
            while not (_arrived(hbase, client, seeded) and _now(hbase, client, seeded) == wanted):
                if hopeless():
                    raise PrimetimeError(
                        f"The seeded shows are not what seed {seeded.seed} makes: "
                        "`primetime ledger` says what waits or is missing"
                    )
                progress("waiting until it is stored and counted")
                time.sleep(LOOK_S)
    _remember(topology.name, seeded.seed)
    return {"seed": seeded.seed, "shows": list(seeded.events), "updates": seeded.updates, "sha256": wanted}


def remembered(name: str) -> int:
    """The seed that a topology was last given."""
    try:
        return int(_file(name).read_text())
    except (OSError, ValueError):
        return audience.SEED


def _remember(name: str, seed: int) -> None:
    _file(name).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    _file(name).write_text(f"{seed}\n")


def _file(name: str) -> Path:
    return home() / "seeds" / name


def _has_any(hbase: Hbase, seeded: Seeded, topology: Topology, hopeless: Hopeless) -> bool:
    """Whether some of its events are there. NotAsDeclared when others are: of another seed, or of a rehearsal."""
    has_any = False
    for show, events in seeded.events.items():
        if not (there := served(partial(_names, hbase, show), hopeless)):
            continue
        has_any = True
        known = {name for _, name, _ in state.cells_of(show, events)}
        others = [name for name in there if name not in known]
        if others:
            raise NotAsDeclared(
                f"{show} has {len(others):,} events that seed {seeded.seed} does not make: "
                f"bin/primetime demo reset -t {topology.given} --seed {seeded.seed} takes all back to it"
            )
    return has_any


def _names(hbase: Hbase, show: str) -> list[bytes]:
    return [name for _, name, _ in state.stored(hbase, show)]


def _arrived(hbase: Hbase, client: redis.Redis | None, seeded: Seeded) -> bool:
    """Whether as many events as were sent are stored, and counted."""
    try:
        for show, events in seeded.events.items():
            counted = int(str(client.get(f"total:{show}") or 0)) if client else len(events)
            if counted < len(events) or sum(events_read(hbase, show).values()) < len(events):
                return False
    except (HbaseUnavailable, redis.RedisError):
        return False
    return True


def _now(hbase: Hbase, client: redis.Redis | None, seeded: Seeded) -> str:
    """The hash as it is; empty while HBase or Redis do not answer."""
    try:
        return state.found(hbase, client, seeded.events)
    except (HbaseUnavailable, redis.RedisError):
        return ""
