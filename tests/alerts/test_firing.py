"""Alerts for real: something is broken on hosts, the alert arrives, and when it is mended word of that arrives too.

What arrives is what Alertmanager sends to a receiver of ours on the monitoring host. Durations are shrunk and, where
filling something up would take hours, nothing else: thresholds are those of the roles.
"""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from primetime.alerts import declared
from primetime.inventory import live
from primetime.topology import load
from tests.alerts.fired import FIRED, Fault
from tests.conftest import Bench
from tests.waiting import wait_for

pytestmark = pytest.mark.long

WATCH = "all-1"
PORT = 8099
TOLD = "/run/told.jsonl"
ARRIVES_S = 180  # a session ends, a DataNode is given up, on a busy machine
# what was sent to it, a line each; it answers to the host itself alone
RECEIVER = f"""
import http.server
class Told(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("{TOLD}", "ab") as told:
            told.write(body + b"\\n")
        self.send_response(200)
        self.end_headers()
http.server.HTTPServer(("127.0.0.1", {PORT}), Told).serve_forever()
"""
TOPOLOGY = {
    "name": "test-alerts",
    "provider": "nspawn",
    "image": "bookworm",
    "shows": ["rehearsal"],
    "partial": True,
    "groups": {
        "all": {
            "roles": [
                *("zookeeper", "hdfs/namenode", "hdfs/datanode", "hbase/master", "hbase/regionserver", "hbase/thrift"),
                *("redis", "monitoring"),
            ],
            "count": 1,
            "memory_mb": 2816,
        }
    },
    "settings": {
        "hdfs_replication": 1,
        "hdfs_namenode_dead_datanode_recheck_ms": 2000,
        "redis_maxmemory_mb": 64,
        "monitoring_webhook": f"http://127.0.0.1:{PORT}/",
        "monitoring_group_wait_s": 1,
        "monitoring_scrape_interval_s": 2,
        "monitoring_alerts": {
            alert.name: {"lasts_s": 2} for alerts in declared().values() for alert in alerts if alert.name in FIRED
        },
    },
}


@pytest.fixture(scope="module")
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A host with all that can break and what watches it; `--on` takes one that is up."""
    running = request.config.getoption("--on")
    path = Path(running) if running else tmp_path_factory.mktemp("topology") / "test-alerts.yml"
    bench = Bench(path)
    try:
        if not running:
            path.write_text(yaml.safe_dump(TOPOLOGY))
            bench.run("up", "--yes")
            bench.run("converge")
        bench.ssh(WATCH, "systemd-run", "-q", "--unit=told", "python3", "-c", RECEIVER)
        yield bench
    finally:
        if running:
            bench.ssh(WATCH, "sh", "-c", f"systemctl stop told; rm -f {TOLD}")
        else:
            assert bench.json("down", "--yes")["left"] == []


def told(bench: Bench) -> list[tuple[str, str]]:
    """(alert, `firing` or `resolved`) of each word that arrived, in order."""
    lines = bench.ssh(WATCH, "sh", "-c", f"cat {TOLD} 2>/dev/null || true").splitlines()
    return [
        (each["labels"]["alertname"], each["status"]) for line in lines if line for each in json.loads(line)["alerts"]
    ]


def firing(bench: Bench) -> set[str]:
    """What Alertmanager has, in which a daemon that does not tell how it is would be."""
    address, port = live(load(str(bench.topology))).endpoint("monitoring", "alertmanager")
    with urllib.request.urlopen(f"http://{address}:{port}/api/v2/alerts", timeout=10) as answer:
        return {alert["labels"]["alertname"] for alert in json.load(answer)}


@pytest.mark.parametrize("name", FIRED)
def test_an_alert_arrives_and_so_does_its_end(watched: Bench, name: str) -> None:
    fault: Fault = FIRED[name]
    wait_for(lambda: firing(watched) == {"Watchdog"}, "nothing fires before it", ARRIVES_S)
    watched.ssh(WATCH, "rm", "-f", TOLD)
    try:
        watched.ssh(WATCH, "sh", "-c", fault.how)
        wait_for(lambda: (name, "firing") in told(watched), f"{name} arrives", ARRIVES_S)
    finally:
        watched.ssh(WATCH, "sh", "-c", fault.mend)
    wait_for(lambda: (name, "resolved") in told(watched), f"word that {name} is over arrives", ARRIVES_S)
