"""The live page on the demo's cluster: a burst at a key moves its numbers, and they agree with the ledger."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import Demo
from tests.redis_server import free_port
from tests.waiting import wait_for

SCALE = 50
GOAL = 1_000_000 // SCALE

pytestmark = pytest.mark.long


@pytest.fixture
def url(demo: Demo) -> Iterator[str]:
    """Where a stage of the demo is, which has ended by Ctrl-C afterwards and says that nothing is left."""
    command = [str(demo.repository / "bin" / "primetime"), "stage", "-t", str(demo.topology), "--json"]
    words = ["--port", str(free_port()), "--scale", f"1:{SCALE}"]
    with subprocess.Popen([*command, *words], stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        assert process.stdout
        yield json.loads(process.stdout.readline())["url"]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0


def ask(url: str, path: str, method: str = "GET") -> dict[str, Any]:
    parts = urlsplit(url)
    request = urllib.request.Request(f"http://{parts.netloc}{path}", method=method)
    request.add_header("Authorization", f"Bearer {parts.fragment}")
    with urllib.request.urlopen(request, timeout=20) as answer:
        return dict(json.load(answer))


def test_a_burst_moves_the_numbers_and_they_agree_with_the_ledger(demo: Demo, url: str) -> None:
    before = demo.json("ledger")["totals"]["stored"]
    parts = urlsplit(url)
    most = 0
    stream = urllib.request.urlopen(f"http://{parts.netloc}/snapshots?token={parts.fragment}", timeout=60)
    with stream:
        ask(url, "/moments/burst", "POST")
        for line in stream:
            snapshot = json.loads(line[6:]) if line.startswith(b"data: ") else None
            if snapshot:
                most = max(most, snapshot["counter"]["last"])
                burst = snapshot["moments"][0]
                proof = snapshot["proof"]
                if burst["state"] in ("done", "failed") and proof["stored"] >= before + GOAL and not proof["comparing"]:
                    break
    assert (burst["state"], burst["id"]) == ("done", "burst"), burst["line"]
    assert 0 < most <= GOAL
    ledger = demo.json("ledger")
    assert proof["stored"] == ledger["totals"]["stored"] == before + GOAL
    assert (proof["missing"], proof["waiting"], ledger["problems"]) == (0, 0, [])
    assert snapshot["poll"]["name"] == "q1"
    assert {node["state"] for node in snapshot["nodes"]} == {"up"}


def test_a_machine_is_looked_at_from_close_by(url: str, demo: Demo) -> None:
    parts = urlsplit(url)
    with urllib.request.urlopen(f"http://{parts.netloc}/snapshots?token={parts.fragment}", timeout=60):
        wait_for(lambda: bool(ask(url, "/snapshot")["nodes"]), "the hosts are read")
    found = ask(url, "/nodes/collector-1")
    assert ["primetime-collector.service", "running"] in found["services"]
    assert found["log"]
    assert found["shipper"]["sinks"].keys() == {"hbase", "redis"}
