"""Mutated batches against a second opinion: Python's JSON parser, made strict, with the contract's rules on top."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import re
import socket
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from primetime.event import MAX_POS_MS, ULID
from primetime.shipper.hbase_sink import HbaseSink
from primetime.shipper.spool import Spool
from tests.shipping import MemoryHbase
from tests.wire.collector_server import PATIENCE_S, SHOW, Server, collector, event, new_id

LONGEST = {"user": 256, "type": 64}  # bytes, as written
SPACE = re.compile(r"[ \t\r\n]*")
ESCAPE = re.compile(r"\\(?:u....|.)")
PIECES = (
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b"\\",
        b"\t",
        b"\n",
        b"\r",
        b"\0",
        b"-",
        b".",
        b"e",
        b"+",
        b"0",
        b"1",
        b"9",
    ),
    *(b" ", b"true", b"false", b"null", b"NaN", b'""', b"[]", b"{}", b",,", b"\\u", b'\\"', b"1e5", b"-0", b"86400000"),
    *(b'"id":', b'"show":', b'"pos_ms":', b'"user":', b'"type":', b'"\\u0069d":', b'"data":{"a":[', b"86400001"),
    *(b"\xc3\xa9", b"\xe2\x82\xac", b"\xf0\x9f\x98\x80", b"\xff", b"\xc3", b"\xed\xa0\x80", b"\x7f", b"\x1f"),
    *(b'"news"', f'"{SHOW}"'.encode(), b'"01ARZ3NDEKTSV4RRFFQ69G5FAV"', b"[" * 31, b"]" * 31),
)


class Refused(Exception):
    """The second opinion is 400."""


class Number(str):
    """A number as it was written."""


def refuse(*_: Any) -> Any:
    raise Refused


DECODER = json.JSONDecoder(
    object_pairs_hook=tuple, parse_int=Number, parse_float=Number, parse_constant=refuse, strict=True
)


def depth(value: Any) -> int:
    if isinstance(value, tuple):
        return 1 + max((depth(inner) for _, inner in value), default=0)
    return 1 + max(map(depth, value), default=0) if isinstance(value, list) else 0


def check_event(text: str) -> None:
    """Raise Refused unless the object `text` is an event."""
    mark = next(letter for letter in map(chr, range(0xE000, 0xF900)) if letter not in text)
    # Escapes are seen, not decoded, and keep their length: keys and ids must have none.
    members = DECODER.decode(ESCAPE.sub(lambda escape: mark * len(escape[0]), text))
    if not isinstance(members, tuple) or depth(members) > 32 or any(mark in key for key, _ in members):
        raise Refused
    keys = [key for key, _ in members]
    values = dict(members)
    if [keys.count(key) for key in ("id", "show", "pos_ms")] != [1, 1, 1]:
        raise Refused
    if isinstance(values["id"], Number) or not isinstance(values["id"], str) or not ULID.fullmatch(values["id"]):
        raise Refused
    if isinstance(values["show"], Number) or values["show"] not in (SHOW, "news"):
        raise Refused
    position = values["pos_ms"]
    if not (isinstance(position, Number) and re.fullmatch("0|[1-9][0-9]*", position) and int(position) <= MAX_POS_MS):
        raise Refused
    for key, value in members:
        if key in LONGEST and (isinstance(value, Number) or not isinstance(value, str)):
            raise Refused
        if key in LONGEST and len(value.replace(mark, "x").encode()) > LONGEST[key]:
            raise Refused


def second_opinion(body: bytes) -> list[bytes]:
    """The events of a body; raises Refused or ValueError when it is no batch."""
    text = body.decode()
    at = SPACE.match(text).end()  # type: ignore[union-attr]
    if text[at : at + 1] != "[":
        raise Refused
    events = []
    while True:
        at = SPACE.match(text, at + 1).end()  # type: ignore[union-attr]
        _, end = DECODER.raw_decode(text, at)
        check_event(text[at:end])
        events.append(text[at:end].encode().translate(bytes.maketrans(b"\r\n\t", b"   ")))
        at = SPACE.match(text, end).end()  # type: ignore[union-attr]
        if text[at : at + 1] != ",":
            break
    if text[at : at + 1] != "]" or text[at + 1 :].strip(" \t\r\n") or len(events) > 100:
        raise Refused
    return events


def mutated(body: bytes, chance: random.Random) -> bytes:
    """The body with up to three small changes."""
    for _ in range(chance.choice((0, 1, 1, 2, 3))):
        start = chance.randrange(len(body) + 1)
        end = min(len(body), start + chance.choice((0, 0, 1, 2, 8)))
        change = chance.choice((chance.choice(PIECES), chance.randbytes(1), body[end : end + 30]))
        body = body[:start] + change + body[end:]
    return body


def batch(chance: random.Random) -> bytes:
    """A batch to start from: compact, spaced or over several lines; sometimes at the limit of 100."""
    count = chance.choice((2, 5, 100)) if chance.random() < 0.1 else 1
    data = (None, 1.5, "é\n\\", {"poll": "p1", "choice": ["a", {"b": None}]})
    style = chance.choice(({"separators": (",", ":")}, {}, {"indent": "\t"}, {"ensure_ascii": False}))
    return json.dumps([event(id=new_id(), data=chance.choice(data)) for _ in range(count)], **style).encode()


@pytest.mark.parametrize("seed", [1, 2])
def test_the_collector_takes_what_a_strict_parser_takes_and_stores_its_bytes(seed: int) -> None:
    chance, expected, taken, refused = random.Random(seed), list[bytes](), 0, 0
    with collector() as server:
        connection = http.client.HTTPConnection("127.0.0.1", server.settings.port, timeout=PATIENCE_S)
        for _ in range(2500):
            body = mutated(batch(chance), chance)
            try:
                events, status = second_opinion(body), 204
            except (Refused, ValueError, RecursionError):
                events, status = [], 400
            connection.request("POST", "/events", body)
            response = connection.getresponse()
            text = response.read()
            assert response.status == status, f"{text!r} for {body!r}"
            expected += events
            taken, refused = taken + (status == 204), refused + (status == 400)
        connection.close()
        assert min(taken, refused) > 500, "both sides of the fence were tried"
        assert server.stored() == expected
        assert shipped(server.spool, len(expected)) == (sorted(set(expected)), [])


def shipped(spool: Path, events: int) -> tuple[list[bytes], list[dict[str, bytes]]]:
    """What a shipper makes of the spool: the events in HBase, and the dead letters."""
    hbase = MemoryHbase()
    sink = HbaseSink(Spool(spool), hbase, settle_s=0)
    read = sink.step()
    while read < events:
        read += sink.step()
    return hbase.events(), hbase.letters()


@pytest.mark.parametrize("seed", [1, 2])
def test_whatever_is_sent_is_answered_or_hung_up_on_and_never_a_fault_of_the_collector_s(seed: int) -> None:
    chance, statuses = random.Random(seed), Counter[int]()
    with collector() as server:
        for _ in range(400):
            body = mutated(batch(chance), chance)
            head = b"POST /events HTTP/1.1\r\nHost: collector\r\nContent-Length: %d\r\n\r\n" % len(body)
            answer = sent_whole(server, mutated(head, chance) + body)
            for status in re.findall(rb"HTTP/1\.1 (\d\d\d) ", answer):
                statuses[int(status)] += 1
                assert not status.startswith(b"5") or (status == b"503" and b"Retry-After" in answer), answer
        assert statuses[204] > 3 and statuses[400] > 100, statuses
        assert server.post([event()]).status == 204
        assert len(server.workers()) == server.settings.workers
        assert "signal" not in server.log.read_text(), "no worker died"


def sent_whole(server: Server, raw: bytes) -> bytes:
    """All that comes back when nothing more will be sent."""
    answer = b""
    with server.connect() as connection, contextlib.suppress(ConnectionError):
        connection.sendall(raw)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65536):
            answer += part
    return answer
