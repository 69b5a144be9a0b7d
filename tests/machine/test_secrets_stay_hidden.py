"""Known values are brought to a host, verified and rotated: nothing but the files they are for may have them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from primetime.event import ulid
from primetime.inventory import live
from primetime.live_counts import client_of
from primetime.paths import REPO
from primetime.secrets import topology as store
from primetime.topology import load
from tests.conftest import Bench
from tests.hidden import Processes, Search, forms

pytestmark = pytest.mark.long  # tests/cluster/test_secrets.py is the quick look

TOPOLOGY = """\
name: test-hidden
provider: nspawn
image: bookworm
shows: [quiz-20261121]
partial: true
groups: {all: {roles: [collector, shipper, redis], count: 1, memory_mb: 768}}
"""
NODE, SHOW = "all-1", "quiz-20261121"
PASSWORD = "/etc/primetime/shipper/redis.password"


@dataclass
class Story:
    """All that was said and seen while known values were in use."""

    bench: Bench
    home: Path
    values: list[str] = field(default_factory=list)
    latest: dict[str, str] = field(default_factory=dict)
    said: dict[str, str] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    processes: Processes = field(default_factory=Processes)
    acknowledged: int = 0

    def tell(self, verb: str, *words: str, stdin: str = "") -> None:
        command = [str(REPO / "bin" / "primetime"), verb, *words, "-t", str(self.bench.topology)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True)
        title = f"{len(self.said)}: {verb} {' '.join(words)}"
        self.said[title], self.codes[title] = done.stdout + done.stderr, done.returncode

    def know(self) -> None:
        """Remember the values as they are now."""
        topology = load(str(self.bench.topology))
        self.latest = {name: store.value(topology, name).text for name in store.declared(topology)}
        self.values += self.latest.values()

    @contextlib.contextmanager
    def traffic(self) -> Iterator[None]:
        """Meanwhile batches of ten are posted, one after the other; `acknowledged` counts their events."""
        host, port = live(load(str(self.bench.topology))).endpoint("collector", "http")
        begun_ms, end = time.time_ns() // 1_000_000, threading.Event()

        def post() -> None:
            while not end.wait(0.02):
                ids = [ulid(begun_ms, self.acknowledged + number) for number in range(10)]
                batch = [{"id": id_, "show": SHOW, "pos_ms": 0, "type": "rotated"} for id_ in ids]
                request = urllib.request.Request(f"http://{host}:{port}/events", json.dumps(batch).encode())
                with urllib.request.urlopen(request, timeout=10) as answer:
                    assert answer.status == 204
                self.acknowledged += 10

        with ThreadPoolExecutor(max_workers=1) as pool:
            posting = pool.submit(post)
            try:
                yield
            finally:
                end.set()
            posting.result()

    def counted(self) -> int:
        """How many of them Redis has counted."""
        client = client_of(live(load(str(self.bench.topology))))
        assert client
        with closing(client):
            return int(client.hget(f"count:{SHOW}", "0:rotated") or 0)  # type: ignore[arg-type]

    def in_use(self) -> str:
        """What the shipper logs in with."""
        return self.bench.ssh(NODE, "cat", PASSWORD).strip()


def told(story: Story) -> None:
    """Every verb that touches secrets, from the first `up` to a converge that fails while it writes one."""
    for name in ("redis_shipper", "redis_monitoring", "redis_controller"):
        story.tell("secret", "set", name, stdin=f"canary-{secrets.token_urlsafe(24)}\n")
    story.know()
    story.tell("up", "--yes")
    story.tell("converge", "--dry")
    story.tell("converge", "--json")
    story.tell("converge")
    story.tell("verify", "--json")
    with story.traffic():
        story.tell("secret", "rotate", "--all")
        story.tell("converge")
    story.know()
    story.tell("secret", "rotate", "redis_shipper")
    story.know()
    story.tell("secret", "list", "--json")
    story.bench.ssh(NODE, "mkdir", f"{PASSWORD}.new")
    story.tell("converge", "--json")
    story.bench.ssh(NODE, "rmdir", f"{PASSWORD}.new")
    story.tell("converge", "--json")
    story.tell("secret", "rotate", "--key")
    story.tell("verify")
    story.tell("status", "--json")


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    folder = tmp_path_factory.mktemp("hidden")
    (folder / "test-hidden.yml").write_text(TOPOLOGY)
    before = os.environ.get("PRIMETIME_HOME")
    os.environ["PRIMETIME_HOME"] = str(folder / "home")
    story = Story(Bench(folder / "test-hidden.yml"), folder / "home")
    try:
        with story.processes:
            told(story)
        yield story
    finally:
        assert story.bench.json("down", "--yes")["left"] == []
        os.environ.pop("PRIMETIME_HOME")
        if before is not None:
            os.environ["PRIMETIME_HOME"] = before


def test_what_was_rotated_is_in_use_after_the_next_converge(story: Story) -> None:
    failed = [title for title, code in story.codes.items() if code]
    assert [title.split(": ")[1] for title in failed] == ["converge --json"], story.said
    assert "Write the shipper's password for Redis" in story.said[failed[0]]
    assert story.in_use() == story.latest["redis_shipper"]


def test_a_rotation_under_traffic_loses_no_count_and_restarts_nobody(story: Story) -> None:
    assert story.acknowledged > 0
    deadline = time.monotonic() + 60
    while story.counted() < story.acknowledged and time.monotonic() < deadline:
        time.sleep(0.2)
    assert story.counted() == story.acknowledged
    for unit in ("primetime-redis", "primetime-shipper"):
        starts = story.bench.ssh(NODE, "journalctl", "-u", unit, "--no-pager", "-o", "cat", "-g", "^Started ")
        assert starts.count("Started") == 1, starts


def test_no_output_has_a_value(story: Story) -> None:
    search = Search(story.values)
    assert [hit for title, text in story.said.items() for hit in search.text(title, text)] == []


def test_no_process_has_one_in_its_arguments_or_environment(story: Story) -> None:
    assert len(story.processes.seen) > 100
    assert Search(story.values).text("processes", *story.processes.seen) == []


def test_no_journal_and_no_other_file_of_the_host_has_one(story: Story) -> None:
    search = Search(story.values)
    assert search.host(story.bench, NODE) + search.state("test-hidden") == []


def test_nothing_kept_on_the_controlling_machine_has_one(story: Story) -> None:
    search = Search(story.values)
    assert search.files(story.home, story.bench.topology.parent) + search.repository() == []


def test_a_planted_leak_is_found_wherever_it_is_and_in_each_form(story: Story, tmp_path: Path) -> None:
    planted = f"planted-{secrets.token_hex(20)}"
    search = Search([planted])
    plain, hexadecimal, _, *coded = (form.decode() for form in forms(planted))
    (tmp_path / "here").write_text(f"x {hexadecimal} y")
    script = 'echo "$0" >/run/leak; echo "$1" >/root/leak; logger "x$2"; journalctl --sync; sleep 0.5'
    with Processes() as processes:
        story.bench.ssh(NODE, "sh", "-c", script, hexadecimal, coded[0], coded[-1])
        subprocess.run(["sleep", "0.5"], env={"X": plain})
    try:
        assert search.files(tmp_path) == [str(tmp_path / "here")]
        assert search.text("processes", *(seen for seen in processes.seen if b"leak" not in seen)) == ["processes"]
        assert search.host(story.bench, NODE) == [f"{NODE}: journal", f"{NODE}: /run/leak"]
        assert any(hit.endswith("/upper/root/leak") for hit in search.state("test-hidden"))
    finally:
        story.bench.ssh(NODE, "rm", "/run/leak", "/root/leak")
