"""From what the guard sees to what it does next: a pure function. Called by agent."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

HEARTBEAT_S = 60.0  # the hook's time begins anew: a fifth of what the hook gives
FLOWS_S = 30.0  # so long a segment may lie there while all is well: three times the age at which it is sealed
CALM_S = 60.0  # so long nothing has lain for longer before protection ends: it must not flap
EMPTY_S = 3.0  # so long it is empty when nothing more can come: longer than the collector's own deadline of 2 s
LEAVE_S = 90.0  # the longest that the balancer is waited for: it must not hold what is left of a spot's two minutes


class Action(Enum):
    """One call, or one file. Each may be done twice."""

    PROTECT = "protect it from scaling in"
    RELEASE = "let scaling in choose it"
    LEAVE = "take it out of the balancer"
    DRAIN = "tell the collector to drain"
    HEARTBEAT = "ask the hook for more time"
    MARK = "say that nothing is left in its spool"
    COMPLETE = "complete the hook"


@dataclass(frozen=True)
class Seen:
    """The world at one moment. Times are seconds."""

    waiting: bool  # something in the spool, or in one that it has taken over, can be shipped, and is not yet
    late: bool = False  # it has waited for longer than FLOWS_S: whoever goes now is held for nobody knows how long
    empty: bool = False  # its own spool has no segment at all
    calm_s: float = 0.0  # how long nothing has waited
    timely_s: float = 0.0  # how long nothing has been late
    protected: bool | None = None  # as last told to EC2; None: not known
    going: bool = False  # its group wants it gone, or a spot market does
    ending: bool = False  # its group does: it will not come back
    going_s: float = 0.0
    balanced: bool = False  # a balancer may still send it new connections
    draining: bool = False  # the collector is told to refuse
    draining_s: float = 0.0
    silent_s: float = 0.0  # since the hook last heard of it


def decide(seen: Seen) -> list[Action]:
    """What to do now, in order."""
    if not seen.going:
        if seen.late and seen.protected is not True:
            return [Action.PROTECT]
        if not seen.late and seen.timely_s >= CALM_S and seen.protected is not False:
            return [Action.RELEASE]
        return []
    alive = [Action.HEARTBEAT] if seen.silent_s >= HEARTBEAT_S else []
    if seen.balanced and seen.going_s < LEAVE_S:
        return [Action.LEAVE, *alive]
    if not seen.draining:
        return [Action.DRAIN, *alive]
    if not seen.waiting and min(seen.calm_s, seen.draining_s) >= EMPTY_S:
        return [*([Action.MARK] if seen.ending and seen.empty else []), Action.COMPLETE]
    return alive
