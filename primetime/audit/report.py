"""What `ledger` says, for programs and for people. Made by ask.py."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from primetime.audit.accounts import Account, Problem
from primetime.console import table
from primetime.rehearsal.certificate import Certificate
from primetime.shipper.ledger import CORRUPT, DONE, GATED, LOST, OPEN

_COUNTS = ("read", "stored", "dead", "gated")
_STATES = (OPEN, DONE, GATED, CORRUPT, LOST)
_HEAD = ("spool", "worker", "segments", "state", "read", "stored", "dead letters", "gated", "waiting", "lies on")


@dataclass(frozen=True)
class Report:
    """The answer to one `ledger`. `notes` are worth reading and no fault."""

    topology: str
    accounts: Sequence[Account]
    runs: Sequence[Certificate] = ()
    problems: Sequence[Problem] = ()
    notes: Sequence[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {
            "topology": self.topology,
            "totals": self.totals(),
            "waiting": self.waiting(),
            "segments": [_segment(account) for account in self.accounts],
            "runs": [
                {"run": run.run, "acked": run.acked, "stored": run.stored, "missing": run.missing} for run in self.runs
            ],
            "problems": [vars(problem) for problem in self.problems],
            "notes": list(self.notes),
        }

    def totals(self) -> dict[str, int]:
        """Events by what became of them, and segments by state (each number of a run of lost ones is one)."""
        counts = {name: sum(getattr(account.row, name) for account in self.accounts) for name in _COUNTS}
        states = {
            state: sum(_width(account) for account in self.accounts if account.row.state == state) for state in _STATES
        }
        return {**counts, "waiting": sum(account.waiting for account in self.accounts), **states}

    def waiting(self) -> list[dict[str, Any]]:
        """Per collector: events in the spool that are not yet stored, and for how long the oldest has been there."""
        now_ms = time.time_ns() // 1_000_000
        found = []
        for node in sorted({account.node for account in self.accounts if account.node}):
            mine = [account for account in self.accounts if account.node == node]
            oldest = min((account.oldest_ms for account in mine if account.oldest_ms is not None), default=None)
            age_s = 0.0 if oldest is None else round(max(0, now_ms - oldest) / 1000, 1)
            found.append({"node": node, "events": sum(account.waiting for account in mine), "age_s": age_s})
        return found


def sentences(report: Report) -> Iterator[str]:
    """What an operator reads: the verdict last."""
    yield table(list(_lines(report.accounts)), _HEAD)
    totals = report.totals()
    yield ", ".join(f"{totals[name]:,} {name.replace('dead', 'dead letters')}" for name in _COUNTS) + (
        f"; {totals['waiting']:,} waiting in a spool"
    )
    for spool in report.waiting():
        if spool["events"]:
            yield f"{spool['node']}: {spool['events']:,} events wait, the oldest for {spool['age_s']} s"
    for run in report.runs:
        there = f"{run.acked - run.missing:,} of {run.acked:,}"
        yield f"run {run.run}: {there} acknowledged are stored or a dead letter"
    yield from report.notes
    yield from map(str, report.problems)
    if report.problems:
        yield f"FAILED: {len(report.problems)} of these want looking at: docs/ledger.md says what to do about each"
    else:
        yield "nothing is missing"


def _width(account: Account) -> int:
    return account.last - account.segment.number + 1


def _segment(account: Account) -> dict[str, Any]:
    row = account.row
    source, worker = account.segment.source.split("-")
    numbers = {"first": account.segment.number, "last": account.last}
    counts = {name: getattr(row, name) for name in _COUNTS}
    named = {
        "segment": str(account.segment),
        "spool": source,
        "worker": worker,
        "node": account.node,
        "state": row.state,
    }
    return {**named, **numbers, **counts, "waiting": account.waiting, **row.notes}


def _lines(accounts: Sequence[Account]) -> Iterator[tuple[str, ...]]:
    """A line for each segment; neighbours of a worker that are done share one."""

    def kind(numbered: tuple[int, Account]) -> tuple[object, ...]:
        place, account = numbered
        shared = account.row.state == DONE and not account.node
        return (account.segment.source, place - account.segment.number) if shared else (place,)

    for _, group in groupby(enumerate(accounts), kind):
        several = [account for _, account in group]
        first, last = several[0], several[-1]
        spool, worker = first.segment.source.split("-")
        until = f"-{last.last}" if last.last > first.segment.number else ""
        counts = [f"{sum(getattr(account.row, name) for account in several):,}" for name in _COUNTS]
        waiting = f"{first.waiting:,}" if first.waiting else ""
        yield spool, worker, f"{first.segment.number}{until}", first.row.state, *counts, waiting, first.node
