"""A rehearsal from start to certificate: ledger, burst, record, reading back. Called by `rehearse` and `demo`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from primetime.errors import PrimetimeError
from primetime.hbase import Hbase, HbaseUnavailable
from primetime.reading import patiently
from primetime.rehearsal import crowd
from primetime.rehearsal.burst import Burst, Plan
from primetime.rehearsal.certificate import Certificate, certify
from primetime.rehearsal.ids import new_run
from primetime.rehearsal.record import Record
from primetime.rehearsal.share import ACKED, Tally
from primetime.rehearsal.stored import Found, Shipped, count_duplicates, wait_until_readable

__all__ = ["Plan", "rehearse"]

BEFORE_S = 10.0  # how long HBase may take to answer before anything is sent


def rehearse(
    plan: Plan,
    collectors: Sequence[tuple[str, int]],
    thrift: tuple[str, int],
    run_dir: Path,
    progress: Callable[[str], None],
) -> Certificate:
    """Send a burst to the collectors and certify it. `run_dir` keeps the runs: this one's record is `run_dir`/<run>.

    PrimetimeError when HBase or every collector is out of reach at the start, or HBase for longer than the plan waits.
    """
    hbase = Hbase(*thrift)
    try:
        shipped = patiently(partial(Shipped, hbase, plan.show), time.monotonic() + BEFORE_S, progress)
        burst = Burst(new_run(time.time_ns() // 1_000_000), plan)
        with shipped.watched():
            tally = crowd.send(burst, collectors, progress)
        record = Record.of(burst, tally)
        record.save(run_dir / burst.run)
        for sentence, requests in record.refusals.items():
            progress(f"refused {requests} requests: {sentence}")
        try:
            record, found = _read_back(record, tally, shipped, hbase, progress)
        except HbaseUnavailable as error:
            raise PrimetimeError(
                f"{error}; the answers of run {burst.run} are kept: when HBase is back, "
                f"`primetime rehearse --check {burst.run}` says what is missing"
            ) from error
    finally:
        hbase.close()
    record.save(run_dir / burst.run)
    certificate = certify(record, found)
    certificate.save(run_dir / burst.run / "certificate.json")
    return certificate


def _read_back(
    record: Record, tally: Tally, shipped: Shipped, hbase: Hbase, progress: Callable[[str], None]
) -> tuple[Record, Found]:
    """Wait until what was acknowledged is readable; the record with how long that took, and what was found."""
    found = Found(record.burst)
    probes = [record.burst.numbers(request)[-1] for _, request in tally.latest]
    until = time.monotonic() + record.burst.plan.stored_deadline_s
    readable_at = wait_until_readable(found, record.numbers(ACKED), probes, shipped, hbase, until, progress)
    stored_seconds = None
    if readable_at is not None and tally.first_sent is not None and tally.latest:
        stored_seconds = round(readable_at - tally.first_sent, 3)
    duplicates = count_duplicates(found, shipped, progress)
    shipped_at = [(round(when - (tally.first_sent or when), 2), events) for when, events in shipped.seen]
    return replace(record, stored_seconds=stored_seconds, duplicates=duplicates, shipped=shipped_at), found
