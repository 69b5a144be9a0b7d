"""The live counts of a show as HBase has them. Called by reconcile.py, which compares them with Redis'."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container
from dataclasses import dataclass, field

from primetime.audit.ballots import Ballots
from primetime.audit.undecided import Undecided
from primetime.event import DIGEST_LENGTH, MAX_POS_MS, SALTS, row_prefix
from primetime.hbase import Hbase
from primetime.shipper.counting import vote_of
from primetime.shipper.selector import Unfit, kind, select


@dataclass
class Counts:
    """Events by second and type: what apply.lua makes of every identity, once. Votes are cast into `ballots`."""

    show: str
    ballots: Ballots
    events: Counter[str] = field(default_factory=Counter)

    def add(self, event: bytes) -> None:
        selected = select(event)
        if isinstance(selected, Unfit):
            return
        type_ = kind(selected)
        self.events[f"{selected['pos_ms'] // 1000}:{type_}"] += 1
        if type_ == "vote" and (vote := vote_of(selected)):
            self.ballots.cast(self.show, *vote)

    def keys(self) -> dict[str, dict[str, str] | str]:
        """Key → what Redis should have there; keys that should not exist are left out."""
        found: dict[str, dict[str, str] | str] = {}
        if self.events:
            found[f"count:{self.show}"] = {field: str(count) for field, count in self.events.items()}
            found[f"total:{self.show}"] = str(self.events.total())
        return found


def recount(
    hbase: Hbase, show: str, pending: Container[bytes], since_ms: int, ballots: Ballots, undecided: Undecided
) -> Counts:
    """Count a show anew. Events in `pending` (digests), and those received from `since_ms` on, are left `undecided`:
    Redis may have yet to count them."""
    counts = Counts(show, ballots)
    for slice_ in range(SALTS):
        start = row_prefix(slice_, show.encode())
        stop = row_prefix(slice_, show.encode(), MAX_POS_MS // 1000 + 1)
        for _, qualifier, event, received_ms in hbase.scan("events", start, stop):
            identity = qualifier[-DIGEST_LENGTH:]
            if identity in pending or received_ms >= since_ms:
                undecided.keep(show, identity, event)
            else:
                counts.add(event)
    return counts
