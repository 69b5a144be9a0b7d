"""A lane lets others go first, for a while."""

from __future__ import annotations

from pathlib import Path

import pytest

from primetime.shipper import lane as lane_module
from primetime.shipper import reports
from primetime.shipper.lane import Courtesy


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock as its one element."""
    now = [1000.0]
    monkeypatch.setattr(lane_module.time, "monotonic", lambda: now[0])
    return now


def test_it_waits_while_others_are_behind_and_no_longer_than_told(clock: list[float]) -> None:
    courtesy = Courtesy(lambda: True, most_s=10, share=0.1)
    waited = []
    for now in (1000, 1009, 1010, 1500):
        clock[0] = now
        waited.append(courtesy.waits())
    assert waited == [True, True, False, False]


def test_it_waits_anew_once_others_had_caught_up(clock: list[float]) -> None:
    behind = [True]
    courtesy = Courtesy(lambda: behind[0], most_s=10, share=0.1)
    courtesy.waits()
    clock[0] += 20
    behind[0] = False
    caught_up = courtesy.waits()
    behind[0] = True
    assert (caught_up, courtesy.waits()) == (False, True)


def test_past_its_patience_it_takes_its_share_of_the_time_and_no_more_than_that(clock: list[float]) -> None:
    behind = [True]
    courtesy = Courtesy(lambda: behind[0], most_s=10, share=0.1)
    courtesy.waits()
    clock[0] += 20
    assert not courtesy.waits()
    assert courtesy.rest_s(0.05) == pytest.approx(0.45)
    assert courtesy.rest_s(5) == 10  # a step that took long does not stop it for a minute
    behind[0] = False
    courtesy.waits()
    assert courtesy.rest_s(0.05) == 0


class FullBatches:
    """A sink that always has more."""

    retryable: tuple[type[Exception], ...] = ()

    def __init__(self, clock: list[float]) -> None:
        self.clock = clock

    def step(self) -> int:
        self.clock[0] += 0.05
        return 5000

    def report(self) -> dict[str, object]:
        return {}


@pytest.mark.parametrize(("behind", "pause_s"), [(True, 0.45), (False, 0)])
def test_a_lane_that_is_behind_rests_between_its_batches_only_while_others_are_too(
    tmp_path: Path, clock: list[float], behind: bool, pause_s: float
) -> None:
    courtesy = Courtesy(lambda: behind, most_s=10, share=0.1)
    courtesy.waits()
    clock[0] += 20
    lane = lane_module.Lane("redis-0", FullBatches(clock), tmp_path, 0.02, 0.1, courtesy)
    assert lane._once(5000) == pytest.approx(pause_s)


@pytest.mark.parametrize(("said", "behind"), [([], False), ([False, False], False), ([False, True], True)])
def test_the_backlog_is_what_any_hbase_lane_says(tmp_path: Path, said: list[bool], behind: bool) -> None:
    for number, word in enumerate(said):
        reports.write(reports.lane_file(tmp_path, f"hbase-{number}"), {"behind": word})
    reports.write(reports.lane_file(tmp_path, "redis-0"), {"behind": True})
    assert reports.HbaseBacklog(tmp_path)() is behind
