"""What goes into a generator process (its share of a burst) and what comes out of it (its tally), as JSON."""

from __future__ import annotations

import base64
import heapq
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from typing import Any

from primetime.rehearsal.burst import Burst

# What became of a request: one byte each, shared by its events.
UNANSWERED, ACKED, REFUSED = 0, 1, 2

ATTEMPT_TIMEOUT_S = 5.0  # a collector answers within 2 s, if only with 503
MAX_REFUSALS = 20  # different sentences worth keeping
LATEST = 64  # one for each of the usual connections: the end of every spool is among them


@dataclass(frozen=True)
class Share:
    """What one of `parts` processes sends: requests `part`, `part + parts`, ... of the burst, over its connections."""

    burst: Burst
    collectors: list[tuple[str, int]]
    connections: int
    part: int = 0
    parts: int = 1
    attempt_timeout_s: float = ATTEMPT_TIMEOUT_S

    @property
    def requests(self) -> range:
        return range(self.part, self.burst.plan.requests, self.parts)

    def released(self, elapsed_s: float) -> int:
        """How many of its requests are due by then."""
        return max(0, (self.burst.released(elapsed_s) - self.part + self.parts - 1) // self.parts)

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Share:
        fields: dict[str, Any] = json.loads(text)
        fields["burst"] = Burst.from_fields(fields["burst"])
        fields["collectors"] = [(host, port) for host, port in fields["collectors"]]
        return cls(**fields)


@dataclass(frozen=True)
class Tally:
    """The answers to a share, or to a whole burst.

    `outcomes`: one byte a request. `first_sent` and `last_acked`: CLOCK_MONOTONIC seconds, one clock for all processes
    of a machine. `per_second`: events acknowledged in each second since the start, `per_tenth` in each tenth of
    one. `latencies`: tenths of a millisecond
    from a request's first byte to its 204, times sent again included, and how many requests took that long.
    `refusals`: what the collector said to refused requests, and how often. `latest`: the LATEST requests acknowledged
    last, as (when, which).
    """

    outcomes: bytes
    first_sent: float | None
    last_acked: float | None
    per_second: list[int]
    latencies: dict[int, int]
    refusals: dict[str, int]
    resends: int
    latest: list[tuple[float, int]]
    per_tenth: list[int] = field(default_factory=list)

    @property
    def accept_seconds(self) -> float | None:
        """First byte sent to last 204; None when nothing was acknowledged."""
        if self.first_sent is None or self.last_acked is None:
            return None
        return round(self.last_acked - self.first_sent, 3)

    def percentile_ms(self, percent: float) -> float | None:
        """The answer time that `percent` of the acknowledged requests kept (nearest rank); None without any."""
        rank = percent / 100 * sum(self.latencies.values())
        reached = 0
        for tenths in sorted(self.latencies):
            reached += self.latencies[tenths]
            if reached >= rank:
                return tenths / 10
        return None

    def to_json(self) -> str:
        return json.dumps(asdict(self) | {"outcomes": base64.b64encode(self.outcomes).decode()})

    @classmethod
    def from_json(cls, text: str) -> Tally:
        fields: dict[str, Any] = json.loads(text)
        fields["outcomes"] = base64.b64decode(fields["outcomes"])
        fields["latencies"] = {int(tenths): requests for tenths, requests in fields["latencies"].items()}
        fields["latest"] = [(when, request) for when, request in fields["latest"]]
        return cls(**fields)


def merge(parts: Sequence[Tally]) -> Tally:
    """The tally of the whole: part k of n sent requests k, k + n, k + 2n, ..."""
    outcomes = bytearray(sum(len(part.outcomes) for part in parts))
    latencies: Counter[int] = Counter()
    refusals: Counter[str] = Counter()
    for place, part in enumerate(parts):
        outcomes[place :: len(parts)] = part.outcomes
        latencies.update(part.latencies)
        refusals.update(part.refusals)
    return Tally(
        outcomes=bytes(outcomes),
        first_sent=min((part.first_sent for part in parts if part.first_sent is not None), default=None),
        last_acked=max((part.last_acked for part in parts if part.last_acked is not None), default=None),
        per_second=_sum([part.per_second for part in parts]),
        latencies=dict(latencies),
        refusals=dict(refusals.most_common(MAX_REFUSALS)),
        resends=sum(part.resends for part in parts),
        latest=heapq.nlargest(LATEST, [(when, request) for part in parts for when, request in part.latest]),
        per_tenth=_sum([part.per_tenth for part in parts]),
    )


def _sum(curves: Sequence[Sequence[int]]) -> list[int]:
    return [sum(values) for values in zip_longest(*curves, fillvalue=0)]
