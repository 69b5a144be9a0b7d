"""A collector that drains: it refuses, sends clients elsewhere, and leaves nothing that is not sealed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.collector_server import Server, collector, compact, event, wait_for


@pytest.fixture
def server() -> Iterator[Server]:
    with collector(workers=2) as running:
        yield running


def drain(server: Server) -> None:
    (server.root / "run" / "draining").touch()
    wait_for("every worker to refuse", lambda: all(server.get("/ready").status == 503 for _ in range(20)))


def test_what_was_acknowledged_is_sealed_at_once(server: Server) -> None:
    sent = [event() for _ in range(20)]
    for each in sent:
        assert server.post([each]).status == 204
    drain(server)
    wait_for("segments to be sealed", lambda: {each.state for each in server.segments()} == {"sealed"})
    assert sorted(server.stored()) == sorted(map(compact, sent))


def test_it_refuses_and_sends_clients_elsewhere(server: Server) -> None:
    drain(server)
    for answer in (server.post([event()]), server.get("/e?id=01ARZ3NDEKTSV4RRFFQ69G5FAV&show=news&pos_ms=0")):
        assert (answer.status, answer.headers["Retry-After"], answer.headers["Connection"]) == (503, "1", "close")
        assert answer.text == "the collector is draining: send the same bytes again, on a new connection\n"
    assert server.stored() == []


def test_a_kept_connection_is_closed_after_its_answer(server: Server) -> None:
    with server.connect() as connection:
        body = compact([event()])
        request = b"POST /events HTTP/1.1\r\nHost: c\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        connection.sendall(request)
        assert connection.recv(65536).startswith(b"HTTP/1.1 204 ")
        drain(server)
        connection.sendall(request)
        assert b"".join(iter(lambda: connection.recv(65536), b"")).startswith(b"HTTP/1.1 503 ")


def test_it_still_lives(server: Server) -> None:
    drain(server)
    assert server.get("/live").status == 200


def test_it_takes_traffic_again_when_the_file_is_gone(server: Server) -> None:
    drain(server)
    (server.root / "run" / "draining").unlink()
    wait_for("every worker to take traffic", lambda: all(server.get("/ready").status == 200 for _ in range(20)))
    assert server.post([event()]).status == 204
