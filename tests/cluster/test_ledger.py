"""The ledger of the demo's cluster: nothing is missing until a defect is planted, and again when it is mended."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from primetime.event import ulid
from primetime.hbase import Hbase
from primetime.inventory import live
from primetime.live_counts import client_of
from primetime.topology import load
from tests.conftest import Demo
from tests.shipping import SPOOL, Writer
from tests.waiting import CLUSTER_S, wait_for

SHOW = "quiz-20261121"
FOLDER = "/var/spool/primetime"


def new_event(number: int) -> bytes:
    id_ = ulid(time.time_ns() // 1_000_000, number)
    return f'{{"id":"{id_}","show":"{SHOW}","pos_ms":10000000,"user":"u","type":"join"}}'.encode()


def test_nothing_is_missing_from_the_demo(demo: Demo) -> None:
    said = demo.json("ledger")
    assert said["problems"] == []
    assert said["totals"]["stored"] >= 100_000
    assert [run["missing"] for run in said["runs"]] == [0] * len(said["runs"])
    assert demo.run("ledger").stdout.splitlines()[-1] == "nothing is missing"


def test_a_dead_letter_is_listed_shown_and_stays_when_it_still_cannot_be_stored(demo: Demo, tmp_path: Path) -> None:
    bad = b'{"id":"nonsense","show":"%s","pos_ms":1}' % SHOW.encode()
    written = Writer(tmp_path).write(new_event(1), bad, received_ms=time.time_ns() // 1_000_000).seal()
    source = f"{ulid(time.time_ns() // 1_000_000, 11)}-w00"  # as if another collector's volume had been brought here
    name = written.name.replace(f"{SPOOL}-w00", source)
    text = base64.b64encode(written.read_bytes()).decode()
    into = f"{FOLDER}/{name}"
    demo.ssh("collector-1", "sh", "-c", f"echo {text} | base64 -d > {into}.tmp && mv {into}.tmp {into}")
    wait_for(lambda: source in demo.json("ledger", "deadletters", "list")["sources"], "the dead letter", CLUSTER_S)
    listed = demo.json("ledger", "deadletters", "list", source)["sources"][source]
    assert (listed["waiting"], listed["reasons"]) == (1, {"id is missing or not a ULID": 1})
    shown = demo.json("ledger", "deadletters", "show", source)
    assert bytes.fromhex(shown["hex"]) == bad
    for _ in range(2):
        done = demo.run("ledger", "deadletters", "replay", shown["name"], check=False)
        assert (done.returncode, "still cannot be stored" in done.stdout) == (3, True)
    assert demo.json("ledger")["problems"] == []


def test_counts_that_were_spoiled_are_named_and_set_right(demo: Demo) -> None:
    client = client_of(live(load(str(demo.topology))))
    assert client is not None
    wait_for(
        lambda: not demo.json("ledger", "reconcile", check=False)["different"], "Redis to count everything", CLUSTER_S
    )
    total = client.get(f"total:{SHOW}")
    client.incrby(f"total:{SHOW}", 7)
    done = demo.run("ledger", "reconcile", SHOW, check=False)
    assert done.returncode == 3
    assert f"total:{SHOW}: {int(total or 0) + 7} in Redis, {total!s} by HBase" in done.stdout
    assert "set right" in demo.run("ledger", "reconcile", SHOW, "--apply").stdout
    assert client.get(f"total:{SHOW}") == total
    assert demo.run("ledger", "reconcile").stdout.startswith("no difference")


@dataclass
class Sealed:
    """A run that was acknowledged, in a sealed segment that is not shipped yet."""

    demo: Demo
    run: str
    name: str

    def on_collector(self, script: str) -> str:
        return self.demo.ssh("collector-1", "sh", "-c", script)

    def python(self, script: str) -> None:
        self.demo.ssh("collector-1", "python3", "-c", f"p = {f'{FOLDER}/{self.name}.sealed'!r}\n{script}")


DROP = "lines = open(p, 'rb').read().split(b'\\n'); del lines[-3]; open(p, 'wb').write(b'\\n'.join(lines))"
FLIP = "data = bytearray(open(p, 'rb').read()); data[-60] ^= 1; open(p, 'wb').write(data)"


def lose(sealed: Sealed, thrift: tuple[str, int]) -> None:
    sealed.on_collector(f"rm {FOLDER}/{sealed.name}.sealed")


def drop(sealed: Sealed, thrift: tuple[str, int]) -> None:
    sealed.python(DROP)


def flip(sealed: Sealed, thrift: tuple[str, int]) -> None:
    sealed.python(FLIP)


def misplace(sealed: Sealed, thrift: tuple[str, int]) -> None:
    cells = {b"state": b"open", b"bytes": b"99999999"}
    now_ms = time.time_ns() // 1_000_000
    Hbase(*thrift).put("ledger", {sealed.name.encode(): [(name, value, now_ms) for name, value in cells.items()]})


@contextmanager
def not_shipped(demo: Demo) -> Iterator[Sealed]:
    """The shipper stands still at first; the segment is put back and shipped at last."""
    demo.ssh("collector-1", "systemctl", "stop", "primetime-shipper")
    try:
        done = demo.run("rehearse", "--json", "--updates", "1000", "--in", "1s", "--wait", "1s", check=False)
        run = json.loads(done.stdout.splitlines()[-1])["run"]
        assert done.returncode == 3, "nothing is stored yet"
        sealed = Sealed(demo, run, "")
        names = f"cd {FOLDER} && grep -l {run} *.sealed || true"
        opened = f"cd {FOLDER} && grep -l {run} *.open || true"
        wait_for(lambda: not sealed.on_collector(opened).split(), "the segments to be sealed", CLUSTER_S)
        sealed.name = sealed.on_collector(names).split()[0].removesuffix(".sealed")
        sealed.on_collector(f"cp -p {FOLDER}/{sealed.name}.sealed /root/kept")
        yield sealed
        sealed.on_collector(f"mv /root/kept {FOLDER}/{sealed.name}.sealed")
    finally:
        demo.ssh("collector-1", "systemctl", "start", "primetime-shipper")


def problems(demo: Demo) -> dict[str, str]:
    """What the ledger complains of: segment or id → in which word."""
    done = demo.run("ledger", "--json", check=False)
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == (3 if said["problems"] else 0)
    return {problem["name"]: problem["what"] for problem in said["problems"]}


@pytest.mark.long
@pytest.mark.parametrize("plant", [drop, flip, misplace, lose])
def test_a_planted_defect_fails_certificate_and_ledger_by_name_and_can_be_mended(
    demo: Demo, thrift: tuple[str, int], plant: Callable[[Sealed, tuple[str, int]], None]
) -> None:
    with not_shipped(demo) as sealed:
        plant(sealed, thrift)
        demo.ssh("collector-1", "systemctl", "start", "primetime-shipper")
        wait_for(lambda: "missing" in problems(demo).values(), "what is missing to be named", CLUSTER_S)
        found = problems(demo)
        assert found[sealed.name] in ("corrupt", "position", "lost")
        done = demo.run("rehearse", "--json", "--check", sealed.run, check=False)
        certificate = json.loads(done.stdout.splitlines()[-1])
        assert (done.returncode, certificate["missing"] > 0) == (3, True)
        assert set(certificate["missing_ids"]) <= {name for name, what in found.items() if what == "missing"}
    if plant is not lose:
        demo.run("ledger", "again", sealed.name)
    wait_for(lambda: problems(demo) == {}, "the segment to be shipped after all", CLUSTER_S)
    assert demo.json("rehearse", "--check", sealed.run)["missing"] == 0
    demo.run("ledger", "reconcile", "--apply")  # Redis had gone past the segment
