"""What the collector refuses: every answer names what is wrong, and leaves nothing in the spool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.wire.collector_server import SHOW, Server, collector, compact, event, new_id

GOOD = compact(event())
NOT_UTF8 = (b"\xff", b"\x80", b"\xc3", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xf5")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with collector() as running:
        yield running


def edited(old: str, new: str) -> bytes:
    """A good event with one thing changed in its bytes."""
    assert GOOD.count(old.encode()) == 1
    return GOOD.replace(old.encode(), new.encode("utf-8", "surrogateescape"))


def with_data(data: str) -> bytes:
    return edited('"type"', f'"data":{data},"type"')


BODIES = {
    "the body is empty: send a JSON array of 1 to 100 events": [b""],
    "the body is not a JSON array of events": [b"hello", GOOD, b"\xef\xbb\xbf[" + GOOD + b"]", b"null", b"\0", b" "],
    "the array is empty: send 1 to 100 events": [b"[]", b" [ ] "],
    "the array has more than 100 events": [compact([event() for _ in range(101)])],
    "something follows the array": [b"[" + GOOD + b"]]", b"[" + GOOD + b"]x", b"[" + GOOD + b"]\0"],
    "event 0 is not followed by a comma or the array's end": [b"[" + GOOD, b"[" + GOOD + b";]", b"[" + GOOD + b"}]"],
    "event 1 is not a JSON object": [b"[" + GOOD + b",]", b"[" + GOOD + b",[]]", b"[" + GOOD + b",null]"],
}

EVENTS = {
    "has no id": [compact(event(id=None)), b"{}"],
    "has no show": [compact(event(show=None))],
    "has no pos_ms": [compact(event(pos_ms=None))],
    "has an id that is not a ULID": [
        compact(event(id=bad))
        for bad in (7, "", new_id().lower(), "8" + new_id()[1:], new_id()[:-1], new_id() + "0", new_id()[:-1] + "U")
    ]
    + [edited('"id":"0', '"id":"\\u0030'), b'{"id":"01'],
    "has a show that is not a string": [compact(event(show=7))],
    "has a show that is not declared": [compact(event(show=bad)) for bad in ("", "quiz", SHOW.upper(), f"{SHOW}x")]
    + [edited("quiz", "\\u0071uiz")],
    "has a pos_ms that is not a whole number from 0 to 86400000": [
        edited(":1500", f":{bad}")
        for bad in ("-1", "-0", "1.0", "1e3", "01", "00", '"1500"', "86400001", "1" * 400, "null", "[]", "+1", "0x10")
    ],
    "has a user that is not a string": [compact(event(user=7)), edited('"ann"', "null")],
    "has a type that is not a string": [compact(event(type=["vote"]))],
    "has a type longer than 64 bytes": [compact(event(type="x" * 65)), edited('"answer"', '"' + "ü" * 33 + '"')],
    "has a user longer than 256 bytes": [compact(event(user="x" * 257)), edited('"ann"', '"' + "\\u0041" * 43 + '"')],
    "has id, show or pos_ms twice": [
        edited('"user"', f'"id":"{new_id()}","user"'),
        edited('"user"', f'"show":"{SHOW}","user"'),
        edited('"user"', '"pos_ms":1500,"user"'),
    ],
    "has a key with a backslash": [edited('"user"', '"\\u0069d":1,"user"'), edited('"user"', '"a\\n":1,"user"')],
    "has invalid UTF-8": [edited("ann", bad.decode("utf-8", "surrogateescape")) for bad in NOT_UTF8]
    + [edited('"user"', '"\udcff":1,"user"')],
    "has a raw control character in a string": [edited("ann", f"a{bad}n") for bad in "\n\r\t\x01\x1f"]
    + [edited('"user"', '"us\ner"'), with_data('"\t"')],
    "ends or has a NUL within a string": [edited("ann", "a\0n"), GOOD[: GOOD.index(b"ann")]],
    "has an unknown escape": [edited("ann", bad) for bad in ("\\x", "\\u12", "\\u12g4", "\\U0041")],
    "has a number with a leading zero": [with_data(bad) for bad in ("00", "-01", "[01]")],
    "has a malformed number": [with_data(bad) for bad in ("-", "1.", "1e", "1e+", "-a", "1.e2", "-Infinity")],
    "is nested deeper than 32": [with_data("[" * 32 + "]" * 32), with_data('{"a":' * 5000 + "1" + "}" * 5000)],
    "is not JSON": [
        with_data(bad) for bad in ("NaN", "Infinity", "nul", "True", "'a'", "0x10", ".5", "+1", "[1,]", "[,1]", "{,}")
    ]
    + [
        with_data('{"a":1,}'),
        with_data('{"a"}'),
        with_data("{a:1}"),
        with_data("{1:1}"),
        with_data("[1 2]"),
        with_data("[}"),
        with_data("[1"),
        with_data("/* */1"),
        edited(',"user"', ' "user"'),
        edited(',"user"', ',,"user"'),
        edited('"user":', '"user"'),
        GOOD[:-1] + b",}",
        GOOD[:-1],
        edited('{"id"', '{id"'),
        edited('"user"', '\x0b"user"'),
    ],
}


def cases(table: Mapping[str, Sequence[bytes | str]]) -> list[Any]:
    """What is refused with which sentence; named by it, since what is refused is another at each run."""
    return [
        pytest.param(sentence, bad, id=f"{sentence} ({number})")
        for sentence, examples in table.items()
        for number, bad in enumerate(examples, 1)
    ]


@pytest.mark.parametrize(("sentence", "body"), cases(BODIES))
def test_a_body_that_is_no_batch_is_told_so(server: Server, sentence: str, body: bytes) -> None:
    answer = server.post(body)
    assert (answer.status, answer.headers["Content-Type"]) == (400, "text/plain")
    assert answer.text.startswith(sentence)
    assert server.stored() == []


@pytest.mark.parametrize(("sentence", "bad"), cases(EVENTS))
def test_a_bad_event_is_named_by_its_index(server: Server, sentence: str, bad: bytes) -> None:
    answer = server.post(b"[" + GOOD + b", " + bad + b"]")
    assert answer.status == 400
    assert answer.text.startswith(f"event 1 {sentence}"), answer.text
    assert answer.text.count("\n") == 1
    assert server.stored() == []


BEACON = {"id": new_id(), "show": SHOW, "pos_ms": "7", "user": "ann"}
BEACONS = {
    "event 0 has no id": [""],
    "event 0 has no pos_ms": [urlencode({"id": new_id(), "show": SHOW})],
    "event 0 has an id that is not a ULID": [urlencode({**BEACON, "id": "a"})],
    "event 0 has a show that is not declared": [urlencode({**BEACON, "show": 'a","id":"b'})],
    "event 0 has a pos_ms that is not a whole number": [urlencode({**BEACON, "pos_ms": "007"})],
    "pos_ms is not a whole number": [urlencode({**BEACON, "pos_ms": '7,"x":1'}), urlencode({**BEACON, "pos_ms": ""})],
    "at is not a whole number": [urlencode({**BEACON, "at": "-1"})],
    "event 0 has a number with a leading zero": [urlencode({**BEACON, "at": "01"})],
    "event 0 has invalid UTF-8": [urlencode(BEACON) + "%ff"],
    "user has a percent sign without two hex digits": [urlencode(BEACON) + "%4"],
    "the beacon has id twice": [urlencode(BEACON) + "&id=" + new_id()],
    "a beacon has only id, show, pos_ms, user, type, at": [
        urlencode({**BEACON, "data": "1"}),
        urlencode(BEACON) + "&type",
    ],
}


@pytest.mark.parametrize(("sentence", "query"), cases(BEACONS))
def test_a_bad_beacon_is_told_what_is_wrong(server: Server, sentence: str, query: str) -> None:
    answer = server.get(f"/e?{query}")
    assert (answer.status, answer.headers["Cache-Control"]) == (400, "no-store")
    assert answer.text.startswith(sentence), answer.text
    assert server.stored() == []
