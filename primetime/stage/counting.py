"""A counter's past seconds: how many in the last five, how many a second. Called by watch.py; no clock of its own."""

from __future__ import annotations

from bisect import bisect_left
from itertools import pairwise

WINDOW_S = 5.0
RATE_S = 1.0
STEP_S = 0.5  # of the history
HISTORY_S = 60.0


class Window:
    """Readings of a counter that only grows. One that shrank was made anew; after WINDOW_S without a reading nobody
    knows when what came meanwhile came: either way it is counted from there."""

    def __init__(self) -> None:
        self._times: list[float] = []
        self._totals: list[int] = []

    @property
    def total(self) -> int:
        """As last read."""
        return self._totals[-1] if self._totals else 0

    def add(self, at_s: float, total: int) -> None:
        """A reading, with its CLOCK_MONOTONIC second; never earlier than the last one."""
        if self._times and (total < self._totals[-1] or at_s > self._times[-1] + WINDOW_S):
            self._times, self._totals = [], []
        self._times.append(at_s)
        self._totals.append(total)
        old = bisect_left(self._times, at_s - HISTORY_S - WINDOW_S) - 1
        if old > 0:
            del self._times[:old], self._totals[:old]

    def within(self, now_s: float, span_s: float = WINDOW_S) -> int:
        """How many came within the span that ends now."""
        return round(self._at(now_s) - self._at(now_s - span_s))

    def rate(self, now_s: float) -> int:
        """A second, over the last one."""
        return round(self.within(now_s, RATE_S) / RATE_S)

    def history(self, now_s: float) -> tuple[int, ...]:
        """The rate in each STEP_S of the last HISTORY_S, oldest first. Steps stand still: a value keeps its step."""
        end = now_s // STEP_S * STEP_S
        steps = int(HISTORY_S / STEP_S)
        at = [self._at(end - step * STEP_S) for step in range(steps, -1, -1)]
        return tuple(round((b - a) / STEP_S) for a, b in pairwise(at))

    def _at(self, at_s: float) -> float:
        """The counter at some second: between two readings in proportion, outside them as at the nearest."""
        place = bisect_left(self._times, at_s)
        if place == len(self._times):
            return self.total
        if place == 0:
            return self._totals[0]
        (t0, t1), (n0, n1) = self._times[place - 1 : place + 1], self._totals[place - 1 : place + 1]
        return n0 + (at_s - t0) / (t1 - t0) * (n1 - n0)
