"""What the collectors have accepted, from their own metrics: the first to know. Called by watch.py, as a counts reader.

Where collectors tell no metrics, Redis' totals stand in, which come when the shippers have counted.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from primetime.errors import UsageError
from primetime.inventory import Inventory
from primetime.stage.cluster import PATIENCE_S, Counted, Counts, StageTrouble

EVENTS = re.compile(r"^primetime_collector_events_total(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
READY = re.compile(r"^primetime_collector_ready(?:\{[^}]*\})? ([01])$", re.MULTILINE)
ENDPOINT = "metrics"
MOST_AT_ONCE = 16


class Said(NamedTuple):
    """What a collector says of itself: how many events it has accepted, and whether it takes more."""

    events: int
    takes: bool


class Accepted:
    """`counts` has the polls, and the totals where there are no metrics."""

    def __init__(self, inventory: Inventory, counts: Counts) -> None:
        self._counts = counts
        self._sum = Growing()
        self._pool = ThreadPoolExecutor(max_workers=MOST_AT_ONCE)
        self.follow(inventory)

    def follow(self, inventory: Inventory) -> None:
        """These collectors from now on. What others have accepted is not forgotten."""
        try:
            self._where = inventory.every_endpoint("collector", ENDPOINT)
        except UsageError:
            self._where = []
        self.counted = "accepted by the collectors" if self._where else self._counts.counted

    def read(self) -> Counted:
        asked = self._where
        if not asked:
            return self._counts.read()
        answers = zip(asked, self._pool.map(said_by, asked), strict=True)
        said = {where: answer for where, answer in answers if answer}
        known = {f"{host}:{port}": answer.events for (host, port), answer in said.items()}
        if not known:
            raise StageTrouble("no collector tells its metrics")
        try:
            poll = self._counts.read().poll
        except StageTrouble:
            poll = None
        each = {host: answer.events for (host, _), answer in said.items()}
        refusing = frozenset(host for (host, _), answer in said.items() if not answer.takes)
        return Counted(self._sum.add(known), poll, each, refusing)


class Growing:
    """The sum of counters that each may begin again at 0: it only grows. What was counted before is not forgotten."""

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self.total = 0

    def add(self, now: Mapping[str, int]) -> int:
        for name, value in now.items():
            before = self._last.get(name, 0)
            self.total += value - before if value >= before else value
            self._last[name] = value
        return self.total


def said_by(where: tuple[str, int]) -> Said | None:
    """What a collector says of itself; None while it does not answer."""
    connection = http.client.HTTPConnection(*where, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException, UnicodeDecodeError):
        return None
    finally:
        connection.close()
    return read(text) if answer.status == 200 else None


def read(metrics: str) -> Said | None:
    """Out of a collector's metrics; None when they are not a collector's."""
    events = EVENTS.findall(metrics)
    return Said(sum(int(float(value)) for value in events), "0" not in READY.findall(metrics)) if events else None
