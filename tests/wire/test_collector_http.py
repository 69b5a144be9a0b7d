"""How the collector behaves as an HTTP server, towards clients that are wrong, slow or gone."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.wire.collector_server import Server, collector, compact, event, wait_for

HEAD = b"POST /events HTTP/1.1\r\nHost: collector\r\n"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with collector(client_timeout_s=1) as running:
        yield running


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/events", "POST"),
        ("PUT", "/events", "POST"),
        ("OPTIONS", "/events", "POST"),
        ("POST", "/e", "GET"),
        ("HEAD", "/e", "GET"),
        ("POST", "/live", "GET, HEAD"),
        ("DELETE", "/ready", "GET, HEAD"),
    ],
)
def test_a_wrong_method_is_told_the_right_one(server: Server, method: str, path: str, allowed: str) -> None:
    answer = server.request(method, path)
    assert (answer.status, answer.headers["Allow"]) == (405, allowed)


@pytest.mark.parametrize("path", ["/", "/events/", "/event", "/EVENTS", "/e/", "/e/../nginx.conf", "//etc/passwd"])
def test_an_unknown_path_is_not_found(server: Server, path: str) -> None:
    assert server.get(path).status == 404
    assert server.post([event()]).status == 204


def test_the_health_checks_answer(server: Server) -> None:
    assert [server.get(path).status for path in ("/live", "/ready")] == [200, 200]


def test_a_body_above_256_kib_is_too_large(server: Server) -> None:
    answer = server.post(b"[" + b" " * (256 * 1024) + b"]")
    assert (answer.status, answer.text) == (413, "the body is larger than 256 KiB\n")


def test_a_chunked_body_above_256_kib_is_too_large(server: Server) -> None:
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    answer = server.exchange(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 9 + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_is_stored(server: Server) -> None:
    raw = compact(event(data="x" * 100_000))
    chunks = b"1\r\n[\r\n%x\r\n%s\r\n1\r\n]\r\n0\r\n\r\n" % (len(raw), raw)
    assert server.exchange(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks).startswith(b"HTTP/1.1 204 ")
    assert server.stored()[-1] == raw


def test_a_body_in_more_chunks_than_fit_into_memory_is_refused(server: Server) -> None:
    chunks = b"1\r\n \r\n" * 200_000 + b"0\r\n\r\n"
    answer = server.exchange(HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert answer.endswith(b"the body came in too many small chunks\n")


def test_requests_that_come_in_one_piece_are_answered_one_by_one(server: Server) -> None:
    first, second = compact([event()]), compact([event()])
    raw = b"".join(HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body) for body in (first, second))
    with server.connect() as connection:
        connection.sendall(raw)
        answers = b""
        while answers.count(b"\r\n\r\n") < 2:
            answers += connection.recv(65536)
    assert answers.count(b"HTTP/1.1 204 ") == 2
    assert server.stored()[-2:] == [first[1:-1], second[1:-1]]


def test_a_half_sent_body_ends_with_its_connection(server: Server) -> None:
    before = server.stored()
    body = compact([event()])
    half = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body) + 1, body)
    with server.connect() as connection:
        connection.sendall(half)
    assert server.exchange(half) == b"", "a body that stops, but does not end, is given up"
    assert server.post([event()]).status == 204
    assert len(server.stored()) == len(before) + 1


def is_ended(connection: socket.socket, within_s: float) -> bool:
    """Whether the collector ends the connection, without an answer, while it gets a byte every 50 ms."""
    connection.settimeout(0.05)
    ends = time.monotonic() + within_s
    while time.monotonic() < ends:
        try:
            connection.sendall(b" ")
            return connection.recv(65536) == b""
        except TimeoutError:
            continue
        except ConnectionError:
            return True
    return False


@pytest.mark.parametrize("length", [b"Content-Length: 100000\r\n\r\n[", b"Transfer-Encoding: chunked\r\n\r\n9999\r\n["])
def test_a_body_that_trickles_ends_at_its_deadline(length: bytes) -> None:
    body = compact([event()])
    whole = HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
    with collector(body_deadline_s=1) as server, server.connect() as steady, server.connect() as trickling:
        steady.sendall(whole)
        assert steady.recv(65536).startswith(b"HTTP/1.1 204 ")
        trickling.sendall(HEAD + length)
        assert is_ended(trickling, within_s=20), "a byte now and then holds a place for ever"
        steady.sendall(whole)
        assert steady.recv(65536).startswith(b"HTTP/1.1 204 "), "the deadline is the body's, not the connection's"


def test_slow_clients_do_not_hold_up_others(server: Server) -> None:
    slow = [server.connect() for _ in range(200)]
    for connection in slow:
        connection.sendall(HEAD + b"Content-Length: 1000\r\n\r\n[")
    assert server.post([event()]).status == 204
    for connection in slow:
        connection.close()


def test_a_header_flood_is_refused(server: Server) -> None:
    flood = HEAD + b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(100)) + b"\r\n"
    answer = server.exchange(flood)
    assert answer.startswith(b"HTTP/1.1 431 ") and answer.endswith(b"the headers are larger than 32 KiB\n")
    assert server.post([event()]).status == 204


def test_an_address_that_is_too_long_is_refused(server: Server) -> None:
    answer = server.exchange(b"GET /e?user=" + b"x" * 40_000 + b" HTTP/1.1\r\nHost: collector\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 414 ") and b"the address is longer than 8 KiB" in answer


@pytest.mark.parametrize("raw", [b"TRACE /events HTTP/1.1\r\nHost: a\r\n\r\n", b"BREW /x HTTP/1.1\r\nHost: a\r\n\r\n"])
def test_a_method_that_nobody_uses_is_refused(server: Server, raw: bytes) -> None:
    assert server.exchange(raw).split(b" ")[1] in (b"404", b"405")


@pytest.mark.parametrize("length", [b"-1", b"x", b"99999999999999999999", b"1, 2"])
def test_a_length_that_is_none_is_refused_or_too_large(server: Server, length: bytes) -> None:
    answer = server.exchange(HEAD + b"Content-Length: " + length + b"\r\n\r\n[]")
    assert answer.split(b" ")[1] in (b"400", b"413")
    assert server.is_ready()


def test_a_half_sent_head_ends_with_its_connection(server: Server) -> None:
    assert server.exchange(HEAD + b"X-Slow: ") == b""
    assert server.post([event()]).status == 204


@pytest.mark.parametrize(
    "raw",
    [
        b"\x16\x03\x01\x02\x00\x01\xfc\x03\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip\r\n\r\n",
        b"POST /events HTTP/1.1\r\n\r\n",
        b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(server: Server, raw: bytes) -> None:
    answer = server.exchange(raw)
    assert b"400 Bad Request" in answer.partition(b"\r\n")[0], answer
    assert answer.endswith(b"this is not a request in HTTP/1.1\n")
    assert server.is_ready()


def test_more_connections_than_there_is_room_for_are_not_the_end(server: Server) -> None:
    crowd = []
    try:
        for _ in range(server.settings.worker_connections + 50):
            crowd.append(server.connect())
            crowd[-1].sendall(HEAD)
    except OSError:
        pass  # the kernel may refuse before nginx does
    for connection in crowd:
        connection.close()
    wait_for("room for a request", server.is_ready)
    assert server.post([event()]).status == 204


def test_a_fault_of_the_collector_s_own_asks_for_the_same_again() -> None:
    with collector() as broken:
        (broken.root / "lua" / "collector" / "beacon.lua").write_text("error('as the test asked')")
        answer = broken.get("/e")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "1")
        assert answer.text == "the collector failed: send the same bytes again\n"
        assert broken.post([event()]).status == 204
