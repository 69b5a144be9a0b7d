"""`demo`, ended at random moments by Ctrl-C or kill -9: `demo` again succeeds, and `down` leaves nothing."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from primetime.drivers.nspawn import leftovers
from primetime.paths import REPO, cache
from tests.conftest import Bench
from tests.waiting import PATIENCE_S

MOMENTS = 20
QUICK = (2,)  # in `test`, on the small topology; the others in `test --all`

ENDINGS: dict[str, Callable[[int], None]] = {
    "Ctrl-C": lambda pid: os.killpg(pid, signal.SIGINT),
    "kill -9 of it": lambda pid: os.kill(pid, signal.SIGKILL),
    "kill -9 of all of it": lambda pid: os.killpg(pid, signal.SIGKILL),
}
SMALL = {
    "name": "test-crash",
    "provider": "nspawn",
    "image": "bookworm",
    "shows": ["rehearsal"],
    "groups": {"small": {"roles": ["redis", "collector"], "count": 1, "memory_mb": 512}},
}


@dataclass(frozen=True)
class Crashing:
    """A topology whose demo is ended again and again, and the folders that only it writes to."""

    bench: Bench
    name: str
    folder: Path
    seconds: dict[str, float]  # of a demo from nothing that nobody ended, by stage

    def end(self, moment: int) -> str:
        """Start a demo and end it somewhere in one of its stages; how it was ended."""
        dice = random.Random(f"{self.name} {moment}")
        stage = list(self.seconds)[moment % len(self.seconds)]
        how = list(ENDINGS)[dice.randrange(len(ENDINGS))]
        wait_s = dice.uniform(0, max(0.5, self.seconds[stage]))  # Python alone takes 0.3 s to start
        command = [str(REPO / "bin" / "primetime"), "demo", "-t", str(self.bench.topology)]
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        reached = threading.Event()
        if stage == "install":  # says nothing when there is nothing to install
            reached.set()
        reader = threading.Thread(target=self._read, args=(process, stage, reached), daemon=True)
        reader.start()
        reached.wait(300)
        with suppress(subprocess.TimeoutExpired):  # the moment is the test's subject, not a wait for anything
            process.wait(wait_s)
        with suppress(ProcessLookupError):
            ENDINGS[how](process.pid)
        code = process.wait(180)
        return f"{how} {wait_s:.1f} s into {stage}, exit {code}"

    @staticmethod
    def _read(process: subprocess.Popen[str], stage: str, reached: threading.Event) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            if line.strip().startswith(stage):
                reached.set()
        reached.set()

    @property
    def _mark(self) -> bytes:
        return f"PRIMETIME_HOME={self.folder}".encode()

    def running(self) -> list[str]:
        """Processes that the demo started and that work for it: all but ssh's shared connections."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                title = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                if self._mark in (process / "environ").read_bytes() and not title.startswith("ssh: "):
                    found.append(f"{process.name} {title}")
        return found


def eventually(claim: Callable[[], bool], what: Callable[[], object], deadline_s: float = PATIENCE_S) -> None:
    ends = time.monotonic() + deadline_s
    while not claim():
        assert time.monotonic() < ends, what()
        time.sleep(0.05)


def crashing(topology: dict[str, Any], folder: Path) -> Iterator[Crashing]:
    """The topology's demo, done once without an end, under folders of its own; at last all of it gone."""
    (folder / "topology.yml").write_text(yaml.safe_dump(topology))
    (folder / "tmp").mkdir()
    (folder / "cache").mkdir()
    for path in cache().iterdir():
        if path.name != "bundles":  # is built in each demo from nothing, so that some are ended meanwhile
            (folder / "cache" / path.name).symlink_to(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRIMETIME_CACHE", str(folder / "cache"))
        patch.setenv("PRIMETIME_HOME", str(folder / "home"))
        patch.setenv("TMPDIR", str(folder / "tmp"))
        bench = Bench(folder / "topology.yml")
        try:
            stages = bench.json("demo")["stages"]
            yield Crashing(bench, topology["name"], folder, {stage["name"]: stage["seconds"] for stage in stages})
        finally:
            left = bench.json("down", "--yes")["left"]
        assert left == []
        assert leftovers.find(topology["name"]) == []
        assert [path.name for path in (folder / "tmp").iterdir()] == []
        assert [path.name for path in (folder / "cache").rglob(".new-*")] == []


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashing]:
    yield from crashing(SMALL, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crashing]:
    topology = yaml.safe_load((REPO / "inventories" / "demo.yml").read_text())
    yield from crashing({**topology, "name": "test-crash-demo"}, tmp_path_factory.mktemp("whole"))


def end_and_go_on(crashing: Crashing, moment: int) -> None:
    if moment // len(crashing.seconds) % 2 == 0:  # from nothing; else on the cluster of the moment before
        assert crashing.bench.json("down", "--yes")["left"] == []
        for path in (crashing.folder / "cache" / "bundles").glob("*.tar"):
            path.unlink()
    ended = crashing.end(moment)
    eventually(lambda: not crashing.running(), lambda: f"{ended}: still there: {crashing.running()}")
    again = crashing.bench.run("demo", check=False)
    assert again.returncode == 0, f"{ended}: {again.stdout[-2000:]}{again.stderr[-4000:]}"
    print(ended)


@pytest.mark.parametrize(
    "moment",
    [pytest.param(moment, marks=() if moment in QUICK else pytest.mark.long) for moment in range(MOMENTS)],
)
def test_a_small_demo_ended_at_a_random_moment_goes_on_when_asked_again(small: Crashing, moment: int) -> None:
    end_and_go_on(small, moment)


@pytest.mark.long
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_the_demo_ended_at_a_random_moment_goes_on_when_asked_again(whole: Crashing, moment: int) -> None:
    end_and_go_on(whole, moment)
