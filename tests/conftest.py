"""Fixtures shared by all levels: unit (no machine), wire, machine (one role on one real host), cluster."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import redis

from primetime.inventory import live
from primetime.live_counts import client_of
from primetime.paths import REPO
from primetime.topology import load
from tests import rotation


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--everything", action="store_true", help="also what takes long (bin/primetime test --all)")
    parser.addoption("--on", metavar="TOPOLOGY", help="the demo's tests on this topology, which is up and stays up")


def pytest_configure() -> None:
    """What a shell starts in the background ignores Ctrl-C, and so does all that it starts: also a suite."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--everything"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


def pytest_report_collectionfinish() -> list[str]:
    return rotation.drawn


@dataclass(frozen=True)
class Bench:
    """A topology of this test run, driven through the command line as a user would."""

    topology: Path
    repository: Path = REPO

    def run(self, verb: str, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """`bin/primetime VERB -t TOPOLOGY words...`; with `check`, an unexpected exit code fails the test."""
        command = [str(self.repository / "bin" / "primetime"), verb, "-t", str(self.topology), *words]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=dict(os.environ))
        if check:
            assert done.returncode == 0, (
                f"{verb} exited {done.returncode}:\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
            )
        return done

    def json(self, verb: str, *words: str, check: bool = True) -> dict[str, Any]:
        """The object that `--json` ends standard output with."""
        done = self.run(verb, "--json", *words, check=check)
        parsed = json.loads(done.stdout.splitlines()[-1])
        assert isinstance(parsed, dict)
        return parsed

    @contextmanager
    def converged(self) -> Iterator[Bench]:
        """Its hosts are up and converged in the block, and nothing is left of them after it."""
        try:
            self.run("up", "--yes")
            self.run("converge")
            yield self
        finally:
            assert self.json("down", "--yes")["left"] == []

    def ssh(self, node: str, *command: str) -> str:
        """Standard output of a command on a node."""
        return self.run("ssh", node, "--", *command).stdout


@dataclass(frozen=True)
class Demo(Bench):
    """The demo's cluster, up and converged, and what `demo --json` said."""

    result: dict[str, Any] = field(default_factory=dict)

    def endpoint(self, name: str) -> tuple[str, int]:
        host, _, port = self.result["endpoints"][name].rpartition(":")
        return host, int(port)

    def redis(self) -> redis.Redis:
        """The demo's Redis, as the controlling machine logs in."""
        client = client_of(live(load(str(self.topology))))
        assert client
        return client


@pytest.fixture(scope="session")
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The demo topology under a name of its own, so that a demo on this machine is not touched."""
    if running := request.config.getoption("--on"):
        yield Demo(Path(running), result=Bench(Path(running)).json("status"))
        return
    path = tmp_path_factory.mktemp("topology") / "test-demo.yml"
    path.write_text((REPO / "inventories" / "demo.yml").read_text().replace("name: demo", "name: test-demo"))
    bench = Bench(path)
    try:
        yield Demo(path, result=bench.json("demo", "--no-stage"))
    finally:
        assert bench.json("down", "--yes")["left"] == []


@pytest.fixture(scope="session")
def thrift(demo: Demo) -> tuple[str, int]:
    """Where the demo's Thrift gateway answers."""
    return demo.endpoint("thrift")
