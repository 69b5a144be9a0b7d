"""A monitoring host on EC2 follows collectors that come and go, without a converge: hosts in a pocket, moto for AWS.

A show begins within ten minutes and needs two collectors, of which one is there.
"""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from primetime.cloud import living, machines
from primetime.topology import load
from roles.collector.alerts import PROVED
from roles.monitoring.settings import Monitoring
from tests.conftest import Bench
from tests.moto_server import REGION
from tests.pocket import pocket
from tests.pocket_cluster import Cluster

pytestmark = pytest.mark.long

NAME = "test-pocket-watch"
CONFIG = "/etc/primetime/monitoring"
TOPOLOGY = """\
name: {name}
provider: ec2
region: {region}
zones: [{region}a, {region}b]
network: 10.79.1.0/24
image: ami-0123456789abcdef0
controllers: [10.79.0.1/32]
shows:
  - {{name: rehearsal, start: "{start:%Y-%m-%d %H:%M}", time_zone: UTC, lasts: 90m, updates: 1000, within: 5s}}
partial: true
groups:
  watch: {{roles: [monitoring], size: m6i.large, cores: 1, memory_mb: 512, count: 1}}
  collector:
    roles: [collector, shipper, guard]
    size: c6i.large
    cores: 1
    memory_mb: 512
    min: 1
    max: 2
    spool_gb: 20
"""


class Watch:
    """The cluster's Prometheus, as its operators ask it."""

    def __init__(self, cluster: Cluster) -> None:
        found = {each.name: each for each in living.machines(cluster.services, cluster.topology)}["watch-1"]
        self.host, self._url = found.id, f"http://{found.address}:{Monitoring.prometheus_port}/api/v1"

    def asked(self, path: str, **query: str) -> Any:
        with urllib.request.urlopen(f"{self._url}/{path}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
            return json.load(answer)["data"]

    def proved(self) -> int:
        """How many collectors take traffic, as the alert of a show counts them."""
        found = self.asked("query", query=f"count({PROVED})")["result"]
        return int(found[0]["value"][1]) if found else 0

    def fires(self, alert: str) -> bool:
        return any(
            (each["labels"]["alertname"], each["state"]) == (alert, "firing") for each in self.asked("alerts")["alerts"]
        )

    def paged(self) -> set[tuple[str, str]]:
        """(alert, node) of what has called somebody since the beginning, but for shows."""
        fired = 'count by (alertname, node) (count_over_time(ALERTS{alertstate="firing",severity="page"}[1h]))'
        found = [each["metric"] for each in self.asked("query", query=fired)["result"]]
        return {(each["alertname"], each["node"]) for each in found if each["alertname"] != "ShowSoon"}

    def nodes(self) -> set[str]:
        """Whom it asks."""
        return {each["labels"]["node"] for each in self.asked("targets", state="active")["activeTargets"]}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    path = tmp_path_factory.mktemp("topology") / "t.yml"
    soon = datetime.now(UTC) + timedelta(minutes=10)
    path.write_text(TOPOLOGY.format(name=NAME, region=REGION, start=soon))
    with pytest.MonkeyPatch.context() as patch, pocket(NAME, "10.79.0.0/23", lambda name: 768) as aws:
        patch.setenv("PRIMETIME_HOME", str(tmp_path_factory.mktemp("home")))
        bench, topology = Bench(path), load(str(path))
        cluster = Cluster(bench, aws, machines.services(topology), topology)
        bench.run("up", "--yes", "--during-show")
        cluster.wait_for("watch-1")
        yield cluster
        assert bench.json("down", "--yes")["left"] == []


def test_who_comes_ends_the_alert_and_who_goes_is_not_missed(cluster: Cluster) -> None:
    watch = Watch(cluster)
    assert cluster.aws.booted[watch.host] == 0, cluster.log("watch", watch.host)
    written = cluster.aws.shell(watch.host, f"find {CONFIG} -type f -printf '%p %T@\\n' | sort")
    cluster.wait_until(lambda: watch.fires("ShowSoon"), lambda: f"no alert: {watch.proved()} collectors are proved")
    assert watch.proved() == 1

    cluster.bench.run("scale", "collector", "2")
    cluster.wait_until(lambda: watch.proved() == 2, lambda: f"{watch.proved()} are proved of {cluster.members()}")
    cluster.wait_until(lambda: not watch.fires("ShowSoon"), "the alert does not end")
    assert watch.nodes() == {"watch-1", *(f"collector-{each}" for each in cluster.members())}
    assert cluster.bench.json("verify")["failed"] == []  # on every host, none of which was converged meanwhile

    cluster.bench.run("scale", "collector", "1", "--during-show")
    cluster.wait_until(lambda: len(cluster.members()) == 1, lambda: f"nobody goes: {cluster.members()}")
    [staying] = cluster.members()
    cluster.wait_until(lambda: watch.nodes() == {"watch-1", f"collector-{staying}"}, lambda: f"asks {watch.nodes()}")
    cluster.wait_until(lambda: watch.fires("ShowSoon"), "no alert of one that has gone")
    assert watch.paged() == set()
    assert cluster.aws.shell(watch.host, f"find {CONFIG} -type f -printf '%p %T@\\n' | sort") == written
