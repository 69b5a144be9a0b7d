"""A monitoring host on EC2 finds, reaches and is let in by members of groups that scale, whoever comes later."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from primetime import discovery
from primetime.cloud import permissions
from primetime.drivers.identity import Account
from primetime.flows import out_of
from primetime.inventory import Inventory, Located
from primetime.settings import exposes, known
from primetime.topology import NodeSpec, inventory_groups, parse
from tests.unit.test_cloud_plan import QUIET

WATCH = "  watch: {roles: [monitoring], size: m6i.large, cores: 2, memory_mb: 8192, count: 1}\n"
WATCHED = parse(QUIET.replace("groups:\n", f"groups:\n{WATCH}"), "evening.yml")
MEMBER = "collector-i-0123456789abcdef0"
assert WATCHED.cloud
[COLLECTOR] = [group for group in WATCHED.cloud.groups if group.scales]
GROUPS = inventory_groups(list(COLLECTOR.roles))


def inventory(*members: str) -> Inventory:
    """Of its fixed hosts and these members."""
    assert WATCHED.cloud
    nodes = (*WATCHED.nodes, *(NodeSpec(name, GROUPS, COLLECTOR.memory_mb) for name in members))
    located = {node.name: Located(f"10.40.0.{number}", "", "", "") for number, node in enumerate(nodes, 4)}
    coming = (NodeSpec(COLLECTOR.name, GROUPS, COLLECTOR.memory_mb),)
    cidr = WATCHED.cloud.network
    return Inventory(replace(WATCHED, nodes=nodes), located, cidr, ("203.0.113.7/32",), coming, frozenset(members))


def data_of(node: str, found: Inventory) -> dict[str, Any]:
    return found.data(next(each for each in found.topology.nodes if each.name == node))


def asked(found: Inventory) -> dict[str, Any]:
    return discovery.of(found, found.located["watch-1"].address)


def test_every_endpoint_of_a_member_that_serves_metrics_is_scraped_under_its_group_s_name() -> None:
    scraped = {group for group in GROUPS if group in known() for each in exposes(known()[group]()) if each.scrape}
    jobs = asked(inventory())["scrapes"]
    assert {job["labels"]["job"] for job in jobs} == scraped
    assert {job["member_of"] for job in jobs} == {"collector"}


def test_what_a_member_opens_to_the_monitoring_host_and_tells_nothing_is_asked_from_outside() -> None:
    [http] = asked(inventory())["probes"]
    told = {"job": "probe", "group": "collector", "endpoint": "http", "__param_module": "http"}
    assert (http["port"], http["labels"]) == (8080, told)


def test_jobs_have_names_of_their_own() -> None:
    jobs = [*asked(inventory())["scrapes"], *asked(inventory())["probes"]]
    assert len({job["name"] for job in jobs}) == len(jobs)


def test_members_stand_in_no_list_that_a_converge_writes() -> None:
    data = data_of("watch-1", inventory(MEMBER))
    nodes = {job["labels"]["node"] for what in ("scrapes", "probes") for job in data[what]}
    assert nodes == {"watch-1", "cache-1", "cache-2"}
    assert {job["labels"]["node"] for job in data["discovery"]["now"]} == {MEMBER}


def test_nothing_is_found_where_no_group_scales() -> None:
    fixed = replace(inventory(), coming=())
    assert asked(fixed) == {"scrapes": [], "probes": [], "now": []}


def test_the_monitoring_host_reaches_whoever_comes_and_others_do_not() -> None:
    found = inventory()
    cidr, ports = found.network, {job["port"] for job in asked(found)["scrapes"]}

    def reaches(node: str) -> set[int]:
        return {each.port for each in out_of(found.flows, found.located[node].address) if each.address == cidr}

    assert ports <= reaches("watch-1")
    assert ports.isdisjoint(reaches("cache-1"))


@pytest.mark.parametrize("node", ["watch-1", "cache-1"])
def test_nothing_of_another_host_s_firewall_and_names_changes_when_a_member_comes(node: str) -> None:
    before, after = data_of(node, inventory()), data_of(node, inventory(MEMBER))
    assert [before[key] for key in ("flows_in", "flows_out", "named")] == [
        after[key] for key in ("flows_in", "flows_out", "named")
    ]


def test_a_member_knows_itself_and_every_fixed_host_by_name() -> None:
    other = "collector-i-0fedcba9876543210"
    names = [each["name"] for each in data_of(MEMBER, inventory(MEMBER, other))["named"]]
    assert names == ["watch-1", "cache-1", "cache-2", MEMBER]


def test_a_member_that_others_connect_to_is_known_to_them_by_name() -> None:
    """As a RegionServer would be, whom the master and whoever stores look for."""
    looked_for = inventory_groups(["hbase/regionserver"])
    found = inventory(MEMBER)
    nodes = tuple(replace(each, groups=looked_for) if each.name == MEMBER else each for each in found.topology.nodes)
    found = replace(found, topology=replace(found.topology, nodes=nodes))
    assert MEMBER in [each["name"] for each in data_of("cache-1", found)["named"]]


def test_alerts_of_a_group_that_has_no_member_yet_are_there() -> None:
    cluster = data_of("watch-1", inventory())["cluster"]
    assert (cluster["collector"], [each["name"] for each in cluster["redis"]]) == ([], ["cache-1", "cache-2"])


def test_the_monitoring_host_may_look_at_instances() -> None:
    assert WATCHED.cloud
    [watch] = [group for group in WATCHED.cloud.groups if group.name == "watch"]
    policy = permissions.policy(WATCHED, watch, Account("123456789012", "aws"))
    ec2 = [action for each in policy["Statement"] for action in each["Action"] if action.startswith("ec2:")]
    assert ec2 == ["ec2:DescribeInstances"]
