"""Segments accounted for: what the ledger says of each against what lies in the spools, and what is wrong.

A pure function of both, so that `primetime ledger` can be asked at any moment: positions were read first, then the
spools, then the ledger. So a segment that is in neither of the latter two is gone, and one that moved on meanwhile is
never taken for a fault.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from primetime.audit.collectors import Surveyed
from primetime.shipper.ledger import CORRUPT, DONE, GATED, LOST, OPEN, Row
from primetime.shipper.spool import SegmentId

_NO_ROW = Row()


@dataclass(frozen=True)
class Problem:
    """Something that is missing or may be: `what` in a word, `name` of the segment, source, id or node, and why."""

    what: str
    name: str
    why: str

    def __str__(self) -> str:
        return f"{self.what}: {self.name}: {self.why}"


@dataclass(frozen=True)
class Account:
    """One segment, or a run of lost numbers up to `last`. `waiting` events are in the spool and not yet stored."""

    segment: SegmentId
    last: int
    node: str  # whose spool it lies in; empty when it is gone from the spool, as it should once it is done
    row: Row
    waiting: int = 0
    oldest_ms: int | None = None  # when the oldest of them was received


@dataclass(frozen=True)
class Accounts:
    """All segments in order, and what is wrong with any."""

    segments: list[Account]
    problems: list[Problem] = field(default_factory=list)


def settle(rows: Mapping[SegmentId, Row], spools: Sequence[Surveyed]) -> Accounts:
    """`rows`: the whole ledger, as read after `spools`."""
    seen = {_parsed(name): (spool.node, found) for spool in spools for name, found in spool.segments.items()}
    last = {source: number for spool in spools for source, number in spool.last.items()}
    accounts = Accounts([_account(segment, rows, seen) for segment in sorted({*rows, *seen})])
    for spool in spools:
        if spool.trouble:
            accounts.problems.append(Problem("not looked at", spool.node, spool.trouble))
    for account in accounts.segments:
        accounts.problems.extend(_problems(account, seen.get(account.segment, ("", {}))[1], last))
    accounts.problems.extend(_gaps(accounts.segments, last))
    return accounts


def _parsed(name: str) -> SegmentId:
    source, _, number = name.rpartition("-")
    return SegmentId(source, int(number))


def _account(
    segment: SegmentId, rows: Mapping[SegmentId, Row], seen: Mapping[SegmentId, tuple[str, Mapping[str, Any]]]
) -> Account:
    row = rows.get(segment, _NO_ROW)
    node, found = seen.get(segment, ("", {}))
    last = int(row.notes.get("last", segment.number)) if row.state == LOST else segment.number
    waiting = max(0, found.get("events", 0) - row.read) if row.state == OPEN else 0
    oldest = [received_ms for received_ms, before in found.get("seconds", []) if before <= row.read] if waiting else []
    return Account(segment, last, node, row, waiting, oldest[-1] if oldest else None)


def _problems(account: Account, found: Mapping[str, Any], last: Mapping[str, int]) -> Iterator[Problem]:
    row, name = account.row, str(account.segment)
    if row.state == LOST:
        until = f" to {account.last}" if account.last > account.segment.number else ""
        yield Problem(LOST, name + until, f"gone from the spool when {row.read} of its events were stored")
    elif row.state == CORRUPT:
        at = f" at byte {row.notes['offset']}" if "offset" in row.notes else ""
        yield Problem(CORRUPT, name, f"{row.notes.get('reason', 'unreadable')}{at}; what is before it is stored")
    elif row.state == GATED:
        yield Problem(GATED, name, f"{row.gated} events cannot be stored and found no room among the dead letters")
    elif row.state == OPEN and not found:
        yield from _vanished(account, last)
    if fault := found.get("fault"):
        if row.state != CORRUPT:
            yield Problem(CORRUPT, name, f"{fault['reason']} at byte {fault['offset']} of the file in the spool")
    elif found and row.state != CORRUPT and (why := _misplaced(row, found)):
        yield Problem("position", name, why)
    if row.state != LOST and row.read != row.stored + row.dead:
        yield Problem("position", name, f"read {row.read} events, stored {row.stored}, dead letters {row.dead}")


def _vanished(account: Account, last: Mapping[str, int]) -> Iterator[Problem]:
    source, number = account.segment
    if source not in last:
        why = f"{account.row.read} of its events are stored, and no collector has its spool: bring its volume back"
        yield Problem("left behind", str(account.segment), why)
    elif number <= last[source]:
        yield Problem(LOST, str(account.segment), f"gone from the spool when {account.row.read} events were stored")


def _misplaced(row: Row, found: Mapping[str, Any]) -> str:
    """Why a position cannot be right; empty when it can."""
    if "hbase" in found["misplaced"]:
        return f"the ledger's position ({row.bytes} bytes, {row.records} records, {row.read} events) is none of it"
    if "redis" in found["misplaced"]:
        return "Redis' position is at no event of it"
    if found["kind"] == "open":
        return ""  # it grows
    said, there = (row.records, row.read), (found["records"], found["events"])
    if max(row.bytes - found["bytes"], 0) or said > there or (row.state == DONE and said != there):
        return f"the ledger counts {row.records} records, {row.read} events; it has {there[0]} and {there[1]}"
    return ""


def _gaps(accounts: Sequence[Account], last: Mapping[str, int]) -> Iterator[Problem]:
    """Numbers that nothing accounts for."""
    highest = dict(last)
    for account in accounts:
        source = account.segment.source
        if source not in last:
            highest[source] = max(highest.get(source, 0), account.last)
    reached = dict.fromkeys(highest, 0)
    ends = [Account(SegmentId(source, number + 1), number + 1, "", _NO_ROW) for source, number in highest.items()]
    for account in sorted([*accounts, *ends], key=lambda account: account.segment):
        source, number = account.segment
        if source in highest and reached[source] + 1 < number <= highest[source] + 1:
            first = SegmentId(source, reached[source] + 1)
            until = f" to {number - 1}" if number - 1 > first.number else ""
            yield Problem(LOST, f"{first}{until}", "neither in the spool nor in the ledger")
        reached[source] = max(reached.get(source, 0), account.last)
