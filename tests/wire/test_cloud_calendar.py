"""A group follows the calendar by itself: `up` has put what happens when, and a clock of the test carries it out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from primetime.calendar import collectors
from primetime.capacity_figures import FIGURES
from primetime.cloud import machines
from primetime.cloud.found import Aws
from primetime.guard.quiet import LOOK_EVERY_S, Act, Quiet
from tests.moto_server import Moto, moto, moto_server  # noqa: F401
from tests.pocket_hooks import ENDING, LAUNCHING, Hooks, acting
from tests.wire.test_cloud import EVENING, quiet, small_bundle  # noqa: F401

GROUP, LEAST = "evening-collector", 2
BEFORE, AFTER = timedelta(minutes=30), timedelta(minutes=90 + 30)  # its length, and the longest that it may overrun
MINUTE = timedelta(minutes=1)


def shows() -> list[datetime]:
    """When the first two begin, a week apart on the clock of Berlin."""
    assert EVENING.cloud
    first = EVENING.cloud.shows[0].start.replace(tzinfo=ZoneInfo("Europe/Berlin"))
    return [each.astimezone(UTC) for each in (first, first + timedelta(days=7))]


@dataclass
class Evening:
    """The cluster, and the clock."""

    services: Aws
    hooks: Hooks

    def there_at(self, now: datetime) -> int:
        """How many members there are, those that have to go not among them."""
        self.hooks.time_is(now)
        return len([state for state in self.states() if state != ENDING])

    def states(self) -> list[str]:
        return [each.state for each in self.services.scaling.list_auto_scale_group_members(GROUP)]

    def end(self, state: str, hook: str) -> None:
        """Complete a hook of all that wait in this state."""
        for each in self.services.scaling.list_auto_scale_group_members(GROUP):
            if each.state == state:
                self.services.scaling.ex_complete_hook(GROUP, hook, each.id, proceed=True)


@pytest.fixture
def evening(moto: Moto, small_bundle: None) -> Iterator[Evening]:  # noqa: F811
    with acting() as hooks:
        services = machines.services(EVENING)
        machines.up(services, EVENING, quiet, wait=False)
        evening = Evening(services, hooks)
        evening.end(LAUNCHING, "configure")
        yield evening


def needed() -> int:
    assert EVENING.cloud
    return collectors(EVENING.cloud.shows[0], len(EVENING.cloud.zones), 2, FIGURES)


def test_members_come_half_an_hour_before_each_show_and_go_after_its_longest_overrun(evening: Evening) -> None:
    assert needed() > LEAST
    for begins in shows():
        assert evening.there_at(begins - BEFORE - MINUTE) == LEAST
        assert evening.there_at(begins - BEFORE) == needed()
        evening.end(LAUNCHING, "configure")
        assert evening.there_at(begins + AFTER - MINUTE) == needed()
        assert evening.there_at(begins + AFTER) == LEAST
        # and each of them is drained
        assert evening.states().count(ENDING) == needed() - LEAST
        evening.end(ENDING, "drain")
        assert evening.states() == ["InService"] * LEAST


def test_while_the_calendar_has_raised_it_a_group_takes_nobody_away_by_itself(evening: Evening) -> None:
    now_s = [0.0]
    guard = Quiet(evening.services.scaling, GROUP, lambda: now_s[0])

    def told_at(now: datetime) -> Act | None:
        evening.hooks.time_is(now)
        now_s[0] += LOOK_EVERY_S
        return guard.step()

    begins = shows()[0]
    assert [told_at(begins - BEFORE - MINUTE), told_at(begins - BEFORE), told_at(begins)] == [None, Act.SUSPEND, None]
    [group] = evening.services.scaling.list_auto_scale_groups([GROUP])
    assert set(group.suspended) == {"ReplaceUnhealthy", "AZRebalance"}
    assert [told_at(begins + AFTER - MINUTE), told_at(begins + AFTER)] == [None, Act.RESUME]
    assert evening.services.scaling.list_auto_scale_groups([GROUP])[0].suspended == ()
