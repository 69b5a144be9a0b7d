"""While a show is on, a group neither replaces whom EC2 calls unhealthy nor rebalances its zones. Called by agent.

That a show is on is told by the group itself: its scheduled action has raised the minimum above what is declared, which
is a tag. All guards of a group look, and each may be first: what they do is the same, and may be done twice. What an
operator has frozen or ended by hand stays as that operator said.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from enum import Enum

from primetime.drivers.autoscaling import AutoScaleGroup, AutoScalingDriver
from primetime.guard.marks import BY_CALENDAR, BY_HAND, ENDED, FROZEN, LEAST, SUSPENDED

log = logging.getLogger("guard")

LOOK_EVERY_S = 30.0


class Act(Enum):
    """One call and a tag; each may be done twice."""

    SUSPEND = "a show is on: nothing takes members away from the group"
    RESUME = "the show is over: the group looks after its members again"
    FORGET = "the show is over: what was ended by hand is as before"


def decide(group: AutoScaleGroup) -> Act | None:
    """What to do now."""
    on = group.min_size > int(group.tags.get(LEAST, group.min_size))
    says, suspended = group.tags.get(FROZEN, ""), set(SUSPENDED) <= set(group.suspended)
    if on:
        return Act.SUSPEND if not suspended and says not in (BY_HAND, ENDED) else None
    if says == BY_CALENDAR:
        return Act.RESUME
    return Act.FORGET if says == ENDED else None


class Quiet:
    """One guard's part in it."""

    def __init__(self, scaling: AutoScalingDriver, group: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._scaling, self._group, self._clock = scaling, group, clock
        self._looked_s = float("-inf")

    def step(self) -> Act | None:
        """One look, when it is time for one, and what follows from it."""
        if self._clock() < self._looked_s + LOOK_EVERY_S:
            return None
        self._looked_s = self._clock()
        found = self._scaling.list_auto_scale_groups([self._group])
        act = decide(found[0]) if found else None
        if act is Act.SUSPEND:
            self._say(BY_CALENDAR)  # first: whoever comes after it may undo what has this mark alone
            self._scaling.ex_suspend(self._group, SUSPENDED)
        elif act is Act.RESUME:
            self._scaling.ex_resume(self._group, SUSPENDED)
            self._say("")
        elif act is Act.FORGET:
            self._say("")
        if act:
            log.info("%s", act.value)
        return act

    def _say(self, what: str) -> None:
        self._scaling.ex_tag_auto_scale_group(self._group, {FROZEN: what}, propagate=False)
