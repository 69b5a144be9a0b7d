"""The certificate: what was acknowledged against what is stored, id by id. Called by `rehearse` and `demo`.

Every acknowledged event is stored or a dead letter; what is left over is missing. docs/architecture.md says what each
field means.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from primetime.event import ID_LENGTH
from primetime.hbase import Hbase
from primetime.rehearsal.ids import event_id, started_ms
from primetime.rehearsal.record import Record, write_whole
from primetime.rehearsal.share import ACKED, REFUSED, UNANSWERED
from primetime.rehearsal.stored import Found

NAMED = 20  # missing ids that a certificate names


@dataclass(frozen=True)
class Certificate:
    """`accept_seconds`, `p50_ms` and `p99_ms` are None when nothing was acknowledged; `stored_seconds` is None when not
    everything was readable in time. `sent` = `acked` + `refused` + `unanswered`; `conflicts` counts ids.
    """

    run: str
    show: str
    started: str  # ISO 8601, UTC
    batch: int
    connections: int
    sent: int
    acked: int
    refused: int
    unanswered: int
    stored: int
    unacked_stored: int
    duplicates: int
    conflicts: int
    dead_lettered: int
    missing: int
    missing_ids: list[str]
    accept_seconds: float | None
    stored_seconds: float | None
    p50_ms: float | None
    p99_ms: float | None
    per_second: list[int]

    @property
    def passed(self) -> bool:
        """A run of which nothing was acknowledged proves nothing, so it does not pass."""
        return self.missing == 0 and self.unanswered == 0 and self.acked > 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def save(self, path: Path) -> None:
        write_whole(path, (json.dumps(self.to_json(), indent=1) + "\n").encode())

    def sentences(self) -> list[str]:
        """What an operator reads: the verdict last."""
        lines = [
            f"run {self.run}: {self.sent:,} updates of {self.show} in batches of {self.batch}, sent {self.started}"
        ]
        if self.accept_seconds is not None:
            lines.append(
                f"{self.acked:,} acknowledged within {self.accept_seconds:.2f} s, {max(self.per_second):,} in the best "
                f"second; answers p50 {self.p50_ms} ms, p99 {self.p99_ms} ms"
            )
        for number, what in (
            (self.refused, "refused by the collector: the run's record keeps its reasons"),
            (self.unanswered, "unanswered by the deadline: look at the collectors with `primetime verify`"),
            (self.dead_lettered, "dead letters: stored with their reason, not as events"),
            (self.unacked_stored, "stored though not acknowledged: harmless, a client would have sent them again"),
            (self.duplicates, "duplicates in the spool: stored once"),
            (self.conflicts, "conflicts: an id stored with bytes that were not sent under it"),
        ):
            if number:
                lines.append(f"{number:,} {what}")
        if self.stored_seconds is not None:
            lines.append(f"the last one readable {self.stored_seconds:.2f} s after the first byte was sent")
        if self.missing:
            more = "" if self.missing <= len(self.missing_ids) else ", ..."
            lines.append(f"missing: {', '.join(self.missing_ids)}{more}")
            lines.append(f"a shipper that is behind may still store them: `primetime rehearse --check {self.run}`")
        if self.passed:
            lines.append(f"passed: each of the {self.acked:,} acknowledged is stored or a dead letter")
        elif not (self.missing or self.unanswered):
            lines.append("FAILED: nothing was acknowledged, so nothing is proved")
        else:
            lines.append(f"FAILED: {self.missing:,} acknowledged and missing, {self.unanswered:,} unanswered")
        return lines


def certify(record: Record, found: Found) -> Certificate:
    """Compare the answers of a run with what was found of it."""
    burst, acked = record.burst, record.numbers(ACKED)
    missing = found.missing(acked)
    stored = found.stored.count(1)
    return Certificate(
        run=burst.run,
        show=burst.plan.show,
        started=datetime.fromtimestamp(started_ms(burst.run) / 1000, UTC).isoformat(timespec="milliseconds"),
        batch=burst.plan.batch,
        connections=burst.plan.connections,
        sent=burst.plan.updates,
        acked=len(acked),
        refused=len(record.numbers(REFUSED)),
        unanswered=len(record.numbers(UNANSWERED)),
        stored=stored,
        unacked_stored=stored - sum(found.stored[number] for number in acked),
        duplicates=record.duplicates,
        conflicts=len({identity[:ID_LENGTH] for identity in found.others}),
        dead_lettered=found.dead.count(1),
        missing=len(missing),
        missing_ids=[event_id(burst.run_bytes, number).decode() for number in missing[:NAMED]],
        accept_seconds=record.accept_seconds,
        stored_seconds=record.stored_seconds,
        p50_ms=record.p50_ms,
        p99_ms=record.p99_ms,
        per_second=record.per_second,
    )


def check(folder: Path, hbase: Hbase) -> Certificate:
    """A finished run against what HBase holds now; times and duplicates are those of the run. `folder`: its record."""
    record = Record.load(folder)
    found = Found(record.burst)
    found.read(hbase)
    return certify(record, found)
