"""What a monitoring host has to know of the shows, to tell when one is near. Called by the inventory."""

from __future__ import annotations

from typing import Any

from primetime.calendar import collectors
from primetime.capacity_figures import FIGURES
from primetime.cloud.schedule import collecting
from primetime.topology import Topology
from primetime.topology.shows import Show


def showtimes(topology: Topology) -> dict[str, Any]:
    """The shows that have a start, as templates/monitoring/showtimes.py reads them."""
    return {
        "shows": [
            {
                "name": show.name,
                "start": show.start.isoformat(),
                "time_zone": show.time_zone,
                "repeat_days": show.repeat_days,
                "lead_s": show.lead_s,
                "lasts_s": show.lasts_s + show.overrun_s,
                "collectors": _needed(topology, show),
            }
            for show in topology.timed
        ],
    }


def _needed(topology: Topology, show: Show) -> int:
    """As many as its burst asks for, where collectors come and go; else all that there are."""
    cloud = topology.cloud
    if cloud and (group := collecting(cloud)):
        return collectors(show, len(cloud.zones), group.cores, FIGURES)
    return len(topology.in_group("collector"))
