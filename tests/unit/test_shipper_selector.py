"""What of the spool can be stored, and why the rest cannot."""

from __future__ import annotations

import pytest

from primetime.event import ulid
from primetime.shipper import selector
from primetime.shipper.selector import Unfit, kind, places, select

ID = ulid(1_700_000_000_000, 1)


def text(id_: str = f'"{ID}"', show: str = '"quiz"', pos_ms: str = "12", more: str = "") -> bytes:
    return f'{{"id":{id_},"show":{show},"pos_ms":{pos_ms}{more}}}'.encode()


UNFIT = [
    (b"{", "not JSON", None),
    (b"\xff", "not JSON", None),
    (text(more=',"data":' + '{"a":' * 100_000), "not JSON", None),
    (b"[1]", "not a JSON object", None),
    (b"null", "not a JSON object", None),
    (text(show='"Quiz"'), "show is missing", None),
    (text(show="7"), "show is missing", None),
    (b'{"id":"%s","pos_ms":1}' % ID.encode(), "show is missing", None),
    (text(id_=f'"{ID[:-1]}"'), "id is missing", "quiz"),
    (text(id_=f'"{ID.lower()}"'), "id is missing", "quiz"),
    (text(id_='"8' + ID[1:] + '"'), "id is missing", "quiz"),
    (text(id_=f'"{ID}\\n"'), "id is missing", "quiz"),
    (text(id_="1"), "id is missing", "quiz"),
    (text(pos_ms="86400001"), "pos_ms is missing", "quiz"),
    (text(pos_ms="-1"), "pos_ms is missing", "quiz"),
    (text(pos_ms="1.0"), "pos_ms is missing", "quiz"),
    (text(pos_ms="true"), "pos_ms is missing", "quiz"),
    (text(pos_ms='"1"'), "pos_ms is missing", "quiz"),
]


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize(("event", "reason", "show"), UNFIT, ids=repr)
def test_an_unfit_event_has_a_reason(event: bytes, reason: str, show: str | None, known: bool) -> None:
    """`known`: an event of its show was stored before."""
    selector._seen.clear()
    if known:
        assert select(text()) == {"id": ID, "show": "quiz", "pos_ms": 12}
    unfit = select(event)
    assert isinstance(unfit, Unfit)
    assert unfit.reason.startswith(reason)
    assert unfit.show == show


@pytest.mark.parametrize("pos_ms", [0, 1, 86_400_000])
def test_an_event_is_placed_by_id_show_and_position(pos_ms: int) -> None:
    selected = select(text(pos_ms=str(pos_ms)))
    assert selected == {"id": ID, "show": "quiz", "pos_ms": pos_ms}


@pytest.mark.parametrize("data", [r'"\ud83d"', "1e999", "-0", "123456789012345678901234567890"])
def test_what_javascript_sends_is_stored_though_the_fast_parser_refuses_it(data: str) -> None:
    selected = select(text(more=f',"data":{{"x":{data}}}'))
    assert not isinstance(selected, Unfit)
    assert selected["id"] == ID


def test_half_an_emoji_can_be_written_out_again() -> None:
    selected = select(text(more=r',"type":"\ud83d"'))
    assert not isinstance(selected, Unfit)
    assert kind(selected).encode() == b"?"


@pytest.mark.parametrize("more", ["", ',"type":7', ',"type":null'])
def test_an_event_without_a_type_is_of_type_unknown(more: str) -> None:
    selected = select(text(more=more))
    assert not isinstance(selected, Unfit)
    assert kind(selected) == "unknown"


@pytest.mark.parametrize("event", [event for event, _, _ in UNFIT], ids=repr)
def test_among_many_an_unfit_event_is_not_overlooked(event: bytes) -> None:
    assert select(text()) == {"id": ID, "show": "quiz", "pos_ms": 12}
    assert places([text(), text(pos_ms="0")]) == ([ID, ID], ["quiz", "quiz"], [12, 0])
    assert places([text(), event]) is places([event, text()]) is None


def test_events_of_a_show_that_is_new_are_looked_at_one_by_one() -> None:
    selector._seen.clear()
    assert places([text()]) is None
    select(text())
    assert places([text()]) == ([ID], ["quiz"], [12])
