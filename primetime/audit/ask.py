"""One look at a cluster: positions, spools, ledger, rehearsed ids, in the order that makes them comparable."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import redis

from primetime.audit import runs
from primetime.audit.accounts import Accounts, Problem, settle
from primetime.audit.collectors import Surveyed
from primetime.audit.report import Report
from primetime.hbase import Hbase
from primetime.reading import patiently
from primetime.shipper.ledger import CORRUPT, everything
from primetime.shipper.spool import SegmentId

PATIENCE_S = 30.0
_POSITION = "position:"
_GAP = "gap:"


def report(
    topology: str,
    hbase: Hbase,
    client: redis.Redis | None,
    survey: Callable[[dict[str, Any]], list[Surveyed]],
    records: Path,
    most_runs: int,
    progress: Callable[[str], None],
) -> Report:
    """Whether anything is missing. `records` keeps the topology's rehearsals, of which `most_runs` are compared."""
    read = partial(patiently, until=time.monotonic() + PATIENCE_S, progress=progress)
    notes: list[str] = []
    positions, gaps = _redis(client, notes)
    finished = set(records.glob("*/run.json"))  # what these had acknowledged was in a spool before it is looked at
    before = read(lambda: everything(hbase))
    progress("looking into the spools")
    hbase_positions = {str(segment): (row.bytes, row.records, row.read) for segment, row in before.items()}
    spools = survey({"hbase": hbase_positions, "redis": positions})
    accounts = settle(read(lambda: everything(hbase)), spools)
    found = [*accounts.problems, *_positions(positions, spools), *gaps]
    sources = {account.segment.source for account in accounts.segments} | {s for spool in spools for s in spool.last}
    folders = [f for f in runs.of_this_cluster(records, sources, most_runs) if f / "run.json" in finished]
    certificates = read(lambda: runs.compare(folders, hbase, progress))
    found += _missing(certificates, accounts, notes)
    return Report(topology, accounts.segments, certificates, found, notes)


def _missing(certificates: list[Any], accounts: Accounts, notes: list[str]) -> list[Problem]:
    """The ids that are missing, unless as many events still wait in a spool: then they may be among them."""
    missing = sum(certificate.missing for certificate in certificates)
    waiting = sum(account.waiting for account in accounts.segments if account.row.state != CORRUPT)
    if 0 < missing <= waiting:
        notes.append(f"{missing:,} acknowledged in rehearsals are not stored yet; {waiting:,} events wait in a spool")
        return []
    return runs.problems(certificates)


def _redis(client: redis.Redis | None, notes: list[str]) -> tuple[dict[str, str], list[Problem]]:
    """Redis' positions by source, and what it was too late to count."""
    if client is None:
        return {}, []
    try:
        positions = {
            str(key).removeprefix(_POSITION): str(client.get(key) or "")
            for key in client.scan_iter(f"{_POSITION}*", count=1000)
            if not str(key).startswith(f"{_POSITION}deadletter-")
        }
        gaps = [
            Problem("not counted", source, f"Redis was too late for {start!s} to {end!s}: reconcile it")
            for source in (str(key).removeprefix(_GAP) for key in client.scan_iter(f"{_GAP}*", count=1000))
            for start, end in client.hgetall(f"{_GAP}{source}").items()
        ]
    except redis.RedisError as error:
        notes.append(f"Redis does not answer, so its counts were not looked at: {error}")
        return {}, []
    return positions, gaps


def _positions(positions: dict[str, str], spools: list[Surveyed]) -> list[Problem]:
    """Redis' positions that no sink can have written."""
    last = {source: number for spool in spools for source, number in spool.last.items()}
    found = []
    for source, position in sorted(positions.items()):
        number, _, offset = position.partition(":")
        if not (number.isdecimal() and offset.isdecimal() and int(number) > 0):
            why = f"Redis' position is {position!r}: write `primetime ledger reconcile --apply`"
            found.append(Problem("position", f"{_POSITION}{source}", why))
        elif source in last and (int(number), int(offset)) > (last[source] + 1, 0):
            name = SegmentId(source, int(number))
            found.append(
                Problem("position", str(name), f"Redis' position is {position}, the spool ends at {last[source]}")
            )
    return found
