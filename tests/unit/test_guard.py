"""What the guard of a collector on EC2 does next, from what it sees."""

from __future__ import annotations

import pytest

from primetime.drivers.autoscaling import AutoScaleGroup
from primetime.guard.decision import CALM_S, EMPTY_S, HEARTBEAT_S, LEAVE_S, Action, Seen, decide
from primetime.guard.hook import DRAIN
from primetime.guard.marks import BY_CALENDAR, BY_HAND, ENDED, FROZEN, LEAST, SUSPENDED
from primetime.guard.quiet import Act
from primetime.guard.quiet import decide as quiet


def going(**more: object) -> Seen:
    """It has to go, has left the balancer, drains, and nothing waits any more."""
    values = {"waiting": False, "calm_s": EMPTY_S, "going": True, "draining": True, "draining_s": EMPTY_S}
    return Seen(**{**values, **more})  # type: ignore[arg-type]


CASES = {
    "what is late protects the instance": (Seen(waiting=True, late=True, protected=False), [Action.PROTECT]),
    "also when it is not known whether it is protected": (Seen(waiting=True, late=True), [Action.PROTECT]),
    "once is enough": (Seen(waiting=True, late=True, protected=True), []),
    "what comes and goes in time does not": (Seen(waiting=True, protected=False), []),
    "one that was late only now is not let go yet": (Seen(waiting=False, timely_s=CALM_S - 1, protected=True), []),
    "a spool that ships in time lets it go": (Seen(waiting=True, timely_s=CALM_S, protected=True), [Action.RELEASE]),
    "once is enough for that too": (Seen(waiting=False, timely_s=CALM_S, protected=False), []),
    "first it leaves the balancer": (going(balanced=True, draining=False), [Action.LEAVE]),
    "then its collector drains": (going(draining=False), [Action.DRAIN]),
    "a balancer that does not let go is not waited for": (
        going(balanced=True, draining=False, going_s=LEAVE_S),
        [Action.DRAIN],
    ),
    "what waits holds it": (going(waiting=True, calm_s=0.0), []),
    "for longer than the hook's time": (going(waiting=True, silent_s=HEARTBEAT_S), [Action.HEARTBEAT]),
    "while it leaves the balancer too": (
        going(balanced=True, draining=False, silent_s=HEARTBEAT_S),
        [Action.LEAVE, Action.HEARTBEAT],
    ),
    "an empty spool is not believed before nothing more can come": (going(draining_s=EMPTY_S - 1), []),
    "nor before it has been empty for a while": (going(calm_s=EMPTY_S - 1), []),
    "then it goes": (going(), [Action.COMPLETE]),
    "and says that nothing is left where its group ends it": (
        going(ending=True, empty=True),
        [Action.MARK, Action.COMPLETE],
    ),
    "but not when something is left that cannot be shipped": (going(ending=True), [Action.COMPLETE]),
    "nor when a spot market takes it, which may bring it back": (going(empty=True), [Action.COMPLETE]),
}


@pytest.mark.parametrize(("seen", "expected"), CASES.values(), ids=CASES)
def test_what_follows_from_what_is_seen(seen: Seen, expected: list[Action]) -> None:
    assert decide(seen) == expected


def test_a_heartbeat_may_fail_three_times_before_the_hook_s_time_is_over() -> None:
    assert DRAIN.timeout_s >= 4 * HEARTBEAT_S


def group(least: int = 2, suspended: bool = False, says: str = "") -> AutoScaleGroup:
    """A group that declares two, of which a show may have raised the minimum."""
    return AutoScaleGroup("g", least, 12, 6, (), SUSPENDED if suspended else (), {LEAST: "2", FROZEN: says})


QUIET = {
    "nothing is on": (group(), None),
    "a show has begun": (group(6), Act.SUSPEND),
    "another guard was first": (group(6, True, BY_CALENDAR), None),
    "another guard died in between": (group(6, False, BY_CALENDAR), Act.SUSPEND),
    "the show is over": (group(2, True, BY_CALENDAR), Act.RESUME),
    "another guard died before it said so": (group(2, False, BY_CALENDAR), Act.RESUME),
    "frozen by hand it stays so after the show": (group(2, True, BY_HAND), None),
    "frozen by somebody who does not say so it stays so too": (group(2, True), None),
    "ended by hand it stays so during the show": (group(6, False, ENDED), None),
    "and the next show is as every other": (group(2, False, ENDED), Act.FORGET),
}


@pytest.mark.parametrize(("seen", "expected"), QUIET.values(), ids=QUIET)
def test_a_group_is_kept_quiet_during_shows(seen: AutoScaleGroup, expected: Act | None) -> None:
    assert quiet(seen) is expected
