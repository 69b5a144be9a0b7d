"""Topologies on EC2 are checked as the others are: every problem at once, each with its line and what to write."""

from __future__ import annotations

import pytest

from primetime import topology
from primetime.errors import UsageError

GOOD = """\
name: evening
provider: ec2
region: eu-central-1
zones: [eu-central-1a, eu-central-1b]
network: 10.40.0.0/20
image: ami-0123456789abcdef0
controllers: [203.0.113.7/32]
shows:
  - {name: quiz, start: "2026-11-28 20:35", time_zone: Europe/Berlin, lasts: 90m, updates: 1e6, within: 5s}
  - quiz-20261121
groups:
  collector: {roles: [collector], size: c6i.large, cores: 2, memory_mb: 4096, min: 2, max: 6, spool_gb: 20}
  cache: {roles: [redis], size: [m6i.large], cores: 2, memory_mb: 8192, count: 2}
partial: true
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "region: eu-central-1\n",
            "region: europe\n",
            "3:9: region is 'europe': write for example region: eu-central-1",
        ),
        (
            "[eu-central-1a, eu-central-1b]",
            "[eu-central-1a]",
            "4:8: zones is a list: list two or more, for example [eu-central-1a, eu-central-1b]",
        ),
        (
            "eu-central-1b]",
            "eu-west-1b]",
            "4:24: a zone is 'eu-west-1b': write the region and a letter, for example eu-central-1a",
        ),
        ("1b]", "1a]", "4:24: zone eu-central-1a is listed twice: keep one of them"),
        (
            "10.40.0.0/20",
            "10.40.0.0/28",
            "5:10: network is '10.40.0.0/28': write a private one from /16 to /24, for example 10.40.0.0/20",
        ),
        (
            "ami-0123456789abcdef0",
            "bookworm",
            "6:8: image is 'bookworm': write a machine image of the region, for example ami-0123456789abcdef0",
        ),
        ("203.0.113.7/32", "me", "7:15: a controller is 'me': write a network, for example 203.0.113.7/32"),
        (
            "Europe/Berlin",
            "Europe/Bonn",
            "9:56: time_zone of show quiz is 'Europe/Bonn': write for example time_zone: Europe/Berlin",
        ),
        (
            '"2026-11-28 20:35"',
            '"2026-11-31 20:35"',
            "9:25: start of show quiz is '2026-11-31 20:35': write for example start: \"2026-11-28 20:35\"",
        ),
        (
            "within: 5s",
            "in: 5s",
            "9:5: within of show quiz is missing: write for example within: 5s",
        ),
        ("5s}", "5s, lead: soon}", "9:115: lead of show quiz is 'soon': write for example lead: 30m"),
        (
            "5s}",
            "5s, lead: 15m}",
            "9:115: lead of show quiz is '15m': its last quarter of an hour is people's: write 20m to 12h",
        ),
        ("5s}", "5s, lead: 13h}", "9:115: lead of show quiz is '13h': its last quarter"),
        ("5s}", "5s, repeat: yearly}", "9:117: repeat of show quiz is 'yearly': write for example repeat: weekly"),
        ("- quiz-20261121", "- quiz", "10:5: show quiz is listed twice: keep one of them"),
        (
            "min: 2, max: 6",
            "min: 2",
            "12:14: group collector has min: write count, or min and max when it scales",
        ),
        ("max: 6", "max: 1", "12:92: max of group collector is 1, and min is 2: write 2 or more"),
        (
            ", spool_gb: 20",
            "",
            "12:14: spool_gb of group collector is missing: the spool is a volume of its own: write 20",
        ),
        (
            "count: 2",
            "count: 2, spot_share: 0.5",
            "13:95: spot_share of group cache: a group of fixed number keeps its machines: leave it out",
        ),
        (
            "size: c6i.large",
            "size: large",
            "12:41: size of group collector is 'large': write one, or several in order of preference",
        ),
        (
            "roles: [redis], size: [m6i.large], cores: 2, memory_mb: 8192, count: 2",
            "roles: [zookeeper], size: [m6i.large], cores: 2, memory_mb: 8192, min: 1, max: 3",
            "13:82: group cache scales, and zookeeper cannot: write count, or part them",
        ),
        (
            "spool_gb: 20",
            "spool_gb: 20, configured_within: 3h",
            "12:128: configured_within of group collector is '3h': write a time from 1m to 115m",
        ),
        ("cores: 2, memory_mb: 8192", "memory_mb: 8192, cpus: 2", "13:63: unknown key cpus: group cache has"),
    ],
)
def test_a_bad_topology_on_ec2_is_told_with_its_line(old: str, new: str, says: str) -> None:
    assert old in GOOD
    with pytest.raises(UsageError) as caught:
        topology.parse(GOOD.replace(old, new, 1), "t.yml")
    assert any(line.startswith(f"t.yml:{says}") for line in str(caught.value).splitlines()), str(caught.value)


def test_every_problem_is_told_at_once_and_in_order_of_lines() -> None:
    bad = GOOD.replace("10.40.0.0/20", "8.8.8.0/24").replace("90m", "long").replace("count: 2", "count: none")
    with pytest.raises(UsageError) as caught:
        topology.parse(bad, "t.yml")
    assert [line.split(":")[1] for line in str(caught.value).splitlines()] == ["5", "9", "13"]


def test_groups_that_scale_have_no_nodes_of_a_name() -> None:
    parsed = topology.parse(GOOD, "t.yml")
    assert parsed.cloud
    assert [node.name for node in parsed.nodes] == ["cache-1", "cache-2"]
    assert [(group.name, group.scales) for group in parsed.cloud.groups] == [("collector", True), ("cache", False)]


def test_shows_with_times_and_without_stand_beside_each_other() -> None:
    parsed = topology.parse(GOOD, "t.yml")
    assert parsed.cloud
    assert (parsed.shows, len(parsed.cloud.shows)) == (("quiz", "quiz-20261121"), 1)


def test_each_zone_has_its_own_part_of_the_network() -> None:
    parsed = topology.parse(GOOD, "t.yml")
    assert parsed.cloud
    assert parsed.cloud.subnets() == {"eu-central-1a": "10.40.0.0/23", "eu-central-1b": "10.40.2.0/23"}
