"""wait-for, as units call it, against servers that answer as ZooKeeper and the NameNode do."""

from __future__ import annotations

import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from primetime.paths import REPO

SERVING = b"Zookeeper version: 3.8.4\nMode: follower\nNode count: 5\n"
ALONE = b"This ZooKeeper instance is not currently serving requests\n"


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A server on loopback that reads once and gives `answer`; yields host:port."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.request.sendall(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def jmx(*beans: dict[str, object]) -> bytes:
    body = json.dumps({"beans": beans}).encode()
    return b"HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


def namenode(state: str, capacity: int) -> bytes:
    return jmx({"FSState": state, "CapacityRemaining": capacity})


def datanode(*states: str) -> bytes:
    return jmx({"BPServiceActorInfo": json.dumps([{"ActorState": state} for state in states])})


def wait_for(seconds: float, *conditions: str, daemon: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(REPO / "templates" / "java" / "wait-for.py"), str(seconds), *conditions],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "MAINPID": daemon},
    )


@pytest.fixture
def closed_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_it_returns_when_something_listens() -> None:
    with answering(b"") as where:
        assert wait_for(60, f"tcp:{where}").returncode == 0


def test_it_says_what_it_waited_for(closed_port: str) -> None:
    done = wait_for(0.2, f"tcp:{closed_port}")
    assert (done.returncode, f"still waiting for tcp:{closed_port}" in done.stderr) == (1, True)


def test_a_dead_daemon_is_not_waited_for(closed_port: str) -> None:
    dead = subprocess.Popen(["true"])
    dead.wait()
    assert "the daemon has died" in wait_for(20, f"tcp:{closed_port}", daemon=str(dead.pid)).stderr


def test_one_serving_member_makes_an_ensemble_serve(closed_port: str) -> None:
    with answering(SERVING) as where:
        assert wait_for(60, f"zookeeper:{closed_port},{where}").returncode == 0


def test_a_member_without_a_majority_does_not_serve() -> None:
    with answering(ALONE) as where:
        assert wait_for(0.2, f"zookeeper:{where}").returncode == 1


def test_every_condition_must_hold(closed_port: str) -> None:
    with answering(SERVING) as where:
        assert wait_for(0.2, f"zookeeper:{where}", f"tcp:{closed_port}").returncode == 1


def test_a_namenode_with_room_takes_writes() -> None:
    with answering(namenode("Operational", 1)) as where:
        assert wait_for(60, f"hdfs:{where}").returncode == 0


@pytest.mark.parametrize(
    "answer",
    [namenode("safeMode", 1), namenode("Operational", 0), jmx()],
    ids=["safe mode", "no DataNode has reported", "no beans yet"],
)
def test_a_namenode_that_cannot_store_a_block_is_waited_for(answer: bytes) -> None:
    with answering(answer) as where:
        assert "still waiting for hdfs" in wait_for(0.2, f"hdfs:{where}").stderr


def test_a_datanode_that_runs_for_its_namenode_serves() -> None:
    with answering(datanode("RUNNING")) as where:
        assert wait_for(60, f"datanode:{where}").returncode == 0


@pytest.mark.parametrize("answer", [datanode("CONNECTING"), datanode(), jmx()], ids=["connecting", "alone", "no beans"])
def test_a_datanode_without_its_namenode_does_not_serve(answer: bytes) -> None:
    with answering(answer) as where:
        assert "still waiting for datanode" in wait_for(0.2, f"datanode:{where}").stderr


def test_a_page_is_waited_for_until_it_is_there() -> None:
    with answering(b"HTTP/1.0 200 OK\r\n\r\n") as where:
        assert wait_for(60, f"http:{where}/login").returncode == 0
    with answering(b"HTTP/1.0 503 Starting\r\n\r\n") as where:
        assert f"still waiting for http:{where}/login" in wait_for(0.2, f"http:{where}/login").stderr
