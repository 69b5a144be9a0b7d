"""What the collector accepts, and what it then has on disk: the contracts "Event" and "Spool"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urlencode

import pytest

from tests.wire.collector_server import SHOW, Server, collector, compact, event, new_id


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with collector() as running:
        yield running


def test_an_acknowledged_event_is_in_the_spool_byte_for_byte(server: Server) -> None:
    raw = b'{"user":"ann", "id":"%s","extra":[1.50,"\\u00e9\xc3\xa9"],"show":"news","pos_ms":0}' % new_id().encode()
    assert server.post(b"[" + raw + b"]").status == 204
    assert server.stored()[-1] == raw


def test_a_batch_of_a_hundred_is_in_the_spool_in_its_order(server: Server) -> None:
    batch = [event(pos_ms=position) for position in range(100)]
    assert server.post(batch).status == 204
    assert server.stored()[-100:] == [compact(each) for each in batch]


def test_a_batch_of_256_kib_is_stored(server: Server) -> None:
    room = 256 * 1024 - len(compact([event(data="")]))
    batch = [event(data="x" * room)]
    assert len(compact(batch)) == 256 * 1024
    assert server.post(batch).status == 204
    assert server.stored()[-1] == compact(batch[0])


def test_line_breaks_and_tabs_between_tokens_become_spaces(server: Server) -> None:
    raw = b'{\r\n\t"id":\t"%s",\n"show" :"news","pos_ms":\r7, "data":[\n{}\t]}' % new_id().encode()
    assert server.post(b"\n[\t" + raw + b" \r\n,\n" + compact(event()) + b"]\n").status == 204
    assert server.stored()[-2] == raw.translate(bytes.maketrans(b"\r\n\t", b"   "))


@pytest.mark.parametrize(
    "data",
    [
        "-0.0",
        "1e400",
        "123456789012345678901234567890",
        "1E+2",
        '"\\ud800"',
        '"\\"\\\\\\/\\b\\f\\n\\r\\t"',
        '"\x7f\u2028\U0010ffff"',
        "[[],{},[{}]]",
        "null",
        "[" * 31 + "]" * 31,
        '{"id":"a","id":"b","\\u0069d":1}',
    ],
)
def test_whatever_json_allows_in_data_is_kept_as_it_came(server: Server, data: str) -> None:
    raw = compact(event())[:-1] + b',"data":' + data.encode() + b"}"
    assert server.post(b"[" + raw + b"]").status == 204
    assert server.stored()[-1] == raw


@pytest.mark.parametrize("changes", [{"user": None, "type": None}, {"at": 1, "type": ""}, {"pos_ms": 86_400_000}])
def test_what_is_optional_may_be_absent(server: Server, changes: dict[str, object]) -> None:
    assert server.post([event(**changes)]).status == 204


def test_a_beacon_is_written_with_its_keys_in_one_order(server: Server) -> None:
    query = {"at": "1795246742274", "type": "vote", "user": "ann", "pos_ms": "7", "show": SHOW, "id": new_id()}
    answer = server.get(f"/e?{urlencode(query)}")
    assert (answer.status, answer.headers["Cache-Control"]) == (204, "no-store")
    ordered = {"id": query["id"], "show": SHOW, "pos_ms": 7, "user": "ann", "type": "vote", "at": 1795246742274}
    assert server.stored()[-1] == compact(ordered)


@pytest.mark.parametrize("user", ['"],}\\', "a b+c&d=e%", "\x00\x01\n\x1f\x7f", "grün \U0001f600", ""])
def test_a_beacon_s_text_survives_the_way_into_json(server: Server, user: str) -> None:
    query = {"id": new_id(), "show": SHOW, "pos_ms": "7", "user": user}
    assert server.get(f"/e?{urlencode(query)}").status == 204
    assert json.loads(server.stored()[-1])["user"] == user


def test_a_record_carries_when_it_was_received(server: Server) -> None:
    before = server.segments()[-1].records[-1].received_ms
    assert server.post([event()]).status == 204
    after = server.segments()[-1].records[-1].received_ms
    assert before <= after <= before + 60_000


def test_no_line_of_a_segment_is_anything_but_an_event(server: Server) -> None:
    for stored in server.stored():
        assert json.loads(stored)["show"] in (SHOW, "news")
