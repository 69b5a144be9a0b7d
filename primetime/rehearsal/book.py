"""The requests of one generator process: which one goes next, and what has become of each.

Requests are known by their place in the share. All times are CLOCK_MONOTONIC seconds.
"""

from __future__ import annotations

import heapq
from array import array
from collections import Counter

from primetime.rehearsal.share import ACKED, LATEST, MAX_REFUSALS, REFUSED, Share, Tally

PREPARED_BYTES = 512 << 20  # what is beyond is made when it is due
NOTHING = -1


class Book:
    """Kept by the generator while it sends. `answered` counts what is settled by the collector, either way."""

    def __init__(self, share: Share) -> None:
        self.share = share
        self.total = len(share.requests)
        self.outcomes = bytearray(self.total)
        self.answered = 0
        self._given_up = 0
        self._resends = 0
        self._next = 0  # the first request never sent
        self._again: list[tuple[float, int]] = []  # heap of (when, request)
        self._first_sent = array("d", bytes(8 * self.total))
        self._acked_at = array("d", bytes(8 * self.total))
        self._refusals: Counter[str] = Counter()
        self._prepared: list[bytes] = []
        size = 0
        for request in share.requests:
            if size > PREPARED_BYTES:
                break
            self._prepared.append(share.burst.http(request))
            size += len(self._prepared[-1])

    @property
    def settled(self) -> bool:
        return self.answered + self._given_up == self.total

    def owed(self, due: int) -> int:
        """How many of the released requests are still open."""
        return due - self.answered - self._given_up

    def bytes(self, request: int) -> bytes:
        """What is sent, the same each time."""
        if request < len(self._prepared):
            return self._prepared[request]
        return self.share.burst.http(self.share.requests[request])

    def take(self, due: int, now: float) -> int:
        """The request to send now, or NOTHING; what waits to be sent again goes first. `due`: how many are released."""
        if self._again and self._again[0][0] <= now:
            self._resends += 1
            return heapq.heappop(self._again)[1]
        if self._next >= due:
            return NOTHING
        request = self._next
        self._next = request + 1
        self._first_sent[request] = now
        return request

    def next_at(self, start: float) -> float:
        """When the next request can go; infinity when all that is open has been sent."""
        when = self._again[0][0] if self._again else float("inf")
        if self._next < self.total:
            when = min(when, start + self.share.burst.due_s(self.share.requests[self._next]))
        return when

    def acknowledge(self, request: int, now: float) -> None:
        self.outcomes[request] = ACKED
        self._acked_at[request] = now
        self.answered += 1

    def refuse(self, request: int, sentence: str) -> None:
        self.outcomes[request] = REFUSED
        self.answered += 1
        if sentence in self._refusals or len(self._refusals) < MAX_REFUSALS:
            self._refusals[sentence] += 1

    def again(self, request: int, when: float) -> None:
        """Send it once more, not before `when`; or give it up when its deadline has passed by then."""
        if when > self._first_sent[request] + self.share.burst.plan.deadline_s:
            self._given_up += 1
        else:
            heapq.heappush(self._again, (when, request))

    def tally(self, start: float) -> Tally:
        acked = [request for request in range(self.total) if self.outcomes[request] == ACKED]
        first_sent, acked_at, burst = self._first_sent, self._acked_at, self.share.burst
        last_acked = max((acked_at[request] for request in acked), default=None)
        per_tenth = [0] * (0 if last_acked is None else int((last_acked - start) * 10) + 1)
        for request in acked:
            per_tenth[int((acked_at[request] - start) * 10)] += len(burst.numbers(self.share.requests[request]))
        return Tally(
            outcomes=bytes(self.outcomes),
            first_sent=min(first_sent[: self._next], default=None),
            last_acked=last_acked,
            per_second=[sum(per_tenth[tenth : tenth + 10]) for tenth in range(0, len(per_tenth), 10)],
            latencies=dict(Counter(int((acked_at[request] - first_sent[request]) * 10_000) for request in acked)),
            refusals=dict(self._refusals),
            resends=self._resends,
            latest=heapq.nlargest(LATEST, [(acked_at[request], self.share.requests[request]) for request in acked]),
            per_tenth=per_tenth,
        )
