"""Defects planted between a real collector and a real shipper: certificate and ledger both fail, and say where."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from primetime.audit import ask
from primetime.audit.collectors import Surveyed
from primetime.audit.report import Report
from primetime.hbase import Hbase
from primetime.rehearsal.burst import Plan
from primetime.rehearsal.certificate import Certificate, check
from primetime.shipper.ledger import everything
from primetime.shipper.spool import Spool
from primetime.shipper.survey import survey
from tests.hbase_gateway import GatewayServer
from tests.wire.collector_server import SHOW, Server, collector
from tests.wire.test_generator_whole_path import rehearse_on, shipper

PLAN = Plan(SHOW, 400, 0.3, connections=4, stored_deadline_s=0.2)


@dataclass
class Scene:
    """A run that was acknowledged, lies in sealed segments, and has not been shipped yet."""

    server: Server
    gateway: GatewayServer
    folder: Path
    run: str

    @property
    def sealed(self) -> Path:
        """The longest segment."""
        return max(self.server.spool.glob("*.sealed"), key=lambda path: path.stat().st_size)

    def ship(self) -> None:
        """Until nothing changes any more: every segment is done, or kept, or lost."""
        with shipper(self.folder, self.server.spool, self.gateway):
            deadline = time.monotonic() + 60
            while not self._settled():
                assert time.monotonic() < deadline, self.gateway.states()
                time.sleep(0.05)

    def _settled(self) -> bool:
        states = {str(segment): row.state for segment, row in everything(self.gateway.hbase).items()}
        left = [states.get(str(segment), "open") for segment in Spool(self.server.spool).scan()]
        return "open" not in left and "done" not in left and "open" not in states.values()

    def certificate(self) -> Certificate:
        hbase = Hbase("127.0.0.1", self.gateway.port)
        try:
            return check(self.folder / "runs" / self.run, hbase)
        finally:
            hbase.close()

    def ledger(self) -> Report:
        hbase = Hbase("127.0.0.1", self.gateway.port)
        try:
            return ask.report("test", hbase, None, self._survey, self.folder / "runs", 5, lambda text: None)
        finally:
            hbase.close()

    def _survey(self, positions: Mapping[str, Any]) -> list[Surveyed]:
        found = survey(Spool(self.server.spool), positions)
        return [Surveyed("collector-1", found["at_ms"], found["last"], found["segments"])]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    gateway = GatewayServer()
    gateway.start()
    with collector(workers=1) as server:
        run = rehearse_on(server, gateway, tmp_path, PLAN).run
        server.stop()
        yield Scene(server, gateway, tmp_path, run)


def test_without_a_defect_nothing_is_missing(scene: Scene) -> None:
    waiting = scene.ledger()
    assert (waiting.problems, waiting.totals()["waiting"], len(waiting.notes)) == ([], 400, 1)
    scene.ship()
    report = scene.ledger()
    assert scene.certificate().passed
    assert (report.problems, report.totals()["stored"], report.totals()["waiting"]) == ([], 400, 0)


def last_record(path: Path) -> tuple[int, list[bytes]]:
    """Where the last record of a sealed segment begins, and its events."""
    content = path.read_bytes()
    at = content.rindex(b"\nP1 ") + 1 if b"\nP1 " in content else 0
    return at, content[at:].split(b"\n")[1:-2]


def first_of(events: list[bytes]) -> bytes:
    return min(events, key=lambda event: json.loads(event)["id"])


def drop_a_line(path: Path, victim: bytes) -> None:
    path.write_bytes(path.read_bytes().replace(victim + b"\n", b""))


def flip_a_byte(path: Path, victim: bytes) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(victim) + len(victim) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("plant", [drop_a_line, flip_a_byte])
def test_a_damaged_segment_is_named_and_so_is_what_is_missing(
    scene: Scene, plant: Callable[[Path, bytes], None]
) -> None:
    sealed = scene.sealed
    at, events = last_record(sealed)
    victim = first_of(events)
    plant(sealed, victim)
    scene.ship()
    certificate, report = scene.certificate(), scene.ledger()
    assert (certificate.passed, certificate.missing) == (False, len(events))
    assert certificate.missing_ids[0] == json.loads(victim)["id"]
    assert {problem.name for problem in report.problems if problem.what == "corrupt"} == {sealed.stem}
    assert any(f"at byte {at}" in problem.why for problem in report.problems)
    assert json.loads(victim)["id"] in {problem.name for problem in report.problems if problem.what == "missing"}


def test_a_deleted_cell_is_named(scene: Scene) -> None:
    scene.ship()
    row, cells = next(iter(scene.gateway.hbase.tables["events"].items()))
    identity = next(iter(cells))
    del scene.gateway.hbase.tables["events"][row][identity]
    assert scene.certificate().missing_ids == [identity[:26].decode()]
    assert [(problem.what, problem.name) for problem in scene.ledger().problems] == [
        ("missing", identity[:26].decode())
    ]


@pytest.mark.parametrize(("cell", "text"), [(b"bytes", b"99999999"), (b"records", b"many")])
def test_a_corrupt_position_names_its_segment(scene: Scene, cell: bytes, text: bytes) -> None:
    name = scene.sealed.stem
    scene.gateway.hbase.put("ledger", {name.encode(): [(b"state", b"open", 1), (cell, text, 1)]})
    assert name in {problem.name for problem in scene.ledger().problems}
    scene.ship()
    certificate, report = scene.certificate(), scene.ledger()
    assert not certificate.passed
    assert {problem.name for problem in report.problems if problem.what in ("corrupt", "position")} == {name}
    assert scene.sealed.stem == name, "the file is kept: what it holds can still be stored"


def test_a_lost_segment_is_named(scene: Scene) -> None:
    lost = scene.sealed
    lost.unlink()
    scene.ship()
    certificate, report = scene.certificate(), scene.ledger()
    assert (certificate.passed, certificate.missing > 0) == (False, True)
    assert {problem.name for problem in report.problems if problem.what == "lost"} == {lost.stem}
    assert set(certificate.missing_ids) <= {problem.name for problem in report.problems if problem.what == "missing"}
