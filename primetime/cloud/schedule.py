"""Shows → scheduled actions of the groups that scale. Called by wanted and by `show calendar`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from primetime.calendar import Broadcast, Change, broadcasts, changes, collectors
from primetime.capacity_figures import FIGURES
from primetime.drivers.autoscaling import ScheduledAction
from primetime.topology.cloud import Cloud, CloudGroup

PUT_DAYS = 28  # so far ahead actions are put; AWS takes 125 for a group
DUE_DAYS = 14  # so far ahead they must be there: between the two, another day's plan asks for nothing new


@dataclass(frozen=True)
class Calendar:
    """What a group is to do between two instants."""

    broadcasts: tuple[Broadcast, ...]
    changes: tuple[Change, ...]


def calendar(cloud: Cloud, group: CloudGroup, since: datetime, until: datetime) -> Calendar:
    """The broadcasts between two instants, and how many members the group is to have when."""
    every = broadcasts(cloud.shows, since, until)
    needs = {show.name: collectors(show, len(cloud.zones), group.cores, FIGURES) for show in cloud.shows}
    assert group.least is not None and group.most is not None
    return Calendar(tuple(every), tuple(changes(every, needs, group.least, group.most)))


def collecting(cloud: Cloud) -> CloudGroup | None:
    """The group that scales with the shows: the collectors'."""
    return next((group for group in cloud.groups if group.scales and "collector" in group.roles), None)


def actions(cloud: Cloud, group: CloudGroup, now: datetime) -> list[ScheduledAction]:
    """A scheduled action for each change from now on. Both ways the minimum and the desired number are set:

    desired alone would be undone by a policy, the minimum alone would never shrink the group.
    """
    if group != collecting(cloud):
        return []
    every = calendar(cloud, group, now, now + timedelta(days=PUT_DAYS)).changes
    return [
        ScheduledAction(f"show-{each.at:%Y%m%dT%H%MZ}", each.collectors, None, each.collectors, each.at)
        for each in every
        if each.at > now
    ]


def due(wanted: Sequence[ScheduledAction], now: datetime) -> list[ScheduledAction]:
    """Those that must be there today."""
    return [each for each in wanted if each.start and each.start < now + timedelta(days=DUE_DAYS)]
