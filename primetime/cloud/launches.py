"""How long members take from being asked for until they have proved their roles, as the group itself remembers it.

AWS keeps what a group did for six weeks; a launch lasts until its hook is completed. Called by `show calendar` and up.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import ceil
from statistics import median
from typing import Any

from primetime.cloud.found import Aws
from primetime.cloud.newcomers import activities
from primetime.cloud.schedule import collecting
from primetime.cloud.wanted import NAME, OWNER
from primetime.topology import Topology
from primetime.topology.shows import PEOPLE_S, Show

LENGTHEN = "raise it in the topology, then `up` puts its scheduled actions anew"
_STEP_S = 5 * 60


@dataclass(frozen=True)
class Launches:
    """Seconds of each launch that went well, the latest first."""

    seconds: Sequence[float]

    @property
    def lead_s(self) -> float:
        """What a show's lead is to be: the slowest of them, in full five minutes, and what is left for people."""
        return ceil(max(self.seconds) / _STEP_S) * _STEP_S + PEOPLE_S

    def too_short(self, shows: Iterable[Show]) -> list[str]:
        """The shows whose lead is shorter than that."""
        return [show.name for show in shows if self.seconds and show.lead_s < self.lead_s]

    def __str__(self) -> str:
        if not self.seconds:
            return "no launch is on record: how long one takes is not known yet"
        many = "1 launch" if len(self.seconds) == 1 else f"{len(self.seconds)} launches"
        known = f"{many} on record, {median(self.seconds):.0f} s in the middle"
        return f"{known}, {max(self.seconds):.0f} s the slowest: `lead: {self.lead_s / 60:.0f}m` is enough"


def of_collectors(services: Aws, topology: Topology) -> Launches:
    """Those of the group that scales with the shows; none where there is no such group, or it is not up."""
    group = collecting(topology.cloud) if topology.cloud else None
    marks = {OWNER: topology.name, NAME: group.name} if group else {}
    found = services.scaling.list_auto_scale_groups(ex_tags=marks)[:1] if group else []
    return measured([each for one in found for each in activities(services, one.name)])


def measured(lately: Iterable[Mapping[str, Any]]) -> Launches:
    """The launches among what a group did."""
    return Launches(
        [
            (datetime.fromisoformat(each["EndTime"]) - datetime.fromisoformat(each["StartTime"])).total_seconds()
            for each in lately
            if str(each.get("Description")).startswith("Launching")
            and each.get("StatusCode") == "Successful"
            and each.get("EndTime")
        ]
    )
