"""A real Prometheus on the configuration that a converge writes: what it scrapes stays one series, and an alert holds.

HDFS' NameNode writes what changes with time as a label: each sync of its journal would begin a new series.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import threading
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from primetime import alerts
from primetime.paths import REPO
from roles.hdfs.alerts import ALERTS
from roles.monitoring.settings import Monitoring
from tests.redis_server import free_port
from tests.waiting import wait_for

HOLDS = replace(next(alert for alert in ALERTS if alert.name == "BlocksUnderReplicated"), lasts_s=3)
SAID = 'fs_namesystem_under_replicated_blocks{context="dfs",hostname="store-1",totalsynctimes="%d "} 2\n'


@contextmanager
def namenode() -> Iterator[int]:
    """The port of one that has synced its journal once more whenever it is asked."""
    syncs = itertools.count()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write((SAID % next(syncs)).encode())

        def log_message(self, *_: Any) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()


def configured(folder: Path, target: int) -> Path:
    """As a converge writes it, in a folder of the test; it looks each second."""
    (folder / "rules.yml").write_text(alerts.rules([HOLDS]))
    labels = {"job": "hdfs_namenode", "__metrics_path__": "/prom", "node": "store-1"}
    (folder / "scrapes.json").write_text(json.dumps([{"targets": [f"127.0.0.1:{target}"], "labels": labels}]))
    (folder / "probes.json").write_text("[]")
    values = {"monitoring": Monitoring(scrape_interval_s=1), "address": "127.0.0.1", "node_name": "watch-1", "aws": ""}
    values |= {"targets": str(folder), "rules": str(folder / "rules.yml"), "members": {"scrapes": [], "probes": []}}
    templates = Environment(loader=FileSystemLoader(REPO), undefined=StrictUndefined)
    path = folder / "prometheus.yml"
    path.write_text(templates.get_template("templates/monitoring/prometheus.yml.j2").render(**values))
    return path


@pytest.fixture
def prometheus(tmp_path: Path) -> Iterator[str]:
    port = free_port()
    with namenode() as target:
        command = ["prometheus", f"--config.file={configured(tmp_path, target)}", "--log.level=error"]
        command += [f"--storage.tsdb.path={tmp_path / 'data'}", f"--web.listen-address=127.0.0.1:{port}"]
        process = subprocess.Popen(command)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def found(prometheus: str, expression: str) -> list[dict[str, Any]]:
    url = f"{prometheus}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return list(json.load(answer)["data"]["result"])
    except OSError:  # it has yet to start
        return []


@pytest.mark.long
def test_an_alert_that_has_to_hold_fires_though_the_namenode_syncs_its_journal(prometheus: str) -> None:
    wait_for(lambda: bool(found(prometheus, f'ALERTS{{alertname="{HOLDS.name}", alertstate="firing"}}')), "it fires")
    seen = found(prometheus, "count_over_time(fs_namesystem_under_replicated_blocks[1m])")
    assert [int(each["value"][1]) > HOLDS.lasts_s for each in seen] == [True], seen
