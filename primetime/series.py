"""When the broadcasts of a show begin. By the standard library alone: a monitoring host runs this very file, too.

Called by primetime.calendar and, there, by templates/monitoring/showtimes.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo


def instants(start: datetime, time_zone: str, repeat_days: int | None) -> Iterator[tuple[datetime, datetime]]:
    """(what the clock of its zone shows, the instant in UTC) of each broadcast in order; a series has no end.

    A series keeps its wall clock's time: 20:35 stays 20:35 when daylight saving begins or ends. A time that a clock
    skips is taken an hour later, one that it shows twice is the first.
    """
    zone = ZoneInfo(time_zone)
    while True:
        yield start, start.replace(tzinfo=zone).astimezone(UTC)
        if repeat_days is None:
            return
        start += timedelta(days=repeat_days)


def named(name: str, clock: datetime, repeat_days: int | None) -> str:
    """A broadcast's name: its day is part of it where there are several."""
    return f"{name}-{clock:%Y%m%d}" if repeat_days else name
