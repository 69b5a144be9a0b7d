"""The reference client for browsers, in Debian's Chromium, against real collectors on another origin."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from primetime.event import ULID
from primetime.paths import REPO
from tests.browser import chromium
from tests.wire.collector_server import SHOW, Server, collector, wait_for

pytestmark = pytest.mark.long  # needs Chromium

PAGE = """<!doctype html><meta charset="utf-8"><title>client</title>
<script type="module">
  import { PrimetimeClient } from "./primetime-client.js"
  window.open_client = (address) => { window.client = new PrimetimeClient([address], { timeoutMs: 2000 }) }
  window.ready = true
</script>
"""
SEND = "return Array.from({length: arguments[0]}, (_, n) => client.send({...arguments[1], pos_ms: n}))"


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is served from."""
    folder = tmp_path_factory.mktemp("page")
    (folder / "index.html").write_text(PAGE)
    (folder / "primetime-client.js").write_text((REPO / "docs" / "clients" / "primetime-client.js").read_text())
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=folder)) as pages:
        Thread(target=pages.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{pages.server_port}"
        pages.shutdown()


@pytest.fixture
def server(origin: str) -> Iterator[Server]:
    with collector(origins=(origin,)) as running:
        yield running


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Any]:
    with chromium(tmp_path / "profile") as driver:
        yield driver


def visit(browser: Any, origin: str, server: Server) -> None:
    """Open the page, with a client of one collector."""
    browser.get(f"{origin}/index.html")
    wait_for("the page's module", lambda: browser.execute_script("return window.ready"))
    browser.execute_script(f"open_client('http://127.0.0.1:{server.settings.port}')")


def send(browser: Any, count: int, **changes: Any) -> list[str]:
    event = {"show": SHOW, "user": "ü1", "type": "answer", **changes}
    return list(browser.execute_script(SEND, count, event))


def waits(browser: Any) -> int:
    return int(browser.execute_script("return client.waiting().length"))


def stored_ids(server: Server) -> list[str]:
    """The ids of the different events in the spool."""
    return sorted(json.loads(event)["id"] for event in set(server.stored()))


def test_events_of_a_declared_origin_are_stored_and_forgotten(browser: Any, origin: str, server: Server) -> None:
    visit(browser, origin, server)
    ids = send(browser, 250)
    wait_for("acknowledgements", lambda: waits(browser) == 0, 20)
    assert all(ULID.fullmatch(event_id) for event_id in ids)
    assert stored_ids(server) == sorted(ids)


def test_nothing_is_lost_while_collectors_are_killed(browser: Any, origin: str, server: Server) -> None:
    visit(browser, origin, server)
    ids = []
    for _ in range(3):
        ids += send(browser, 150)
        server.kill()
        ids += send(browser, 50)
        server.start()
    wait_for("acknowledgements", lambda: waits(browser) == 0, 60)
    assert stored_ids(server) == sorted(ids)


def test_what_a_closed_page_had_not_sent_the_next_page_sends(browser: Any, origin: str, server: Server) -> None:
    visit(browser, origin, server)
    server.kill()
    ids = send(browser, 40)
    browser.get("about:blank")
    server.start()
    visit(browser, origin, server)
    wait_for("acknowledgements", lambda: waits(browser) == 0, 30)
    assert stored_ids(server) == sorted(ids)


def test_a_closing_page_sends_what_waits_in_its_last_moment(browser: Any, origin: str, server: Server) -> None:
    visit(browser, origin, server)
    browser.execute_async_script(
        "const done = arguments[0]; client.close().then(done)"
    )  # nothing is sent but by the end
    ids = send(browser, 40)
    browser.get("about:blank")
    wait_for("the beacon", lambda: stored_ids(server) == sorted(ids))


def test_a_bad_event_is_parked_and_the_others_of_its_batch_are_stored(
    browser: Any, origin: str, server: Server
) -> None:
    visit(browser, origin, server)
    server.kill()
    good = send(browser, 10)
    (bad,) = send(browser, 1, show="never-declared")
    good += send(browser, 10)
    server.start()
    wait_for("acknowledgements", lambda: waits(browser) == 0, 30)
    (parked,) = browser.execute_script("return client.parked()")
    assert json.loads(parked["event"])["id"] == bad
    assert parked["reason"].startswith("400 event 0 has a show that is not declared")
    assert stored_ids(server) == sorted(good)


def test_an_origin_that_is_not_declared_is_told_nothing_and_keeps_its_events(browser: Any, origin: str) -> None:
    with collector(origins=("https://elsewhere.example",)) as server:
        visit(browser, origin, server)
        send(browser, 1)
        wait_for("a refusal", lambda: browser.execute_script("return client.trouble"))
        assert waits(browser) == 1
