"""HTTP answers, when they are not a plain 204."""

from __future__ import annotations

import pytest

from primetime.rehearsal.answers import parse

REFUSED = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 12\r\n\r\nevent 3: no "
CHUNKED = b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n7\r\n 3: no \r\n0\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 2\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("whole", [REFUSED, CHUNKED, BUSY], ids=["length", "chunked", "no body"])
def test_an_answer_is_incomplete_until_its_last_byte(whole: bytes) -> None:
    assert [parse(whole[:end]) for end in range(len(whole))] == [None] * len(whole)
    assert parse(whole) is not None


@pytest.mark.parametrize("whole", [REFUSED, CHUNKED], ids=["length", "chunked"])
def test_a_refusal_carries_its_sentence(whole: bytes) -> None:
    assert str(parse(whole)) == "400 event 3: no"


def test_an_answer_without_a_length_ends_with_its_connection() -> None:
    received = b"HTTP/1.1 500 Oops\r\n\r\nno idea"
    assert parse(received) is None
    answer = parse(received, closed=True)
    assert answer and (answer.body, answer.keep_alive) == (b"no idea", False)


def test_a_204_ends_with_its_head() -> None:
    answer = parse(b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n")
    assert answer and (answer.status, answer.keep_alive) == (204, True)


@pytest.mark.parametrize(
    "whole",
    [
        BUSY,
        b"HTTP/1.0 204 No Content\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 400 what is this\r\n",
    ],
    ids=["asked to close", "an old server", "more than was asked for"],
)
def test_such_a_connection_is_not_used_again(whole: bytes) -> None:
    answer = parse(whole)
    assert answer and not answer.keep_alive


@pytest.mark.parametrize("received", [b"SSH-2.0-OpenSSH\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 999 x\r\n\r\n"])
def test_what_is_not_http_is_an_error(received: bytes) -> None:
    with pytest.raises(ValueError):
        parse(received)


def test_an_endless_answer_is_an_error() -> None:
    with pytest.raises(ValueError):
        parse(b"HTTP/1.1 200 OK\r\n" + b"x" * (1 << 20))


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
def test_a_server_in_trouble_is_asked_again(status: int) -> None:
    answer = parse(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)
    assert answer and answer.try_again


@pytest.mark.parametrize("status", [200, 301, 400, 404, 405, 413])
def test_a_clear_answer_is_final(status: int) -> None:
    answer = parse(b"HTTP/1.1 %d x\r\nContent-Length: 0\r\n\r\n" % status)
    assert answer and not answer.try_again


@pytest.mark.parametrize(("named", "least"), [(b"2", 2.0), (b"0", 0.0), (b"3600", 5.0), (b"soon", 1.0)])
def test_retry_after_is_honoured_within_bounds(named: bytes, least: float) -> None:
    answer = parse(b"HTTP/1.1 503 x\r\nRetry-After: " + named + b"\r\nContent-Length: 0\r\n\r\n")
    assert answer
    assert answer.wait_s(chance=0) == least
    assert least < answer.wait_s(chance=1) <= 1.5 * least + 0.1
