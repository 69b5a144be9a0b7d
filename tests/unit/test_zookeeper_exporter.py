"""What ZooKeeper answers to mntr becomes Prometheus' text, and a ZooKeeper that serves nobody is not up."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from primetime.paths import REPO
from primetime.verify.samples import samples
from tests.hosted import hosted
from tests.redis_server import free_port
from tests.unit.test_java_wait_for import ALONE, answering
from tests.waiting import PATIENCE_S

PROGRAM = REPO / "templates" / "zookeeper" / "exporter.py"
SERVING = (
    b"zk_version\t3.8.4-9316c2a7a97e1666d8f4593f34dd6fc36ecc436c, built on 2024-02-12 22:16 UTC\n"
    b"zk_server_state\tleader\n"
    b"zk_peer_state\tleading - broadcast\n"
    b"zk_avg_latency\t0.3333\n"
    b"zk_znode_count\t42\n"
    b"zk_max_file_descriptor_count\t2.0E7\n"
    b"zk_cnt_/hbase_read_per_namespace\t7\n"
)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return hosted(tmp_path, PROGRAM, "telling")


@contextmanager
def exporting(program: Path, zookeeper_port: int) -> Iterator[int]:
    port = free_port()
    process = subprocess.Popen([sys.executable, str(program), "127.0.0.1", str(port), str(zookeeper_port)], env={})
    try:
        yield port
    finally:
        process.kill()
        process.wait()


def told(port: int) -> dict[str, float]:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            return samples("127.0.0.1", port)
        except OSError:
            assert time.monotonic() < until
            time.sleep(0.02)


def test_each_number_is_told_by_its_name(program: Path) -> None:
    with answering(SERVING) as zookeeper, exporting(program, int(zookeeper.partition(":")[2])) as port:
        assert told(port) == {
            "zookeeper_up": 1,
            'zookeeper_server_state{state="leader"}': 1,
            "zookeeper_avg_latency": 0.3333,
            "zookeeper_znode_count": 42,
            "zookeeper_max_file_descriptor_count": 2e7,
        }


def test_one_that_serves_nobody_is_not_up(program: Path) -> None:
    with answering(ALONE) as zookeeper, exporting(program, int(zookeeper.partition(":")[2])) as port:
        assert told(port) == {"zookeeper_up": 0}


def test_one_that_is_not_there_is_not_up(program: Path) -> None:
    with exporting(program, free_port()) as port:
        assert told(port) == {"zookeeper_up": 0}
