"""What the collectors have accepted, from their own metrics: the first to know. Called by watch.py, as a counts reader.

Where collectors tell no metrics, Redis' totals stand in, which come when the shippers have counted.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from primetime.errors import UsageError
from primetime.inventory import Inventory
from primetime.stage.cluster import PATIENCE_S, Counted, Counts, StageTrouble

EVENTS = re.compile(r"^primetime_collector_events_total(?:\{[^}]*\})? ([0-9.e+]+)$", re.MULTILINE)
ENDPOINT = "metrics"
MOST_AT_ONCE = 16


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
        said = {where: events for where, events in zip(asked, self._pool.map(events_of, asked), strict=True)}
        known = {f"{host}:{port}": events for (host, port), events in said.items() if events is not None}
        if not known:
            raise StageTrouble("no collector tells its metrics")
        try:
            poll = self._counts.read().poll
        except StageTrouble:
            poll = None
        each = {host: events for (host, _), events in said.items() if events is not None}
        return Counted(self._sum.add(known), poll, each)


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


def events_of(where: tuple[str, int]) -> int | None:
    """How many events a collector says it has accepted; None while it does not answer."""
    connection = http.client.HTTPConnection(*where, timeout=PATIENCE_S)
    try:
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read().decode()
    except (OSError, http.client.HTTPException, UnicodeDecodeError):
        return None
    finally:
        connection.close()
    found = EVENTS.findall(text) if answer.status == 200 else []
    return sum(int(float(value)) for value in found) if found else None
