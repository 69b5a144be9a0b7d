"""What a program of ours tells Prometheus is what it has at that moment, and nothing else is told."""

from __future__ import annotations

import socket
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count

import pytest

from primetime import telling
from primetime.verify.samples import samples
from tests.waiting import PATIENCE_S


@contextmanager
def teller(rendered: Callable[[], str]) -> Iterator[int]:
    """Its port."""
    with telling.Teller(("127.0.0.1", 0), rendered) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def test_it_tells_what_there_is_when_it_is_asked() -> None:
    asked = count(1)
    with teller(lambda: f"asked_total {next(asked)}\n") as port:
        assert [samples("127.0.0.1", port) for _ in range(2)] == [{"asked_total": 1}, {"asked_total": 2}]


def test_nothing_else_is_there() -> None:
    with teller(lambda: "") as port, pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=PATIENCE_S)


def test_those_who_never_ask_keep_nobody_waiting_and_are_hung_up_on(monkeypatch: pytest.MonkeyPatch) -> None:
    with teller(lambda: "up 1\n") as port, ExitStack() as asking:
        with monkeypatch.context() as patched:
            patched.setattr(telling._Answer, "timeout", 0.3)
            hung = [asking.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S)) for _ in range(4)]
            assert [one.recv(1) for one in hung] == [b""] * len(hung)
        hung = [asking.enter_context(socket.create_connection(("127.0.0.1", port), PATIENCE_S)) for _ in range(4)]
        assert samples("127.0.0.1", port) == {"up": 1}
