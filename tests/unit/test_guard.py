"""What the guard of a collector on EC2 does next, from what it sees."""

from __future__ import annotations

import pytest

from primetime.guard.decision import CALM_S, EMPTY_S, HEARTBEAT_S, LEAVE_S, Action, Seen, decide
from primetime.guard.hook import DRAIN


def going(**more: object) -> Seen:
    """It has to go, has left the balancer, drains, and nothing waits any more."""
    values = {"waiting": False, "calm_s": EMPTY_S, "going": True, "draining": True, "draining_s": EMPTY_S}
    return Seen(**{**values, **more})  # type: ignore[arg-type]


CASES = {
    "what waits protects the instance": (Seen(waiting=True, protected=False), [Action.PROTECT]),
    "also when it is not known whether it is protected": (Seen(waiting=True), [Action.PROTECT]),
    "once is enough": (Seen(waiting=True, protected=True), []),
    "a trickle of events does not flap it": (Seen(waiting=False, calm_s=CALM_S - 1, protected=True), []),
    "an empty spool lets it go": (Seen(waiting=False, calm_s=CALM_S, protected=True), [Action.RELEASE]),
    "once is enough for that too": (Seen(waiting=False, calm_s=CALM_S, protected=False), []),
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
}


@pytest.mark.parametrize(("seen", "expected"), CASES.values(), ids=CASES)
def test_what_follows_from_what_is_seen(seen: Seen, expected: list[Action]) -> None:
    assert decide(seen) == expected


def test_a_heartbeat_may_fail_three_times_before_the_hook_s_time_is_over() -> None:
    assert DRAIN.timeout_s >= 4 * HEARTBEAT_S
