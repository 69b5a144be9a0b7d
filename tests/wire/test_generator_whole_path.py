"""A rehearsal through a real collector and a real shipper into tables in memory behind HBase's protocol."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from primetime.errors import PrimetimeError
from primetime.hbase import Hbase
from primetime.reading import events
from primetime.rehearsal.burst import SENDING_SHARE, Plan
from primetime.rehearsal.certificate import Certificate, check
from primetime.rehearsal.run import rehearse
from primetime.shipper.config import Config
from roles.shipper.settings import Shipper
from tests.hbase_gateway import GatewayServer, free_port
from tests.wire.collector_server import SHOW, Server, collector

PLAN = Plan(SHOW, 3000, 0.5, connections=8, stored_deadline_s=60)


def silent(text: str) -> None:
    pass


@contextmanager
def shipper(folder: Path, spool: Path, gateway: GatewayServer) -> Iterator[None]:
    """A shipper with its role's knobs from this spool to this gateway, without a Redis."""
    knobs = {name: value for name, value in vars(Shipper()).items() if name in Config.__dataclass_fields__}
    places = {
        "spool": str(spool),
        "run": str(folder / "run"),
        "hbase_host": "127.0.0.1",
        "hbase_port": gateway.port,
        "redis_host": "",
        "redis_port": 0,
        "redis_user": "",
        "redis_password": "",
        "metrics_address": "",
    }
    path = folder / "shipper.toml"
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in (knobs | places).items()))
    with (folder / "shipper.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "primetime.shipper", "--config", str(path)],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@contextmanager
def path(folder: Path) -> Iterator[tuple[Server, GatewayServer]]:
    gateway = GatewayServer()
    gateway.start()
    with collector(workers=2) as server, shipper(folder, server.spool, gateway):
        yield server, gateway


def rehearse_on(server: Server, gateway: GatewayServer, folder: Path, plan: Plan = PLAN) -> Certificate:
    collectors = [("127.0.0.1", server.settings.port)]
    return rehearse(plan, collectors, ("127.0.0.1", gateway.port), folder / "runs", silent)


def test_what_is_acknowledged_is_stored_and_a_cell_deleted_later_is_missed_by_name(tmp_path: Path) -> None:
    with path(tmp_path) as (server, gateway):
        certificate = rehearse_on(server, gateway, tmp_path)
        assert certificate.passed
        assert (certificate.acked, certificate.stored, certificate.duplicates) == (3000, 3000, 0)
        assert certificate.stored_seconds and certificate.accept_seconds
        assert certificate.stored_seconds >= certificate.accept_seconds >= 0.98 * PLAN.seconds * SENDING_SHARE

        folder = tmp_path / "runs" / certificate.run
        assert json.loads((folder / "certificate.json").read_text()) == certificate.to_json()

        hbase = Hbase("127.0.0.1", gateway.port)
        row, identity, _, _ = next(hbase.scan("events", b"", b""))
        del gateway.hbase.tables["events"][row][identity]
        again = check(folder, hbase)
        hbase.close()
    assert (again.passed, again.missing, again.missing_ids) == (False, 1, [identity[:26].decode()])


def test_a_rehearsed_show_reads_back_in_the_order_it_was_sent(tmp_path: Path) -> None:
    with path(tmp_path) as (server, gateway):
        certificate = rehearse_on(server, gateway, tmp_path)
        read = [json.loads(event)["id"] for event in events(lambda: Hbase("127.0.0.1", gateway.port), SHOW, 0, None)]
    assert len(read) == 3000
    assert read == sorted(read)
    assert {event_id[:18] for event_id in read} == {certificate.run}


def test_a_second_run_in_the_same_show_is_its_own(tmp_path: Path) -> None:
    with path(tmp_path) as (server, gateway):
        first = rehearse_on(server, gateway, tmp_path)
        second = rehearse_on(server, gateway, tmp_path)
    assert first.run != second.run
    assert (second.stored, second.duplicates, second.conflicts, second.missing) == (3000, 0, 0, 0)


def test_a_show_that_is_not_declared_is_refused_whole(tmp_path: Path) -> None:
    with path(tmp_path) as (server, gateway):
        certificate = rehearse_on(server, gateway, tmp_path, Plan("no-such-show", 100, 0.1, stored_deadline_s=5))
    assert (certificate.sent, certificate.acked, certificate.refused, certificate.stored_seconds) == (100, 0, 100, None)


def test_without_hbase_nothing_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("primetime.rehearsal.run.BEFORE_S", 0.0)
    with collector() as server:
        with pytest.raises(PrimetimeError, match="HBase"):
            rehearse(PLAN, [("127.0.0.1", server.settings.port)], ("127.0.0.1", free_port()), tmp_path, silent)
        assert server.stored() == []


def test_without_a_shipper_the_answers_are_kept_and_everything_is_missing(tmp_path: Path) -> None:
    gateway = GatewayServer()
    gateway.start()
    with collector() as server:
        plan = Plan(SHOW, 500, 0.1, connections=4, stored_deadline_s=0.2)
        certificate = rehearse_on(server, gateway, tmp_path, plan)
    assert (certificate.acked, certificate.stored, certificate.missing, certificate.passed) == (500, 0, 500, False)
    assert certificate.stored_seconds is None
