"""Who asks for the shipper's numbers: what they are told, and that none keeps the others waiting for ever."""

from __future__ import annotations

import logging
import os
import re
import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException
from pathlib import Path

import pytest

from primetime.shipper import exporter, reports, status
from primetime.shipper.spool import Spool
from primetime.verify.samples import samples
from tests.redis_server import free_port
from tests.waiting import PATIENCE_S, wait_for


@contextmanager
def exporting(path: Path) -> Iterator[int]:
    """An exporter of the status at `path`; its port."""
    port, stop = free_port(), threading.Event()
    thread = threading.Thread(target=exporter.run, args=("127.0.0.1", port, path, stop, os.getppid()))
    thread.start()
    try:
        wait_for(lambda: listens(port), "somebody listens")
        yield port
    finally:
        stop.set()
        thread.join()


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), PATIENCE_S).close()
    except ConnectionRefusedError:
        return False
    return True


def answers(port: int) -> bool:
    try:
        return bool(samples("127.0.0.1", port))
    except (OSError, HTTPException):
        return False


def report(path: Path, spool: Path, age_s: float = 0) -> None:
    composed = status.compose(Spool(spool), {}, started_ms=0, restarts=0, trouble="")
    reports.write(path, {**composed, "at_ms": composed["at_ms"] - int(age_s * 1000)})


def refused(port: int, path: str = "/metrics") -> tuple[int, str]:
    with pytest.raises(urllib.error.HTTPError) as error:
        urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S)
    return error.value.code, error.value.read().decode()


def test_it_tells_the_status_as_it_is_now_and_none_that_is_old(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    with exporting(path) as port:
        assert refused(port) == (503, f"{path}: not there yet: the shipper has just started\n")
        report(path, tmp_path)
        assert samples("127.0.0.1", port)['primetime_shipper_lag_seconds{sink="hbase"}'] == 0
        report(path, tmp_path, age_s=60)
        code, said = refused(port)
        assert code == 503
        assert re.fullmatch(rf"{path}: \d+ s old: the shipper's supervisor stands still\n", said)
        assert refused(port, "/")[0] == 404


def test_those_who_never_finish_asking_are_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report(tmp_path / "status.json", tmp_path)
    with exporting(tmp_path / "status.json") as port, ExitStack() as asking:
        with monkeypatch.context() as patched:
            patched.setattr(exporter, "PATIENCE_S", 0.3)
            hung = [
                asking.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S))
                for _ in range(exporter.MOST_AT_ONCE + 1)
            ]
            assert [one.recv(1) for one in hung] == [b""] * len(hung)
        wait_for(lambda: answers(port), "there is room again")  # a moment after the last one was hung up on


def test_more_than_a_few_at_once_are_hung_up_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporter, "PATIENCE_S", PATIENCE_S)  # none of them is given up meanwhile
    report(tmp_path / "status.json", tmp_path)
    with exporting(tmp_path / "status.json") as port, ExitStack() as asking:

        def is_answered_beside_one_more() -> bool:
            asking.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S))
            return answers(port)

        assert not all(is_answered_beside_one_more() for _ in range(3 * exporter.MOST_AT_ONCE))


def test_a_port_that_is_taken_is_a_sentence_and_an_exit(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, caplog.at_level(logging.ERROR):
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match="1"):
            exporter.run("127.0.0.1", port, tmp_path / "status.json", threading.Event(), os.getppid())
    assert f"no metrics on 127.0.0.1:{port}: " in caplog.text
