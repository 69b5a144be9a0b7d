"""What a phone in the room may send, and what becomes of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from primetime.stage.audience import BEGINS_MS, Allowance, Audience, event_of

VOTE = {"id": "01JD6Q2V5K8X3M9R7T1W4Y6Z0A", "user": "phone-0123456789abcdef", "choice": "b", "pos_ms": BEGINS_MS + 5}


def body(**changes: Any) -> bytes:
    return json.dumps({**VOTE, **changes}).encode()


def test_a_vote_becomes_an_event_of_the_show() -> None:
    event = event_of(body(), "quiz")
    assert event is not None
    assert json.loads(event) == {
        **{"id": VOTE["id"], "show": "quiz", "pos_ms": VOTE["pos_ms"], "user": VOTE["user"], "type": "vote"},
        "data": {"poll": "room", "choice": "b"},
    }


def test_the_same_vote_sent_again_is_the_same_bytes() -> None:
    shuffled = json.dumps(dict(reversed(VOTE.items())), indent=1).encode()
    assert event_of(body(), "quiz") == event_of(shuffled, "quiz")


@pytest.mark.parametrize(
    "bad",
    [
        *(b"", b"[]", b"{", b"null", b'"a"', body(x="y" * 600)),
        *(
            body(id="x"),
            body(id=VOTE["id"] + "A"),
            body(id=None),
            body(user="viewer-0000001"),
            body(user="phone-" + "a" * 40),
        ),
        *(body(choice="e"), body(choice=["a"]), body(choice=None), body(pos_ms=0), body(pos_ms=True), body(pos_ms=1e9)),
        body(pos_ms=86_400_001),
        body(pos_ms=BEGINS_MS + 0.5),
    ],
)
def test_what_is_no_vote_goes_nowhere(bad: bytes) -> None:
    assert event_of(bad, "quiz") is None
    assert Audience("quiz", [("127.0.0.1", 1)]).vote(bad, "phone").status == 400


def test_a_phone_cannot_flood_the_room() -> None:
    now = [0.0]
    allowance = Allowance(2.0, lambda: now[0])
    assert [allowance.take("one") for _ in range(12)] == [True] * 10 + [False] * 2
    assert allowance.take("another")
    now[0] = 1.0
    assert [allowance.take("one") for _ in range(3)] == [True, True, False]


@pytest.fixture
def collector() -> Iterator[tuple[tuple[str, int], list[bytes]]]:
    """A server that takes what a collector would; where it is, and what it was sent."""
    got: list[bytes] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Taking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield ("127.0.0.1", server.server_port), got
        server.shutdown()


def test_a_collector_that_is_away_is_passed_over(collector: tuple[tuple[str, int], list[bytes]]) -> None:
    where, got = collector
    audience = Audience("quiz", [("127.0.0.1", 1), where])
    assert [audience.vote(body(), "phone").status for _ in range(2)] == [204, 204]
    assert got == [b"[" + (event_of(body(), "quiz") or b"") + b"]"] * 2


def test_a_phone_is_told_when_no_collector_answers() -> None:
    assert Audience("quiz", [("127.0.0.1", 1)]).vote(body(), "phone").status == 503


def test_a_phone_s_later_vote_is_later_in_the_show_though_the_stage_was_started_again() -> None:
    before = Audience("quiz", [], clock=lambda: 1_796_000_000.0).poll()
    after = Audience("quiz", [], clock=lambda: 1_796_000_060.5).poll()
    assert after["pos_ms"] - before["pos_ms"] == 60_500
