"""Prometheus is told of every endpoint that serves metrics, and of no other; what is silent is asked from outside."""

import re

import pytest

from primetime.inventory import Inventory, Located
from primetime.paths import REPO
from primetime.scraping import PROBED, checks, jobs, probes
from primetime.settings import exposes, known
from primetime.topology import parse

WATCH = "groups:\n  watch: {roles: [monitoring], count: 1, memory_mb: 256}\n"


@pytest.fixture(scope="module")
def watched() -> Inventory:
    """The demo's hosts, and one that watches them."""
    text = (REPO / "inventories" / "demo.yml").read_text()
    topology = parse(text if "monitoring" in text else text.replace("groups:\n", WATCH, 1), "t.yml")
    order = sorted(topology.nodes, key=lambda node: node.name)
    located = {node.name: Located(f"10.0.0.{n}", "", "", "") for n, node in enumerate(order, 2)}
    return Inventory(topology, located, "10.0.0.0/24", ("10.0.0.1",))


def address(inventory: Inventory, node: str) -> str:
    return inventory.located[node].address


def test_each_endpoint_that_serves_metrics_is_a_job_under_its_group_s_name(watched: Inventory) -> None:
    here = {group: cls for group, cls in known().items() if watched.topology.in_group(group)}
    scraped = {group for group, cls in here.items() for endpoint in exposes(cls()) if endpoint.scrape}
    assert {job["labels"]["job"] for job in jobs(watched)} == scraped


def test_a_job_names_address_port_path_and_node(watched: Inventory) -> None:
    assert {
        "targets": [f"{address(watched, 'store-1')}:9870"],
        "labels": {"job": "hdfs_namenode", "node": "store-1", "__metrics_path__": "/prom"},
    } in jobs(watched)


def test_what_tells_nothing_and_is_open_to_the_monitoring_host_is_asked_in_its_own_language(watched: Inventory) -> None:
    assert {
        "targets": [f"{address(watched, 'redis-1')}:6379"],
        "labels": {"group": "redis", "node": "redis-1", "endpoint": "redis", "__param_module": "redis"},
    } in probes(watched, address(watched, "watch-1"))


def test_what_is_closed_to_the_monitoring_host_is_not_asked(watched: Inventory) -> None:
    asked = {
        (each["labels"]["group"], each["labels"]["endpoint"]) for each in probes(watched, address(watched, "watch-1"))
    }
    assert ("hbase_regionserver", "rpc") not in asked and ("base", "ssh") not in asked


def test_every_host_is_watched_as_soon_as_one_watches(watched: Inventory) -> None:
    groups = {node.name: node.groups for node in watched.topology.nodes}
    assert all("base_exporter" in found for found in groups.values())
    assert [name for name, found in groups.items() if "redis_exporter" in found] == ["redis-1"]


def test_nobody_is_watched_where_nobody_watches() -> None:
    groups = "groups:\n  cache: {roles: [redis], count: 1, memory_mb: 256}\n"
    alone = parse(f"name: a\nprovider: nspawn\nimage: bookworm\nshows: [s]\n{groups}", "t.yml")
    assert alone.nodes[0].groups == ("base", "redis")


NAGIOS = """
name: a
provider: nspawn
image: bookworm
shows: [s]
partial: true
groups:
  watch: {roles: [WATCHERS], count: 1, memory_mb: 256}
  cache: {roles: [redis], count: 1, memory_mb: 256}
  store: {roles: [hdfs/namenode], count: 1, memory_mb: 512}
"""


def asked_by_nagios(watchers: str) -> dict[tuple[str, str], str]:
    topology = parse(NAGIOS.replace("WATCHERS", watchers), "t.yml")
    located = {node.name: Located(f"10.0.0.{n}", "", "", "") for n, node in enumerate(topology.nodes, 2)}
    inventory = Inventory(topology, located, "10.0.0.0/24", ("10.0.0.1",))
    [data] = [inventory.data(node) for node in topology.nodes if "nagios" in node.groups]
    assert data["checks"] == checks(inventory, data["address"])
    return {(check["node"], check["service"]): check["asked"] for check in data["checks"]}


def test_nagios_asks_what_is_open_to_monitoring_in_its_own_language() -> None:
    assert asked_by_nagios("nagios") == {
        ("watch-1", "nagios https"): "tls!8443",
        ("cache-1", "redis redis"): "redis!6379",
        ("store-1", "hdfs/namenode http"): "metrics!9870!/prom",
    }


def test_nagios_speaks_every_language_that_a_prober_asks_in() -> None:
    text = (REPO / "templates" / "nagios" / "objects.cfg.j2").read_text()
    commands = set(re.findall(r"command_name  (\w+)", text))
    assert {"tcp", "metrics", *PROBED.values()} <= commands


def test_nagios_says_whom_it_asks_in_http() -> None:
    """HDFS' DataNode answers 400 to whoever sends no Host."""
    text = (REPO / "templates" / "nagios" / "objects.cfg.j2").read_text()
    asked = re.findall(r"check_http (.*)", text)
    assert len(asked) == 2
    assert [words for words in asked if not words.startswith("-H $HOSTADDRESS$ ")] == []


def test_nagios_beside_monitoring_asks_what_it_brings_too_and_nothing_of_its_own_host_alone() -> None:
    asked = asked_by_nagios("monitoring, nagios")
    assert asked["cache-1", "base/exporter http"] == "metrics!9100!/metrics"
    assert [service for _, service in asked if service.startswith("monitoring ")] == []
    assert asked_by_nagios("nagios").items() <= asked.items()


def test_nothing_but_nagios_own_host_is_let_in_for_it() -> None:
    topology = parse(NAGIOS.replace("WATCHERS", "nagios"), "t.yml")
    located = {node.name: Located(f"10.0.0.{n}", "", "", "") for n, node in enumerate(topology.nodes, 2)}
    inventory = Inventory(topology, located, "10.0.0.0/24", ("10.0.0.1",))
    [redis] = [flow for flow in inventory.flows if flow.name == "redis redis"]
    assert redis.sources == ("10.0.0.1", located["watch-1"].address)


def test_every_host_has_an_agent_as_soon_as_one_receives_and_the_receiver_hears_them_alone() -> None:
    topology = parse(NAGIOS.replace("WATCHERS", "collectd/receiver"), "t.yml")
    assert all("collectd_agent" in node.groups and "base_exporter" not in node.groups for node in topology.nodes)
    located = {node.name: Located(f"10.0.0.{n}", "", "", "") for n, node in enumerate(topology.nodes, 2)}
    inventory = Inventory(topology, located, "10.0.0.0/24", ("10.0.0.1",))
    [figures] = [flow for flow in inventory.flows if flow.name == "collectd_receiver figures"]
    assert (figures.transport, figures.sources) == ("tcp", tuple(sorted(each.address for each in located.values())))


def test_nobody_has_an_agent_where_nobody_receives() -> None:
    topology = parse(NAGIOS.replace("WATCHERS", "monitoring, nagios"), "t.yml")
    assert [node.name for node in topology.nodes if "collectd_agent" in node.groups] == []
