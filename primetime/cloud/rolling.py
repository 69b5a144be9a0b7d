"""What a rolling replacement does next, from what a group looks like now: a pure function. Called by roll.

Nothing is remembered but the group's size when the roll began: so one that was cut short anywhere goes on by looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Move(Enum):
    """One call, or none."""

    GROW = "add one of the new kind"
    AWAIT = "wait for it to prove its roles and to be healthy"
    END = "end one of the old kind"
    REPLACE = "end one of the old kind, and let the group put one in its place"
    DRAIN = "wait for it to ship its spool and go"
    SHRINK = "have as many as before"
    DONE = "nothing is left to do"


@dataclass(frozen=True)
class Part:
    """A member: `good` when it is in service, healthy, and the balancer says so too."""

    id: str
    current: bool  # made of what the group's template says now
    good: bool
    going: bool = False  # its end has begun


@dataclass(frozen=True)
class Next:
    move: Move
    member: str = ""


def decide(parts: Sequence[Part], size: int, desired: int, most: int) -> Next:
    """The next move. There are never fewer good members than `size`, unless the group may not have one more.

    `size`: how many there were when it began. One at a time: nothing is ended while another still comes or goes.
    """
    if going := [each for each in parts if each.going]:
        return Next(Move.DRAIN, going[0].id)
    old = sorted((each for each in parts if not each.current), key=lambda each: (each.good, each.id))
    if coming := [each for each in parts if each.current and not each.good]:
        return Next(Move.AWAIT, coming[0].id)
    if not old:
        return Next(Move.SHRINK) if desired > size else Next(Move.DONE)
    if len(parts) < desired:
        return Next(Move.AWAIT)  # the group is about to launch one
    if desired > size:
        return Next(Move.END, old[0].id)
    return Next(Move.GROW) if size < most else Next(Move.REPLACE, old[0].id)
