"""Phones in the room vote for real: what they send becomes an event and goes to a collector, whose answer they get.

Called by app.py. The phone makes the id and the position, so that it may send the same vote again and it counts once.
What a phone may send is little and checked here: the room is open to whoever is in the network.
"""

from __future__ import annotations

import http.client
import itertools
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from primetime.event import MAX_POS_MS, ULID

POLL, CHOICES = "room", ("a", "b", "c", "d")  # no rehearsal votes in it: each phone is seen
BEGINS_MS = 3_600_000  # the room votes an hour into the show: later than any rehearsal
MOST_BYTES = 512
ONE_PER_S, ALL_PER_S = 5.0, 200.0
ANSWER_S = 4.0
_USER = re.compile(r"phone-[0-9a-z]{8,32}")
_FORGET = 10_000


@dataclass(frozen=True)
class Answer:
    """What a phone is told: an HTTP status and a sentence, empty when its vote is on disk (204)."""

    status: int
    sentence: str = ""


class Allowance:
    """At most `per_s` of each name, five seconds' worth at once."""

    def __init__(self, per_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_s, self._most, self._clock = per_s, 5 * per_s, clock
        self._left: dict[str, tuple[float, float]] = {}  # name → (when, how many were left)

    def take(self, name: str) -> bool:
        now = self._clock()
        if len(self._left) > _FORGET:
            self._left.clear()
        before, left = self._left.get(name, (now, self._most))
        left = min(self._most, left + (now - before) * self._per_s)
        self._left[name] = (now, left - 1 if left >= 1 else left)
        return left >= 1


class Audience:
    """The room of one show. `collectors` are asked in turn."""

    def __init__(
        self, show: str, collectors: Sequence[tuple[str, int]], clock: Callable[[], float] = time.time
    ) -> None:
        self._show, self.collectors, self._clock = show, list(collectors), clock
        self._turn = itertools.count()
        self._each, self._all = Allowance(ONE_PER_S), Allowance(ALL_PER_S)

    def poll(self) -> dict[str, Any]:
        """What a phone needs to vote: `pos_ms` is where the show is now.

        By the clock on the wall: after a stage was started again, a phone's next vote still comes after its last one.
        """
        elapsed_ms = int(self._clock() * 1000) % (MAX_POS_MS - BEGINS_MS)
        return {"poll": POLL, "choices": CHOICES, "pos_ms": BEGINS_MS + elapsed_ms}

    def vote(self, body: bytes, who: str) -> Answer:
        """One vote from the address `who`."""
        if not self._each.take(who) or not self._all.take(""):
            return Answer(429, "Too many votes at once: try again in a second")
        event = event_of(body, self._show)
        if event is None:
            return Answer(400, "This is no vote")
        return self._send(event)

    def _send(self, event: bytes) -> Answer:
        first, collectors = next(self._turn), self.collectors
        for attempt in range(len(collectors)):
            host, port = collectors[(first + attempt) % len(collectors)]
            connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
            try:
                connection.request("POST", "/events", b"[" + event + b"]", {"Content-Type": "application/json"})
                answer = connection.getresponse()
                return Answer(answer.status, answer.read().decode(errors="replace").strip())
            except (OSError, http.client.HTTPException):
                continue
            finally:
                connection.close()
        return Answer(503, "No collector answers: your phone tries again")


def event_of(body: bytes, show: str) -> bytes | None:
    """The event of a phone's vote, its bytes a function of what the phone sent; None when it is no vote."""
    try:
        said = orjson.loads(body) if len(body) <= MOST_BYTES else None
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, dict):
        return None
    id_, user, choice, pos_ms = (said.get(name) for name in ("id", "user", "choice", "pos_ms"))
    fits = isinstance(id_, str) and ULID.fullmatch(id_) and isinstance(user, str) and _USER.fullmatch(user)
    placed = type(pos_ms) is int and BEGINS_MS <= pos_ms <= MAX_POS_MS
    if not (fits and placed and choice in CHOICES):
        return None
    vote = {"id": id_, "show": show, "pos_ms": pos_ms, "user": user, "type": "vote"}
    return orjson.dumps({**vote, "data": {"poll": POLL, "choice": choice}})
