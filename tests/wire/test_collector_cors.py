"""Web pages of declared origins may send events; others are told nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.wire.collector_server import Server, collector, compact, event

ORIGIN, OTHER = "https://vote.example.org", "https://elsewhere.example.org"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with collector(origins=(ORIGIN, "http://localhost:5173")) as running:
        yield running


@pytest.fixture(scope="module")
def closed() -> Iterator[Server]:
    with collector() as running:
        yield running


@pytest.mark.parametrize(("path", "method"), [("/events", "POST"), ("/e", "GET")])
def test_a_preflight_of_a_declared_origin_is_answered(server: Server, path: str, method: str) -> None:
    answer = server.request("OPTIONS", path, Origin=ORIGIN, **{"Access-Control-Request-Method": method})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    assert answer.headers["Access-Control-Allow-Methods"] == method
    assert (answer.headers["Access-Control-Allow-Headers"], answer.headers["Vary"]) == ("Content-Type", "Origin")


def test_a_preflight_of_another_origin_is_refused_in_a_sentence(server: Server) -> None:
    answer = server.request("OPTIONS", "/events", Origin=OTHER)
    assert (answer.status, answer.text) == (403, "this origin is not declared: add it to collector_origins\n")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_an_event_of_a_declared_origin_is_stored_and_its_answer_may_be_read(server: Server) -> None:
    sent = event()
    answer = server.request("POST", "/events", compact([sent]), Origin=ORIGIN)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, ORIGIN)
    assert (answer.headers["Vary"], answer.headers["Access-Control-Expose-Headers"]) == ("Origin", "Retry-After")
    assert server.stored()[-1] == compact(sent)


@pytest.mark.parametrize("body", [b"nonsense", b"[" + b" " * (256 * 1024) + b"]"], ids=["400", "413"])
def test_a_refusal_may_be_read_too(server: Server, body: bytes) -> None:
    answer = server.request("POST", "/events", body, Origin=ORIGIN)
    assert answer.status in (400, 413)
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN


@pytest.mark.parametrize("origin", [OTHER, "null", ORIGIN.upper(), f"{ORIGIN}.evil.example", "*", ""])
def test_the_answer_to_another_origin_is_kept_from_its_page(server: Server, origin: str) -> None:
    answer = server.request("POST", "/events", compact([event()]), Origin=origin)
    assert (answer.status, answer.headers["Vary"]) == (204, "Origin")
    assert "Access-Control-Allow-Origin" not in answer.headers


def test_no_origin_is_declared_unless_somebody_does(closed: Server) -> None:
    assert closed.request("OPTIONS", "/events", Origin=ORIGIN).status == 405
    answer = closed.request("POST", "/events", compact([event()]), Origin=ORIGIN)
    assert answer.status == 204
    assert not {"Access-Control-Allow-Origin", "Vary"} & answer.headers.keys()


def test_any_origin_is_allowed_when_that_is_declared() -> None:
    with collector(origins=("*",)) as server:
        answer = server.request("POST", "/events", compact([event()]), Origin=OTHER)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")


@pytest.mark.parametrize("path", ["/e?id=nonsense", "/e"])
@pytest.mark.parametrize("method", ["GET", "OPTIONS", "POST"])
def test_the_beacon_is_never_cached(server: Server, path: str, method: str) -> None:
    assert server.request(method, path, Origin=ORIGIN).headers["Cache-Control"] == "no-store"
