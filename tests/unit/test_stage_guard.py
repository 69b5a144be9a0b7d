"""Who is let through to a stage: by Host, by Origin, by token."""

from __future__ import annotations

from typing import Any

import pytest

from primetime.stage.guard import Guard

HOST = "127.0.0.1:8300"


async def nothing(*_: Any) -> None:
    """An application that is not reached."""


GUARD = Guard(nothing, hosts=[HOST, "localhost:8300"], token="tock", open_paths=["/", "/vote"])


def status(method: str = "GET", path: str = "/snapshot", query: str = "", **headers: str) -> int:
    """What a request is answered; 200 when it is let through. Without `authorization` it has the token."""
    given = {"host": HOST, "authorization": "Bearer tock"} | {n.replace("_", "-"): v for n, v in headers.items()}
    raw = [(name.encode(), value.encode()) for name, value in given.items()]
    scope = {"type": "http", "method": method, "path": path, "query_string": query.encode(), "headers": raw}
    return GUARD.refusal(scope)[0]


def test_its_own_page_is_let_through() -> None:
    own = {"origin": f"http://{HOST}", "sec_fetch_site": "same-origin"}
    assert status(**own) == status("POST", "/moments/burst", **own) == 200


@pytest.mark.parametrize("host", ["stage.attacker.example:8300", "127.0.0.1", "127.0.0.1:80", "10.0.0.1:8300", ""])
def test_a_name_that_was_made_to_resolve_here_is_refused(host: str) -> None:
    assert status(host=host) == status(path="/", host=host) == 421


@pytest.mark.parametrize("origin", ["http://attacker.example", "null", f"https://{HOST}", "http://127.0.0.1:9999"])
def test_a_page_of_another_site_is_refused_even_with_the_token(origin: str) -> None:
    assert status("POST", "/moments/burst", origin=origin) == status("POST", "/vote", origin=origin) == 403


def test_what_a_browser_says_of_another_site_is_enough_to_refuse() -> None:
    assert status("POST", "/moments/burst", sec_fetch_site="cross-site") == 403
    assert status("GET", "/snapshots", sec_fetch_site="same-site") == 403


def test_a_link_from_elsewhere_may_open_the_page() -> None:
    assert status(path="/", sec_fetch_site="cross-site", authorization="") == 200


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer tick", "Basic tock", "Bearer tock "])
def test_without_its_token_nothing_is_told_and_nothing_is_done(authorization: str) -> None:
    assert status(authorization=authorization) == 401
    assert status("POST", "/moments/burst", authorization=authorization) == 401


def test_a_token_in_the_address_reads_and_does_nothing() -> None:
    assert status(query="token=tock", authorization="") == 200
    assert status("POST", "/moments/burst", query="token=tock", authorization="") == 401


def test_what_is_open_needs_no_token_but_a_page_of_the_stage_to_send_it() -> None:
    assert status(path="/", authorization="") == 200
    assert status("POST", "/vote", authorization="") == 403
    assert status("POST", "/vote", authorization="", origin=f"http://{HOST}") == 200
