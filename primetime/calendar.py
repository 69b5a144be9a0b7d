"""When shows are, and how many collectors each hour of them needs: pure functions from declared shows to instants.

Called by `show calendar` and by the plan of a topology on EC2. Nothing reactive helps within five seconds: collectors
are there before the show begins, and go only after the longest that it may overrun.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from primetime.capacity import Crowd, Figure, capacity
from primetime.series import instants, named
from primetime.topology.shows import Show


@dataclass(frozen=True)
class Broadcast:
    """One evening of a show. Instants in UTC: `since`, collectors are launched; `until`, the longest overrun ends."""

    name: str
    since: datetime
    begins: datetime
    ends: datetime
    until: datetime
    show: Show


@dataclass(frozen=True)
class Change:
    """From `at` on (UTC) so many collectors are wanted, for these broadcasts (none: the minimum again)."""

    at: datetime
    collectors: int
    needed: int  # as many as the broadcasts ask for, also where the group's maximum is less
    broadcasts: tuple[str, ...]


def broadcasts(shows: Iterable[Show], since: datetime, until: datetime) -> list[Broadcast]:
    """Those that are on, or may still overrun, between two instants, in order."""
    found = [each for show in shows for each in _series(show, until) if each.until > since]
    return sorted(found, key=lambda each: (each.begins, each.name))


def _series(show: Show, until: datetime) -> Iterator[Broadcast]:
    for clock, begins in instants(show.start, show.time_zone, show.repeat_days):
        if begins >= until:
            return
        ends = begins + timedelta(seconds=show.lasts_s)
        name = named(show.name, clock, show.repeat_days)
        since = begins - timedelta(seconds=show.lead_s)
        yield Broadcast(name, since, begins, ends, ends + timedelta(seconds=show.overrun_s), show)


def collectors(show: Show, zones: int, cores: int, figures: Mapping[str, Figure]) -> int:
    """How many collectors of so many cores a show's burst needs, one zone lost (`show capacity` has the arithmetic)."""
    crowd = Crowd(show.updates, show.within_s, show.batch, zones=zones, cores=cores)
    return int(capacity(crowd, figures).needs["collectors"])


def changes(every: Sequence[Broadcast], needs: Mapping[str, int], least: int, most: int) -> list[Change]:
    """When the number of collectors changes, and to what. `needs`: show → collectors.

    Broadcasts that overlap, with their lead and overrun, need the sum of theirs; the group's limits hold.
    """
    moments = sorted({each.since for each in every} | {each.until for each in every})
    found: list[Change] = []
    for at in moments:
        on = [each for each in every if each.since <= at < each.until]
        needed = sum(needs[each.show.name] for each in on)
        change = Change(at, max(least, min(most, needed)), needed, tuple(each.name for each in on))
        if not found or (found[-1].collectors, found[-1].needed) != (change.collectors, change.needed):
            found.append(change)
    return found


def on_air(every: Iterable[Broadcast], now: datetime) -> list[Broadcast]:
    """Those whose machines must not be touched now: from their lead to the end of their overrun."""
    return [each for each in every if each.since <= now < each.until]
