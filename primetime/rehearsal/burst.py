"""A burst as data: what is asked for, which bytes each number is, and when each request is due.

Everything here is a function of (run, plan, number): the generator makes a request again instead of keeping it, and the
certificate recomputes what was sent instead of believing what it finds. Changing the bytes of an event needs another
BYTES_VERSION, or older runs could not be checked any more.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Any

from primetime.errors import UsageError
from primetime.event import MAX_POS_MS, SHOW
from primetime.rehearsal.ids import MAX_UPDATES, event_id

BYTES_VERSION = 1
MAX_BATCH = 100  # what one POST may carry
MOST_USUAL_CONNECTIONS = 1024
SENDING_SHARE = 0.96  # of a burst: what is asked for within 5 s is sent and answered within 5 s

_HEAD = b"POST /events HTTP/1.1\r\nHost: collector\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n["
# Ten events in a row, the mix of a question just asked: half vote, three answer, one joins, one shares.
_KINDS = (
    b'"join","data":{"device":"%s"}}',
    b'"vote","data":{"poll":"q1","choice":"%s"}}',
    b'"vote","data":{"poll":"q1","choice":"%s"}}',
    b'"answer","data":{"question":"q1","choice":"%s"}}',
    b'"vote","data":{"poll":"q1","choice":"%s"}}',
    b'"answer","data":{"question":"q1","choice":"%s"}}',
    b'"vote","data":{"poll":"q1","choice":"%s"}}',
    b'"share","data":{"with":"%s"}}',
    b'"vote","data":{"poll":"q1","choice":"%s"}}',
    b'"answer","data":{"question":"q1","choice":"%s"}}',
)
POLL = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
_VOTE = '"vote","data":{"poll":"%s","choice":"%%s"}}'
_CHOICES = (b"a", b"b", b"c", b"a", b"b", b"a", b"d")  # 7 and 10 have no common factor: every kind meets every choice


def usual_connections(updates: int, seconds: float, batch: int) -> int:
    """How many connections a burst has when nobody says: 64, and more where that would make it wait for the disk.

    A collector answers a group of requests with one sync, and on each connection one request waits for it.
    """
    return min(MOST_USUAL_CONNECTIONS, max(64, round(updates / batch / seconds / 20)))


@dataclass(frozen=True)
class Plan:
    """What a rehearsal is asked to do; UsageError when it makes no sense.

    `deadline_s`: how long a request is sent again after its first attempt, and how long a crowd that hears nothing at
    all goes on. `stored_deadline_s`: how long after the last answer to wait for everything to be readable.
    `poll`: everybody votes in it, and nobody does anything else; the usual mix when empty.
    """

    show: str
    updates: int
    seconds: float
    batch: int = 10
    connections: int = 64
    start_pos_ms: int = 60_000
    deadline_s: float = 60
    stored_deadline_s: float = 120
    poll: str = ""

    def __post_init__(self) -> None:
        if not SHOW.fullmatch(self.show):
            raise UsageError(f"{self.show!r} is not a show's name: write one like quiz-20261121")
        if not 1 <= self.updates <= MAX_UPDATES:
            raise UsageError(f"{self.updates} updates: a run has 1 to {MAX_UPDATES}")
        if not 1 <= self.batch <= MAX_BATCH:
            raise UsageError(f"A batch of {self.batch}: a request carries 1 to {MAX_BATCH} updates")
        if self.poll and not POLL.fullmatch(self.poll):
            raise UsageError(f"{self.poll!r} is not a poll's name: write one like q2")
        if self.connections < 1:
            raise UsageError(f"{self.connections} connections: a crowd needs at least 1")
        if self.seconds <= 0 or self.deadline_s <= 0 or self.stored_deadline_s <= 0:
            raise UsageError("A burst and its deadlines last longer than 0 seconds")
        if self.start_pos_ms < 0 or self.start_pos_ms + self.duration_ms > MAX_POS_MS:
            raise UsageError(f"A burst of {self.seconds:g} s from {self.start_pos_ms} ms on leaves the 24 h of a show")

    @property
    def duration_ms(self) -> int:
        return max(1, round(self.seconds * 1000))

    @property
    def sending_s(self) -> float:
        """How long requests are released: all of them so early that the last one's answer can still be in time."""
        return self.seconds * SENDING_SHARE

    @property
    def requests(self) -> int:
        return -(-self.updates // self.batch)


@dataclass(frozen=True)
class Burst:
    """One run of a plan."""

    run: str
    plan: Plan

    @classmethod
    def from_fields(cls, fields: dict[str, Any]) -> Burst:
        """Back from `dataclasses.asdict`, as JSON keeps it."""
        return cls(fields["run"], Plan(**fields["plan"]))

    @cached_property
    def run_bytes(self) -> bytes:
        return self.run.encode()

    @cached_property
    def _templates(self) -> tuple[bytes, ...]:
        start = b'{"id":"%s","show":"' + self.plan.show.encode() + b'","pos_ms":%d,"user":"viewer-%07d","type":'
        if self.plan.poll:
            return (start + (_VOTE % self.plan.poll).encode(),) * len(_KINDS)
        return tuple(start + kind for kind in _KINDS)

    @cached_property
    def _letters(self) -> dict[bytes, bytes]:
        """What each choice is called in a poll of its own: not the same one wins all of them."""
        orders = list(permutations(b"abcd"))
        order = orders[zlib.crc32(self.plan.poll.encode()) % len(orders)]
        return {bytes([usual]): bytes([here]) for usual, here in zip(b"abcd", order, strict=True)}

    def _choice(self, number: int) -> bytes:
        if not self.plan.poll:
            return _CHOICES[number % 7]
        return self._letters[_CHOICES[zlib.crc32(b"%d" % number) % 7]]  # in no order: the lead may change

    def pos_ms(self, number: int) -> int:
        """Where in the show event `number` happens: evenly over the burst's seconds, in the order of numbers."""
        return self.plan.start_pos_ms + number * self.plan.duration_ms // self.plan.updates

    def event(self, number: int) -> bytes:
        """The bytes of event `number`, about 150; each viewer sends one."""
        return self._templates[number % 10] % (
            event_id(self.run_bytes, number),
            self.pos_ms(number),
            number,
            self._choice(number),
        )

    def numbers(self, request: int) -> range:
        """The events that a request carries."""
        first = request * self.plan.batch
        return range(first, min(first + self.plan.batch, self.plan.updates))

    def http(self, request: int) -> bytes:
        """The whole request, head and body: the same bytes whenever it is sent."""
        events = b",".join([self.event(number) for number in self.numbers(request)])
        return _HEAD % (len(events) + 2) + events + b"]"

    def due_s(self, request: int) -> float:
        """When a request is due, in seconds after the start: evenly spread over the burst."""
        return request * self.plan.sending_s / self.plan.requests

    def released(self, elapsed_s: float) -> int:
        """How many requests are due by then: at most as fast as asked, whatever the server does."""
        if elapsed_s < 0:
            return 0
        return min(self.plan.requests, int(elapsed_s * self.plan.requests / self.plan.sending_s) + 1)
