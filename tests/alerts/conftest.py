"""A cluster with everything that can break, what watches it, and a receiver of what that tells."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests import hudson
from tests.alerts.fired import NAMES
from tests.conftest import Bench

WATCH = "watch-1"
PORT = 8099
TOLD = "/run/told.jsonl"
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
SHRUNK = {"SpoolOld": {"threshold": 20}, "DiskFullSoon": {"window_s": 30}, "DeadLettersRising": {"window_s": 60}}
WATCHING = {
    "monitoring_webhook": f"http://127.0.0.1:{PORT}/",
    "monitoring_group_wait_s": 1,
    "monitoring_scrape_interval_s": 2,
    "monitoring_alerts": {name: {"lasts_s": 2, **SHRUNK.get(name, {})} for name in sorted(NAMES)},
}
TOPOLOGY: dict[str, Any] = {
    "name": "test-alerts",
    "provider": "nspawn",
    "image": "bookworm",
    "shows": [  # always on
        {
            **{"name": "rehearsal", "start": "2026-01-01 00:00", "time_zone": "UTC", "lasts": "23h", "overrun": "1h"},
            **{"updates": "1e6", "within": "5s", "repeat": "daily"},
        }
    ],
    "groups": {
        "store": {
            "roles": [
                *("zookeeper", "hdfs/namenode", "hdfs/datanode", "hbase/master", "hbase/regionserver", "hbase/thrift")
            ],
            "count": 1,
            "memory_mb": 2304,
        },
        "side": {"roles": ["zookeeper", "hdfs/datanode"], "count": 2, "memory_mb": 640},
        "redis": {"roles": ["redis"], "count": 1, "memory_mb": 320},
        "collector": {"roles": ["collector", "shipper"], "count": 1, "memory_mb": 512},
        "watch": {"roles": ["monitoring"], "count": 1, "memory_mb": 256},
    },
    "settings": {
        **WATCHING,
        "hdfs_namenode_dead_datanode_recheck_ms": 2000,
        "collector_segment_mb": 16,
        "collector_spool_budget_mb": 128,
        "redis_maxmemory_mb": 64,
    },
}


def signed_topology() -> dict[str, Any]:
    """What shows a certificate, and what watches that: a topology of its own, since it runs on another release."""
    groups = {
        "jenkins": {"roles": ["jenkins"], "count": 1, "memory_mb": 1024},
        "watch": {"roles": ["monitoring"], "count": 1, "memory_mb": 256},
    }
    head = {"name": "test-signed", "provider": "nspawn", "image": hudson.RELEASE, "shows": ["rehearsal"]}
    return {**head, "partial": True, "groups": groups, "settings": {**WATCHING, **hudson.settings()}}


@pytest.fixture(scope="session")
def watched(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Hosts with nearly all that can break, and what watches them; `--on` takes those that are up."""
    with _told(request, tmp_path_factory, lambda: TOPOLOGY, lambda bench: bench.run("up", "--yes")) as bench:
        yield bench


@pytest.fixture(scope="session")
def signed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A host that shows a certificate, and what watches it; `--on` takes those that are up."""
    with _told(request, tmp_path_factory, signed_topology, hudson.up) as bench:
        yield bench


@contextmanager
def _told(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    topology: Callable[[], dict[str, Any]],
    up: Callable[[Bench], object],
) -> Iterator[Bench]:
    """A topology's hosts, up and converged, with a receiver of what is told on the monitoring host."""
    running = request.config.getoption("--on")
    content = {} if running else topology()
    path = Path(running) if running else tmp_path_factory.mktemp("topology") / f"{content['name']}.yml"
    bench = Bench(path)
    try:
        if not running:
            path.write_text(yaml.safe_dump(content))
            up(bench)
            bench.run("converge")
        bench.ssh(WATCH, "systemd-run", "-q", "--unit=told", "python3", "-c", RECEIVER)
        yield bench
    finally:
        if running:
            bench.ssh(WATCH, "sh", "-c", f"systemctl stop told; rm -f {TOLD}")
        else:
            assert bench.json("down", "--yes")["left"] == []
