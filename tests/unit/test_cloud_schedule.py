"""Scheduled actions follow from shows, and the calendar says what they cost and where they are too few."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from primetime.cli import show
from primetime.cloud.prices import cost, price
from primetime.cloud.schedule import actions, due
from primetime.console import Console
from primetime.errors import UsageError
from primetime.paths import REPO
from primetime.topology import load, parse

PRODUCTION = (REPO / "inventories" / "production.yml").read_text()
NOW = datetime(2026, 11, 25, tzinfo=UTC)


def calendar(capsys: pytest.CaptureFixture[str], path: Path | str, *words: str) -> dict[str, Any]:
    parser = argparse.ArgumentParser()
    show.add(parser)
    arguments = parser.parse_args(["calendar", "-t", str(path), "--from", "2026-11-25", "--json", *words])
    assert show.run(arguments, Console(as_json=True)) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_each_show_has_an_action_out_and_one_in() -> None:
    cloud = parse(PRODUCTION, "t.yml").cloud
    assert cloud
    found = actions(cloud, cloud.groups[0], NOW)
    assert [(each.name, each.min_size, each.desired) for each in found[:2]] == [
        ("show-20261128T1905Z", 6, 6),
        ("show-20261128T2135Z", 2, 2),
    ]
    assert len(found) == 8


def test_another_day_s_actions_are_not_due_yet() -> None:
    cloud = parse(PRODUCTION, "t.yml").cloud
    assert cloud
    first = actions(cloud, cloud.groups[0], NOW)
    later = NOW.replace(day=26)
    assert set(due(actions(cloud, cloud.groups[0], later), later)) <= set(first)


def test_groups_of_fixed_number_have_no_actions() -> None:
    cloud = parse(PRODUCTION, "t.yml").cloud
    assert cloud
    assert all(actions(cloud, group, NOW) == [] for group in cloud.groups[1:])


def test_the_calendar_says_when_how_many_and_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    [found] = calendar(capsys, "production")["shows"]
    assert (found["show"], found["collectors"], found["short"]) == ("quiz-20261128", 6, False)
    each = price("c6i.large", "eu-central-1").per_hour
    assert each and found["cost"] == round(6 * each * 2.5, 2)  # half an hour ahead, 90 minutes, half an hour after


def test_a_show_that_has_too_little_is_warned_of(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.yml"
    path.write_text(PRODUCTION.replace("max: 12", "max: 4"))
    [found] = calendar(capsys, path)["shows"]
    assert (found["collectors"], found["needed"], found["short"]) == (4, 6, True)


def test_a_calendar_of_local_machines_says_what_it_is_for() -> None:
    parser = argparse.ArgumentParser()
    show.add(parser)
    with pytest.raises(UsageError, match="a calendar is of a topology on EC2"):
        show.run(parser.parse_args(["calendar", "-t", "demo"]), Console())


def test_a_price_says_where_it_comes_from_and_one_that_is_missing_is_unknown() -> None:
    assert "libcloud" in str(price("c6i.large", "eu-central-1")) and ", 20" in str(price("c6i.large", "eu-central-1"))
    assert price("c6i.large", "eu-west-1").per_hour is None  # nought in the table
    found = cost(["c6i.large", "z9.huge", "z9.huge"], "eu-central-1")
    assert (found.per_hour, found.unknown) == (price("c6i.large", "eu-central-1").per_hour, ("z9.huge",))


def test_production_s_memory_and_cores_are_those_of_its_sizes() -> None:
    from libcloud.compute.constants.ec2_instance_types import INSTANCE_TYPES  # seconds to import: here alone

    cloud = load("production").cloud
    assert cloud
    for group in cloud.groups:
        for size in group.sizes:
            entry: Any = INSTANCE_TYPES[size]
            assert (entry["ram"] >= group.memory_mb, int(entry["extra"]["vcpu"])) == (True, group.cores), size
