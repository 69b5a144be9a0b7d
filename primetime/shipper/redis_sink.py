"""The Redis sink: live counts, exact under redelivery, with a position of their own in Redis itself.

One script (apply.lua) counts a batch and moves the position, or does nothing when the position is another than the
batch starts at: then the sink goes where the position is. One process runs one of these, for the workers of its
lane.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from importlib import resources
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from primetime.shipper.counting import encode
from primetime.shipper.feed import QUARTER_MS, Feed, Move, NotAPosition
from primetime.shipper.gaps import SETTLE_S
from primetime.shipper.spool import Kind, SegmentId, Spool

log = logging.getLogger("shipper")

KEEP_S = 2 * QUARTER_MS // 1000  # a resend may come until the end of the next quarter of an hour
LOOK_AGAIN_S = 2.0
FENCED = 2  # an answer of apply.lua


class Login(redis.CredentialProvider):
    """A user and where its password is read at each login, so that a new one needs no restart and none is kept here."""

    def __init__(self, user: str, read: Callable[[], str]) -> None:
        self._user, self._read = user, read

    def get_credentials(self) -> tuple[str, str]:
        try:
            return self._user, self._read().rstrip("\n")
        except OSError as error:
            raise redis.AuthenticationError(f"no password for {self._user}: {error}") from error


def connect(login: Login, **where: Any) -> redis.Redis:
    """A client that does not repeat calls itself: the sink does, and says so."""
    retry = Retry(NoBackoff(), 0)
    return redis.Redis(
        **where,
        credential_provider=login,
        socket_timeout=30,
        socket_connect_timeout=5,
        retry=retry,
        decode_responses=True,
    )


def script(client: redis.Redis) -> Any:
    """apply.lua, to be called with a position's key and a batch of counting.py."""
    return client.register_script(resources.files(__package__).joinpath("apply.lua").read_text())


class RedisSink:
    """Counts the sources for which `mine` says so. After any of `retryable`, call `step` again: it repeats itself.

    Out of memory (`noeviction`) is one of them: Redis then waits for room, HBase does not.
    """

    retryable: tuple[type[Exception], ...] = (redis.RedisError,)

    def __init__(
        self,
        spool: Spool,
        client: redis.Redis,
        *,
        mine: Callable[[SegmentId], bool] = lambda segment: True,
        batch_events: int = 5000,
        grace_s: float = 0,
        settle_s: float = SETTLE_S,
    ) -> None:
        self._spool, self._client, self._mine, self._settle_s = spool, client, mine, settle_s
        self._batch_events = batch_events
        self._keep_s = int(KEEP_S + grace_s)  # it may be counted so late
        self._apply = script(client)
        self._feeds: dict[str, Feed] = {}
        self._pending: dict[str, tuple[Move, bytes]] = {}
        self._looked_s: dict[str, float] = {}
        self._lost: dict[str, str] = {}  # sources whose position makes no sense, and why
        self._batches = self._events = self._resent = 0

    def step(self) -> int:
        """Apply a batch of every source that has one; how many events they had."""
        kinds: dict[str, dict[int, Kind]] = {}
        for segment, kind in self._spool.scan().items():
            if self._mine(segment):
                kinds.setdefault(segment.source, {})[segment.number] = kind
        return sum(self._attempt(source, of_source) for source, of_source in kinds.items())

    def report(self) -> dict[str, Any]:
        """How far it is, for the status and for the HBase sink."""
        return {
            "batches": self._batches,
            "events": self._events,
            "resent": self._resent,
            "positions": {source: feed.position for source, feed in self._feeds.items() if feed.position},
        }

    def _attempt(self, source: str, kinds: dict[int, Kind]) -> int:
        """One step of a source; a position that cannot be is left as it is, and told once."""
        try:
            events = self._step(source, kinds)
        except NotAPosition as error:
            if self._lost.get(source) != str(error):
                log.error("%s: Redis' position %s: `primetime ledger reconcile --apply` mends it", source, error)
            self._lost[source] = str(error)
            self._feeds.pop(source, None)
            return 0
        self._lost.pop(source, None)
        return events

    def _look_again(self, source: str, feed: Feed, kinds: dict[int, Kind]) -> None:
        """Redis' position may have been beyond the spool, and been mended since."""
        now = time.monotonic()
        if feed.number in kinds or now < self._looked_s.get(source, 0.0) + LOOK_AGAIN_S:
            return
        self._looked_s[source] = now
        position = str(self._client.get(f"position:{source}") or "")
        if position != feed.position:
            feed.go(position)

    def _step(self, source: str, kinds: dict[int, Kind]) -> int:
        if source not in self._feeds:
            position = self._client.get(f"position:{source}") or ""
            self._feeds[source] = Feed(self._spool, source, str(position), self._settle_s)
        feed = self._feeds[source]
        if source not in self._pending:
            move = feed.next(kinds, self._batch_events)
            if move is None:
                self._look_again(source, feed, kinds)
                return 0
            self._pending[source] = move, encode(move, source, self._keep_s)
        move, batch = self._pending[source]
        applied, position, counted, resent = (*self._apply(keys=[f"position:{source}"], args=[batch]), 0, 0)[:4]
        if applied == FENCED:
            return 0
        del self._pending[source]
        if not applied:  # somebody else moved it, Redis lost it, or an answer of Redis was lost
            log.warning("%s: Redis is at %s, not at %s: going there", source, position or "no position", move.start)
            feed.go(position)
            return 0
        if move.gap:
            log.error(
                "%s: not in Redis: %s to %s was removed before: counts must be made again", source, move.start, move.end
            )
        feed.moved(move)
        self._batches += 1
        self._events += counted
        self._resent += resent
        return len(move.events)
