"""Seeded shows over the wire: Redis counts what the seed says, and a sender goes on until collectors have taken all."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import redis

from primetime.errors import PrimetimeError
from primetime.seeding import state
from primetime.seeding.plant import after
from primetime.seeding.send import send
from primetime.seeding.state import Seeded
from primetime.shipper.counting import encode
from primetime.shipper.feed import Move
from primetime.shipper.redis_sink import script
from tests.memory_hbase import ReadHbase
from tests.redis_server import RedisServer
from tests.waiting import PATIENCE_S

SHOW = "quiz-20261114"


@pytest.fixture(scope="module")
def seeded() -> Seeded:
    return Seeded.of([SHOW], 1)


@pytest.fixture
def client(tmp_path: Path) -> Iterator[redis.Redis]:
    server = RedisServer(tmp_path)
    try:
        yield server.client()
    finally:
        server.kill()


@pytest.fixture
def hbase(seeded: Seeded) -> ReadHbase:
    hbase = ReadHbase()
    for event in seeded.events[SHOW]:
        hbase.store(event)
    return hbase


def count(client: redis.Redis, events: list[bytes], source: str = "a") -> None:
    """What a shipper does: with the script that counts in a cluster."""
    apply, at = script(client), ""
    for start in range(0, len(events), 5000):
        move = Move(at, f"1:{start + 1}", events[start : start + 5000], 7)
        assert apply(keys=[f"position:{source}"], args=[encode(move, source, 60)])[0] == 1
        at = move.end


def test_a_state_that_was_counted_by_shippers_has_the_hash_that_the_seed_says(
    client: redis.Redis, hbase: ReadHbase, seeded: Seeded
) -> None:
    count(client, list(reversed(seeded.events[SHOW])))
    assert state.found(hbase, client, [SHOW]) == seeded.sha256()
    assert state.beside(hbase, client, [SHOW]) == {}
    client.hincrby(f"tally:{SHOW}:q1", "a", 1)
    assert state.found(hbase, client, [SHOW]) != seeded.sha256()


def test_counts_of_other_shows_are_beside_it(client: redis.Redis, hbase: ReadHbase, seeded: Seeded) -> None:
    count(client, list(seeded.events[SHOW]))
    count(client, [seeded.events[SHOW][0].replace(SHOW.encode(), b"other")], "b")
    assert state.found(hbase, client, [SHOW]) == seeded.sha256()
    assert state.beside(hbase, client, [SHOW]) == {"keys of Redis": 2}  # its count and its total


class Collector(BaseHTTPRequestHandler):
    """Answers as `answers` say, one after the other, then 204; keeps what it has acknowledged."""

    protocol_version = "HTTP/1.1"
    answers: list[int]
    taken: list[bytes]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = self.answers.pop() if self.answers else 204
        if status == 204:
            self.taken.append(body)
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def collector(*answers: int) -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    taken: list[bytes] = []
    handler = type("One", (Collector,), {"answers": list(answers), "taken": taken})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield ("127.0.0.1", int(server.server_address[1])), taken
        finally:
            server.shutdown()


def test_a_batch_that_is_not_taken_is_sent_again_with_the_same_bytes(seeded: Seeded) -> None:
    events = list(seeded.events[SHOW][:250])
    with collector(503, 400, 503) as (where, taken):
        send(events, [where], print, after(PATIENCE_S))
    assert sorted(event["id"] for body in taken for event in json.loads(body)) == sorted(
        json.loads(event)["id"] for event in events
    )


def test_a_collector_that_is_away_is_passed_over(seeded: Seeded) -> None:
    with collector() as (where, taken):
        send(list(seeded.events[SHOW][:100]), [("127.0.0.1", 1), where], print, after(PATIENCE_S))
    assert len(taken) == 1


def test_what_is_never_taken_ends_with_what_the_collector_said(seeded: Seeded) -> None:
    with collector(*[503] * 1000) as (where, _), pytest.raises(PrimetimeError, match="was not taken: 503"):
        send(list(seeded.events[SHOW][:1]), [where], print, lambda: True)
