"""An upgrade: hosts that an earlier revision has converged, converged by this one while phones send. Nothing is lost.

From the merge base with main, or with origin/main; on main itself from `BEHIND` commits before. `UPGRADE_FROM` names
another revision.
"""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from primetime.cli.rehearse import runs
from primetime.inventory import live
from primetime.paths import REPO
from primetime.rehearsal.certificate import Certificate
from primetime.rehearsal.run import Plan, rehearse
from primetime.topology import load
from tests.conftest import Bench
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NAME = "test-upgrade"
BEHIND = 40  # about a day's
PLAN = Plan("quiz-20261121", updates=90_000, seconds=180.0, batch=10, stored_deadline_s=120.0)
MEANWHILE_S = 900.0


def git(*words: str, check: bool = True) -> str:
    done = subprocess.run(["git", "-C", str(REPO), *words], capture_output=True, text=True, check=check)
    return done.stdout.strip()


def before() -> str:
    """The revision that is upgraded from."""
    if given := os.environ.get("UPGRADE_FROM"):
        return given
    head = git("rev-parse", "HEAD")
    for branch in ("origin/main", "main"):
        base = git("merge-base", "HEAD", branch, check=False)
        if base and base != head:
            return base
    return git("rev-parse", f"HEAD~{BEHIND}")


@dataclass
class Phones:
    """A rehearsal in a thread of its own; the thread ends with its certificate."""

    topology: Path
    certificates: list[Certificate] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._send, daemon=True)
        self.thread.start()
        wait_for(lambda: bool(self.said), "phones send", 60)

    def _send(self) -> None:
        inventory = live(load(str(self.topology)))
        thrift = inventory.endpoint("hbase_thrift", "thrift")
        records = runs(inventory.topology)
        self.certificates.append(rehearse(PLAN, inventory.entrance(), thrift, records, self.said.append))


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The earlier revision, checked out."""
    folder, revision = tmp_path / "old", before()
    subprocess.run(["git", "clone", "-q", "--shared", "--no-checkout", REPO, folder], check=True)
    subprocess.run(["git", "-C", folder, "checkout", "-q", "--detach", git("rev-parse", revision)], check=True)
    return folder


@pytest.fixture
def topology(tmp_path: Path, old: Path) -> Iterator[Path]:
    """The demo's machines as the earlier revision declares them, under another name."""
    path = tmp_path / "t.yml"
    path.write_text((old / "inventories" / "demo.yml").read_text().replace("name: demo", f"name: {NAME}"))
    yield path
    assert Bench(path).json("down", "--yes")["left"] == []


def test_an_upgrade_while_phones_send_loses_nothing_and_ends_as_converged(old: Path, topology: Path) -> None:
    earlier, now = Bench(topology, old), Bench(topology)
    earlier.run("up", "--yes")
    earlier.run("converge")
    phones = Phones(topology)
    changed = now.json("converge")
    assert phones.thread.is_alive(), "phones had sent all before the upgrade was over: it proves nothing"
    assert changed["failed"] == []
    assert changed["changes"], f"nothing differs from {before()}: it proves nothing"
    phones.thread.join(MEANWHILE_S)
    [certificate] = phones.certificates
    assert certificate.passed, certificate.sentences()
    assert now.json("converge")["changes"] == []
    assert now.json("verify")["failed"] == []
