"""Wanted against found is a pure function: what is a step, what is never drift, what stands in the way."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from primetime.cloud.found import Thing
from primetime.cloud.plan import fingerprint, plan
from primetime.cloud.wanted import KINDS, Key, Resource, ingress, wanted
from primetime.errors import NotAsDeclared
from primetime.topology import Topology, parse

NOW = datetime(2026, 11, 25, tzinfo=UTC)
TEXT = """\
name: evening
provider: ec2
region: eu-central-1
zones: [eu-central-1a, eu-central-1b]
network: 10.40.0.0/20
image: ami-0123456789abcdef0
controllers: [203.0.113.7/32]
shows:
  - {name: quiz, start: "2026-11-28 20:35", time_zone: Europe/Berlin, lasts: 90m, updates: 1e6, within: 5s,
     repeat: weekly}
groups:
  collector: {roles: [collector, shipper], size: c6i.large, cores: 2, memory_mb: 4096, min: 2, max: 12, spool_gb: 20}
  cache: {roles: [redis], size: m6i.large, cores: 2, memory_mb: 8192, count: 2}
partial: true
"""


def _in_three_days() -> str:
    """With a show that is not on, whenever this is run: during one `up` leaves machines alone."""
    day = datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(days=3)
    return TEXT.replace("2026-11-28", f"{day:%Y-%m-%d}")


QUIET = _in_three_days()


def topology(*edit: str) -> Topology:
    old, new = edit or ("", "")
    return parse(TEXT.replace(old, new, 1), "t.yml")


def world(*edit: str, now: datetime = NOW) -> dict[Key, Thing]:
    """As if all that is declared existed."""
    return {
        each.key: Thing(each.kind, each.name, f"id-{each.name}", each.values, each.sizes)
        for each in wanted(topology(*edit), now)
    }


def steps(found: dict[Key, Thing], *edit: str, now: datetime = NOW) -> list[tuple[str, str, str]]:
    made = plan(wanted(topology(*edit), now), found, now)
    made.require_clear("t.yml")
    return [(step.verb, step.resource.kind, step.resource.name) for step in made.steps]


def test_from_nothing_everything_is_made_in_the_order_in_which_it_can_be() -> None:
    made = steps({})
    kinds = [kind for _, kind, _ in made]
    assert {verb for verb, _, _ in made} == {"make"}
    assert kinds == sorted(kinds, key=KINDS.index)
    assert ("make", "node", "cache-2") in made


def test_what_is_as_declared_has_no_steps() -> None:
    assert steps(world()) == []


@pytest.mark.parametrize("key", [each.key for each in wanted(topology(), NOW) if each.details.get("due", True)])
def test_whatever_is_missing_is_made_and_nothing_else(key: Key) -> None:
    found = world()
    del found[key]
    assert steps(found) == [("make", *key)]


@pytest.mark.parametrize(
    ("edit", "changed"),
    [
        (("min: 2", "min: 3"), {("change", "group", "collector")}),
        (("max: 12", "max: 9"), {("change", "group", "collector")}),
        (("size: c6i.large", "size: [c6i.large, c5.large]"), {("change", "group", "collector")}),
        (
            ("ami-0123456789abcdef0", "ami-0123456789abcdef1"),
            {("change", "template", "collector"), ("change", "template", "cache")},
        ),
        (
            ("203.0.113.7/32", "203.0.113.8/32"),
            {("change", "rules", "collector"), ("change", "rules", "cache")},
        ),
        (("count: 2", "count: 3"), {("make", "node", "cache-3")}),
    ],
)
def test_an_edit_changes_what_it_touches_and_nothing_else(edit: tuple[str, str], changed: set[Any]) -> None:
    made = {step for step in steps(world(), *edit) if step[1] != "action"}
    assert made == changed


def test_what_the_autoscaler_sets_is_never_drift() -> None:
    group = world()["group", "collector"]
    assert {"desired", "members"}.isdisjoint(group.values)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (("10.40.0.0/20", "10.41.0.0/20"), 'network evening has cidr "10.40.0.0/20", not "10.41.0.0/20"'),
        (("size: m6i.large", "size: r6i.large"), 'node cache-1 has size "m6i.large", not "r6i.large"'),
    ],
)
def test_what_cannot_be_changed_in_place_is_refused(edit: tuple[str, str], says: str) -> None:
    with pytest.raises(NotAsDeclared, match=says):
        steps(world(), *edit)


def test_what_is_not_declared_any_more_is_told_and_not_touched() -> None:
    with pytest.raises(NotAsDeclared, match=r"does not declare: node cache-2 \(id-cache-2\)"):
        steps(world(), "count: 2", "count: 1")


def test_a_show_that_is_taken_out_takes_its_actions_along() -> None:
    found = world()
    edited = steps(found, "2026-11-28", "2026-11-27")
    removed = [name for verb, _, name in edited if verb == "remove"]
    assert "collector/show-20261128T1905Z" in removed
    assert ("make", "action", "collector/show-20261127T1905Z") in edited


def test_another_day_s_plan_is_empty_until_a_show_is_near() -> None:
    found = world()
    assert [len(steps(found, now=NOW + timedelta(days=day))) for day in (1, 7, 13)] == [0, 0, 0]
    assert len(steps(found, now=NOW + timedelta(days=19))) > 0


def test_an_action_that_has_been_carried_out_is_not_missing() -> None:
    found = world()
    later = NOW + timedelta(days=3, hours=20)  # after the first show has begun
    del found["action", "collector/show-20261128T1905Z"]
    assert steps(found, now=later) == []


def test_rules_follow_from_endpoints_with_groups_as_sources() -> None:
    declared = topology()
    assert declared.cloud
    rules = ingress(declared, declared.cloud)
    assert ("tcp", 8080, "0.0.0.0/0") in rules["collector"]
    assert {source for _, port, source in rules["cache"] if port == 6379} == {"collector", "203.0.113.7/32"}
    assert {source for _, port, source in rules["cache"] if port == 22} == {"203.0.113.7/32"}


def test_a_fingerprint_is_of_what_exists_and_not_of_how_many_members_there_are() -> None:
    found = world()
    group = found["group", "collector"]
    grown = {**found, group.key: Thing("group", "collector", group.id, group.values, ("c6i.large",) * 6)}
    fewer = {key: thing for key, thing in found.items() if key[0] != "node"}
    assert fingerprint(found) == fingerprint(grown) != fingerprint(fewer)


def test_a_resource_says_what_it_is() -> None:
    assert str(Resource("subnet", "eu-central-1a", {"cidr": "10.40.0.0/23"})) == (
        "subnet eu-central-1a (cidr 10.40.0.0/23)"
    )
