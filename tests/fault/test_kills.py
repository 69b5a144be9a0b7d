"""A burst, and in the middle of it something is killed: every acknowledged update is stored all the same."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from primetime.paths import REPO
from tests.conftest import Demo

# what is killed with SIGKILL, all its processes at once: (node, unit)
VICTIMS = {
    "collector": ("collector-1", "primetime-collector"),
    "shipper": ("collector-1", "primetime-shipper"),
    "redis": ("redis-1", "primetime-redis"),
    "thrift gateway": ("store-1", "primetime-hbase-thrift"),
    "regionserver": ("store-1", "primetime-hbase-regionserver"),
    "master": ("store-1", "primetime-hbase-master"),
    "datanode": ("store-1", "primetime-hdfs-datanode"),
    "namenode": ("store-1", "primetime-hdfs-namenode"),
    "zookeeper": ("store-1", "primetime-zookeeper"),
}
QUICK = ("collector", "shipper")  # in `test`; the others in `test --all`


def burst(demo: Demo) -> subprocess.Popen[str]:
    command = [str(REPO / "bin" / "primetime"), "rehearse", "-t", str(demo.topology), "--json"]
    command += ["--updates", "2e5", "--in", "8s"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def wait_until_sending(process: subprocess.Popen[str]) -> None:
    assert process.stderr is not None
    deadline = time.monotonic() + 60
    for line in process.stderr:
        assert time.monotonic() < deadline, "the burst did not begin within 60 s"
        if "answered" in line:
            return
    pytest.fail(f"the burst ended before it began, exit {process.wait()}")


@pytest.mark.parametrize(
    "victim",
    [pytest.param(name, marks=() if name in QUICK else pytest.mark.long) for name in VICTIMS],
)
def test_nothing_acknowledged_is_lost_when_it_is_killed_in_mid_burst(demo: Demo, victim: str, tmp_path: Path) -> None:
    node, unit = VICTIMS[victim]
    process = burst(demo)
    try:
        wait_until_sending(process)
        before = demo.ssh(node, "systemctl", "show", "-P", "MainPID", unit).strip()
        demo.ssh(node, "systemctl", "kill", "--kill-whom=all", "-s", "KILL", unit)
        out, err = process.communicate(timeout=240)
    finally:
        process.kill()
    certificate = json.loads(out.splitlines()[-1])
    after = demo.ssh(node, "systemctl", "show", "-P", "MainPID", unit).strip()
    assert before not in ("0", after), "it was killed, and systemd started it again"
    assert (process.returncode, certificate["missing"], certificate["unanswered"]) == (0, 0, 0), err[-2000:]
    assert certificate["acked"] == certificate["sent"] == 200_000
