"""Sends a seeded show's events to the collectors, as phones would: until each batch is acknowledged."""

from __future__ import annotations

import http.client
import itertools
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from primetime.errors import PrimetimeError

BATCH = 100  # what one request may carry
AT_ONCE = 8
ANSWER_S = 5.0
AGAIN_S = 0.2
_TYPE = {"Content-Type": "application/json"}


class Sender:
    """Batches of one thread, over one connection as long as it stands; after a failure at the next collector."""

    def __init__(self, collectors: Sequence[tuple[str, int]], first: int, hopeless: Callable[[], bool]) -> None:
        self._hopeless = hopeless
        self._collectors = itertools.cycle([*collectors[first:], *collectors[:first]])
        self._connection: http.client.HTTPConnection | None = None

    def send(self, body: bytes) -> None:
        """Until it is acknowledged; PrimetimeError when that is hopeless."""
        while (complaint := self._attempt(body)) is not None:
            self.close()
            if self._hopeless():
                raise PrimetimeError(f"The seeded show was not taken: {complaint}: see `primetime verify`")
            time.sleep(AGAIN_S)

    def _attempt(self, body: bytes) -> str | None:
        """None when it is acknowledged, else what was answered."""
        try:
            if self._connection is None:
                self._connection = http.client.HTTPConnection(*next(self._collectors), timeout=ANSWER_S)
            self._connection.request("POST", "/events", body, _TYPE)
            answer = self._connection.getresponse()
            said = f"{answer.status} {answer.read().decode(errors='replace').strip()}"
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        return None if answer.status == 204 else said

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None


def send(
    events: Sequence[bytes],
    collectors: Sequence[tuple[str, int]],
    progress: Callable[[str], None],
    hopeless: Callable[[], bool],
) -> None:
    """All of `events`. A batch that is refused may be taken later: a converge may be at work on the collectors.
    PrimetimeError when one is not, and it is `hopeless`.
    """
    bodies = [b"[" + b",".join(events[start : start + BATCH]) + b"]" for start in range(0, len(events), BATCH)]
    mine = threading.local()
    senders: list[Sender] = []
    progress(f"sending {len(events):,} events")

    def one(body: bytes) -> None:
        if not hasattr(mine, "sender"):
            mine.sender = Sender(collectors, len(senders) % len(collectors), hopeless)
            senders.append(mine.sender)
        mine.sender.send(body)

    try:
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            list(pool.map(one, bodies))
    finally:
        for sender in senders:
            sender.close()
