"""docs/add-a-role.md, followed to the letter on a copy of this repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from primetime.paths import REPO
from tests.conftest import Bench

PAGE = REPO / "docs" / "add-a-role.md"
BLOCK = re.compile(r"^## `(?P<file>[^`]+)`$(?P<words>.*?)^```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


def follow(repository: Path) -> None:
    """Each block into the file of its heading; deploy.py has its import among the imports, and the rest at its end."""
    blocks = {match["file"]: match["text"] for match in BLOCK.finditer(PAGE.read_text())}
    imported, role = blocks.pop("deploy.py").split("\n\n", 1)
    deploy = (repository / "deploy.py").read_text()
    first = deploy.index("from roles.hbase")
    (repository / "deploy.py").write_text(f"{deploy[:first]}{imported}\n{deploy[first:]}{role}")
    for name, text in blocks.items():
        file = repository / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = tmp_path_factory.mktemp("copy") / "primetime"
    shutil.copytree(REPO, copy, ignore=shutil.ignore_patterns(".git", ".*_cache", "__pycache__"))
    follow(copy)
    return copy


@pytest.fixture(scope="module")
def counter(repository: Path) -> Iterator[Bench]:
    topology = repository / "inventories" / "counter.yml"
    topology.write_text(topology.read_text().replace("name: counter", "name: test-counter"))
    with Bench(topology, repository).converged() as bench:
        yield bench


def address(counter: Bench, node: str) -> str:
    nodes = {found["name"]: found["address"] for found in counter.json("status")["nodes"]}
    return str(nodes[node])


def test_the_page_keeps_the_rules_of_the_house(repository: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/test_shape.py"]
    command += ["tests/unit/test_promises.py"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, env={"PYTHONPATH": str(repository)})
    assert done.returncode == 0, done.stdout[-3000:]


def test_the_new_role_keeps_every_promise_and_a_second_converge_changes_nothing(counter: Bench) -> None:
    assert counter.json("verify")["failed"] == []
    assert counter.json("converge")["changes"] == []


def test_its_firewall_rules_follow(counter: Bench) -> None:
    rules = counter.ssh("counter-1", "nft", "list", "table", "inet", "primetime")
    assert 'udp dport 8125 accept comment "counter datagrams"' in rules
    assert 'tcp dport 9102 accept comment "counter http"' in rules


def test_its_scrape_job_follows(counter: Bench) -> None:
    assert counter.json("status")["scrape"] == [
        {
            "targets": [f"{address(counter, 'counter-1')}:9102"],
            "labels": {"job": "counter", "node": "counter-1", "__metrics_path__": "/metrics"},
        }
    ]


def test_its_listening_check_follows(counter: Bench) -> None:
    counter.ssh("counter-1", "ss", "-K", "-ltn", "sport", "=", ":9102")
    try:
        failed = counter.json("verify", check=False)["failed"]
    finally:
        counter.ssh("counter-1", "systemctl", "restart", "primetime-counter")
    assert failed == [{"node": "counter-1", "role": "counter", "promise": "http listens where declared (port 9102)"}]


def test_verify_tells_datagrams_that_do_not_arrive_and_such_that_must_not(counter: Bench) -> None:
    guest = address(counter, "guest-1")
    table = "add table inet stranger; add chain inet stranger in { type filter hook input priority -10; }; "
    counter.ssh("counter-1", "nft", f"{table} add rule inet stranger in ip saddr {guest} udp dport 8125 drop")
    counter.ssh("guest-1", "nft", "insert rule inet primetime input udp dport 8125 accept")
    try:
        failed = counter.json("verify", check=False)["failed"]
    finally:
        counter.ssh("counter-1", "nft", "delete table inet stranger")
        counter.ssh("guest-1", "systemctl", "reload", "primetime-firewall")
    assert {(broken["node"], broken["promise"]) for broken in failed} == {
        ("counter-1", "the hosts reach what it opens to them and nothing else"),
        ("guest-1", "the firewall in force is the one on disk"),
        ("guest-1", "the controlling machine reaches what it opens to it and nothing else"),
    }
    assert counter.json("verify")["failed"] == []
