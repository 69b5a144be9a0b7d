"""The reference client in Python, against real collectors: what `send` took is stored, whatever is killed meanwhile."""

from __future__ import annotations

import importlib.util
import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from primetime.event import ULID
from primetime.paths import REPO
from tests.wire.collector_server import SHOW, Server, collector, free_port, wait_for

FILE = REPO / "docs" / "clients" / "primetime_client.py"

# argv: outbox, address, how many. Prints each id once `send` has returned, and stays.
SENDER = """
import sys, time
import primetime_client
client = primetime_client.Client([sys.argv[2]], sys.argv[1])
for number in range(int(sys.argv[3])):
    print(client.send({"show": "%s", "pos_ms": number, "user": f"u{number}", "type": "answer"}), flush=True)
time.sleep(600)
"""


def load() -> ModuleType:
    """The client as a program has it that copied the file."""
    spec = importlib.util.spec_from_file_location("primetime_client", FILE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


client_module = load()


@pytest.fixture
def server() -> Iterator[Server]:
    with collector() as running:
        yield running


def address(server: Server) -> str:
    return f"http://127.0.0.1:{server.settings.port}"


def client_of(server: Server, outbox: Path, **more: Any) -> Any:
    return client_module.Client([address(server)], str(outbox), **more)


def an_event(number: int, **changes: Any) -> dict[str, Any]:
    return {"show": SHOW, "pos_ms": number, "user": f"u{number}", "type": "answer", **changes}


def identities(server: Server) -> set[bytes]:
    """The different events in the spool: a resend has the same bytes."""
    return set(server.stored())


def ids(events: set[bytes]) -> list[str]:
    return sorted(json.loads(event)["id"] for event in events)


def test_an_event_gets_a_ulid_and_is_stored_with_its_very_fields(server: Server, tmp_path: Path) -> None:
    with client_of(server, tmp_path / "outbox.db") as client:
        event_id = client.send(an_event(7, data={"text": "söß \u2028"}))
        assert client.flush(60)
    (stored,) = identities(server)
    assert ULID.fullmatch(event_id)
    assert json.loads(stored) == {"id": event_id, **an_event(7, data={"text": "söß \u2028"})}


def test_nothing_is_lost_while_collectors_are_killed_again_and_again(server: Server, tmp_path: Path) -> None:
    sent = []
    with client_of(server, tmp_path / "outbox.db") as client:
        for number in range(600):
            sent.append(client.send(an_event(number)))
            if number % 200 == 150:
                server.kill()
                server.start()
        assert client.flush(60), client.trouble
    assert ids(identities(server)) == sorted(sent)


def test_what_a_killed_program_had_sent_is_sent_by_the_next_one(server: Server, tmp_path: Path) -> None:
    server.kill()
    outbox = tmp_path / "outbox.db"
    command = [sys.executable, "-c", SENDER % SHOW, str(outbox), address(server), "50"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=FILE.parent) as program:
        assert program.stdout
        sent = [program.stdout.readline().strip() for _ in range(50)]
        program.send_signal(signal.SIGKILL)
    server.start()
    with client_of(server, outbox) as client:
        assert client.flush(60), client.trouble
    assert ids(identities(server)) == sorted(sent)


def test_a_bad_event_is_parked_alone_and_the_others_of_its_batch_are_stored(server: Server, tmp_path: Path) -> None:
    server.kill()  # so that all of them go out as one batch
    with client_of(server, tmp_path / "outbox.db") as client:
        good = [client.send(an_event(number)) for number in range(20)]
        bad = client.send(an_event(0, show="never-declared"))
        good += [client.send(an_event(number)) for number in range(20)]
        server.start()
        assert client.flush(60), client.trouble
        (parked,) = client.parked()
    assert (parked.id, parked.reason.startswith("400 event 0 has a show that is not declared")) == (bad, True)
    assert ids(identities(server)) == sorted(good)


def test_a_full_spool_is_waited_for_and_the_same_bytes_are_sent_again(tmp_path: Path) -> None:
    with collector(spool_budget_mb=5) as server:
        while server.post([an_event(0, id=client_module.new_id(), data="x" * 100_000)]).status == 204:
            pass
        with client_of(server, tmp_path / "outbox.db") as client:
            event_id = client.send(an_event(1))
            wait_for("the client to hear of it", lambda: str(client.trouble).startswith("503 "))
            assert client.waiting() == 1
            for shipped in server.spool.glob("*.sealed"):
                shipped.unlink()
            assert client.flush(60), client.trouble
        assert event_id in ids(identities(server))


def test_a_dead_collector_s_neighbour_takes_over(server: Server, tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    with client_module.Client([dead, address(server)], str(tmp_path / "outbox.db")) as client:
        client.send(an_event(1))
        assert client.flush(60), client.trouble
    assert len(identities(server)) == 1


def test_pauses_grow_and_differ_from_client_to_client(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.kill()
    drawn: list[float] = []

    def noted(least: float, most: float) -> float:
        drawn.append(random.uniform(least, most))
        return drawn[-1]

    monkeypatch.setattr(client_module, "random", SimpleNamespace(uniform=noted))
    pauses: list[list[float]] = []
    for number in range(2):
        drawn.clear()
        with client_of(server, tmp_path / f"{number}.db") as client:
            began = time.monotonic()
            client.send(an_event(1))
            wait_for("the fourth try", lambda: len(drawn) == 4)
            assert time.monotonic() - began >= sum(drawn[:3]), "it waits as long as it has drawn"
        pauses.append(drawn[:])
    assert all(one == sorted(one) and one[-1] > 2 * one[0] for one in pauses)
    assert pauses[0] != pauses[1]
