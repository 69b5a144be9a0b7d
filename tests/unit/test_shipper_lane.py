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
    courtesy = Courtesy(lambda: True, most_s=10)
    waited = []
    for now in (1000, 1009, 1010, 1500):
        clock[0] = now
        waited.append(courtesy.waits())
    assert waited == [True, True, False, False]


def test_it_waits_anew_once_others_had_caught_up(clock: list[float]) -> None:
    behind = [True]
    courtesy = Courtesy(lambda: behind[0], most_s=10)
    courtesy.waits()
    clock[0] += 20
    behind[0] = False
    caught_up = courtesy.waits()
    behind[0] = True
    assert (caught_up, courtesy.waits()) == (False, True)


@pytest.mark.parametrize(("said", "behind"), [([], False), ([False, False], False), ([False, True], True)])
def test_the_backlog_is_what_any_hbase_lane_says(tmp_path: Path, said: list[bool], behind: bool) -> None:
    for number, word in enumerate(said):
        reports.write(reports.lane_file(tmp_path, f"hbase-{number}"), {"behind": word})
    reports.write(reports.lane_file(tmp_path, "redis-0"), {"behind": True})
    assert reports.HbaseBacklog(tmp_path)() is behind
