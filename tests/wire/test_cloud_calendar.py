"""A group follows the calendar by itself: `up` has put what happens when, and a clock of the test carries it out."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from moto.autoscaling.responses import AutoScalingResponse
from moto.core.responses import ActionResult

from primetime.calendar import collectors
from primetime.capacity_figures import FIGURES
from primetime.cli import show
from primetime.cli.up import tell_short_leads
from primetime.cloud import machines
from primetime.cloud.found import Aws
from primetime.cloud.launches import of_collectors
from primetime.console import Console
from primetime.guard.quiet import LOOK_EVERY_S, Act, Quiet
from tests.moto_server import Moto, moto, moto_server  # noqa: F401
from tests.pocket_hooks import ENDING, LAUNCHING, Hooks, acting
from tests.wire.test_cloud import EVENING, QUIET, quiet, small_bundle  # noqa: F401

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


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Seconds that launches took, as the group remembers it; moto remembers nothing."""
    took: list[int] = []
    began = datetime(2026, 11, 21, 19, 5, tzinfo=UTC)

    def activities(_: AutoScalingResponse) -> ActionResult:
        return ActionResult(
            {
                "Activities": [
                    {
                        **{"ActivityId": str(number), "AutoScalingGroupName": GROUP, "Cause": "a show"},
                        **{"Description": "Launching a new EC2 instance: i-1", "StatusCode": "Successful"},
                        **{"StartTime": began, "EndTime": began + timedelta(seconds=seconds)},
                    }
                    for number, seconds in enumerate(took)
                ]
            }
        )

    monkeypatch.setattr(AutoScalingResponse, "describe_scaling_activities", activities)
    yield took


@pytest.mark.parametrize(
    ("took", "says"),
    [
        ([], "launches: no launch is on record: how long one takes is not known yet"),
        (
            [180, 240, 200],
            "launches: 3 launches on record, 200 s in the middle, 240 s the slowest: `lead: 20m` is enough",
        ),
        ([180, 1201], "show quiz: its lead is too short: raise it in the topology"),
    ],
)
def test_the_calendar_says_whether_leads_are_as_long_as_launches_were(
    evening: Evening,
    launched: list[int],
    took: list[int],
    says: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    launched += took
    path, parser = tmp_path / "evening.yml", argparse.ArgumentParser()
    path.write_text(QUIET)
    show.add(parser)
    assert show.run(parser.parse_args(["calendar", "-t", str(path), "--measured"]), Console()) == 0
    assert says in capsys.readouterr().out


def test_a_launch_lasts_until_its_member_has_proved_its_roles(evening: Evening) -> None:
    assert len(of_collectors(evening.services, EVENING).seconds) == LEAST
    evening.services.scaling.ex_set_desired(GROUP, LEAST + 1)
    assert len(of_collectors(evening.services, EVENING).seconds) == LEAST
    evening.end(LAUNCHING, "configure")
    assert len(of_collectors(evening.services, EVENING).seconds) == LEAST + 1


def test_an_up_whose_members_took_longer_than_a_show_gives_them_says_so(
    evening: Evening, launched: list[int], capsys: pytest.CaptureFixture[str]
) -> None:
    launched += [1500]
    tell_short_leads(evening.services, EVENING, Console())
    assert "show quiz: its lead is too short (1 launch on record" in capsys.readouterr().out
    launched[:] = [900]
    tell_short_leads(evening.services, EVENING, Console())
    assert capsys.readouterr().out == ""


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
