"""Prometheus is told of every endpoint that serves metrics, and of no other."""

from primetime.inventory import Inventory, Located
from primetime.scraping import jobs
from primetime.settings import exposes, known
from primetime.topology import load


def demo() -> Inventory:
    topology = load("demo")
    located = {node.name: Located(f"10.0.0.{n}", "", "", "") for n, node in enumerate(topology.nodes, 2)}
    return Inventory(topology, located, "10.0.0.0/24", ("10.0.0.1",))


def test_each_endpoint_that_serves_metrics_is_a_job_under_its_group_s_name() -> None:
    scraped = {group for group, cls in known().items() for endpoint in exposes(cls()) if endpoint.scrape}
    assert {job["labels"]["job"] for job in jobs(demo())} == scraped


def test_a_job_names_address_port_path_and_node() -> None:
    assert {
        "targets": ["10.0.0.3:9870"],
        "labels": {"job": "hdfs_namenode", "node": "store-1", "__metrics_path__": "/prom"},
    } in jobs(demo())
