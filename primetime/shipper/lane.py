"""A sink in a process of its own, so that a slow or dead sink delays only itself.

Started by the supervisor; it ends at SIGTERM, between two batches, or when the supervisor is gone.
"""

from __future__ import annotations

import logging
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any, Protocol

from primetime.shipper import reports

log = logging.getLogger("shipper")

BACKOFF_FIRST_S, BACKOFF_MOST_S = 0.1, 5.0
REPORT_EVERY_S, REPORT_BUSY_S = 0.5, 0.1  # with nothing to do; while positions move: what is told of the lag is as old


class Sink(Protocol):
    """What a lane runs."""

    retryable: tuple[type[Exception], ...]

    def step(self) -> int: ...

    def report(self) -> dict[str, Any]: ...


class Courtesy:
    """Lets others go first while they are behind: wholly for `most_s` at a stretch, then until they have caught up for
    all but `share` of the time.
    """

    def __init__(self, others_are_behind: Callable[[], bool], most_s: float, share: float) -> None:
        self._others_are_behind, self._most_s, self._share = others_are_behind, most_s, share
        self._since: float | None = None

    def waits(self) -> bool:
        """Whether it is the others' turn."""
        if not self._others_are_behind():
            self._since = None
            return False
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        return now < self._since + self._most_s

    def rest_s(self, took_s: float) -> float:
        """How long the others go first after a step of `took_s` seconds that was done while they are behind."""
        return 0.0 if self._since is None else min(took_s * (1 - self._share) / max(self._share, 0.001), self._most_s)


class Lane:
    """Steps a sink for ever: at once while it is behind, some times a second when there is nothing to do."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        run: Path,
        poll_active_s: float,
        poll_idle_s: float,
        courtesy: Courtesy | None = None,
    ) -> None:
        self._sink = sink
        self._courtesy = courtesy
        self._behind = self._stepped = False
        self._file = reports.lane_file(run, name)
        self._poll_active_s, self._poll_idle_s = poll_active_s, poll_idle_s
        self._pause_s = poll_active_s
        self._failures = 0
        self._failing_since: float | None = None
        self._last_error: str | None = None
        self._retries = 0
        self._last_batch_ms: int | None = None
        self._reported_s = float("-inf")

    def run(self, stop: Event, batch_events: int, supervisor: int) -> None:
        """Until `stop` is set, or the process `supervisor` is no longer the parent. `batch_events` is a full batch."""
        while not stop.is_set() and os.getppid() == supervisor:
            stop.wait(self._once(batch_events))
            self._report(REPORT_BUSY_S if self._stepped else REPORT_EVERY_S)
        self._report()

    def _once(self, batch_events: int) -> float:
        """One step; how long to wait before the next."""
        self._stepped = False
        if self._courtesy and self._courtesy.waits():
            return self._poll_idle_s
        began = time.monotonic()
        try:
            events = self._sink.step()
        except self._sink.retryable as error:
            return self._failed(error)
        if self._failing_since is not None:
            log.info("works again after %.1f s", time.monotonic() - self._failing_since)
        self._failures, self._failing_since = 0, None
        self._stepped = events > 0
        if events:
            self._last_batch_ms = time.time_ns() // 1_000_000
        self._behind = events >= batch_events
        if self._behind:
            return self._courtesy.rest_s(time.monotonic() - began) if self._courtesy else 0
        self._pause_s = self._poll_active_s if events else min(self._pause_s * 1.5, self._poll_idle_s)
        return self._pause_s

    def _failed(self, error: Exception) -> float:
        self._behind = False  # nobody need wait for what cannot go on
        if self._failing_since is None:
            self._failing_since = time.monotonic()
            log.warning("retrying until it works: %s", error)
        self._last_error = str(error)
        self._retries += 1
        most = min(BACKOFF_FIRST_S * 2**self._failures, BACKOFF_MOST_S)
        self._failures = min(self._failures + 1, 16)
        return random.uniform(most / 2, most)

    def _report(self, every_s: float = 0) -> None:
        if time.monotonic() < self._reported_s + every_s:
            return
        self._reported_s = time.monotonic()
        failing_s = 0.0 if self._failing_since is None else time.monotonic() - self._failing_since
        content = {
            "failing_s": round(failing_s, 1),
            "retries": self._retries,
            "last_error": self._last_error,
            "last_batch_ms": self._last_batch_ms,
        }
        reports.write(self._file, {**self._sink.report(), **content, "behind": self._behind})
