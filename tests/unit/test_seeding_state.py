"""The hash of a seeded state: the same by what is stored, in whatever order it came; another by any id or byte."""

from __future__ import annotations

import json
from functools import cache

import pytest

from primetime.event import digest, row_key
from primetime.seeding import state
from primetime.seeding.state import Seeded
from primetime.shipper.deadletters import DeadLetter
from primetime.shipper.spool import SegmentId
from tests.memory_hbase import ReadHbase

SHOW = "quiz-20261114"


@cache
def seeded() -> Seeded:
    """A part of a show's audience: enough, and quick."""
    return Seeded(1, {SHOW: Seeded.of([SHOW], 1).events[SHOW][::40]})


@pytest.fixture
def hbase() -> ReadHbase:
    """HBase with all of it, and with an event of another show."""
    hbase = ReadHbase()
    for event in reversed(seeded().events[SHOW]):
        hbase.store(event)
    hbase.store(seeded().events[SHOW][0].replace(SHOW.encode(), b"quiz-20261121"))
    return hbase


def test_what_is_stored_has_the_hash_that_the_seed_says(hbase: ReadHbase) -> None:
    assert state.found(hbase, None, [SHOW]) == seeded().sha256(counts=False)


def test_the_hash_of_the_demo_s_show_stays_what_it_is() -> None:
    """Another one is another state: a cluster that a former revision has seeded is then reset to something else."""
    assert Seeded.of([SHOW], 1).sha256() == "b53e54629afcc360b7b07c060a39d14225d43768d25210f522737f2a8ba663de"


def test_without_seeded_shows_the_hash_is_that_of_nothing() -> None:
    assert state.found(ReadHbase(), None, []) == Seeded.of([], 1).sha256(counts=False)


def test_an_event_that_is_missing_is_another_state(hbase: ReadHbase) -> None:
    hbase.lose(seeded().events[SHOW][7])
    assert state.found(hbase, None, [SHOW]) != seeded().sha256(counts=False)


def test_an_event_in_the_place_of_another_is_another_state_though_there_are_as_many(hbase: ReadHbase) -> None:
    event = seeded().events[SHOW][7]
    hbase.lose(event)
    hbase.store(event[:-3] + b'z"}}')
    assert state.found(hbase, None, [SHOW]) != seeded().sha256(counts=False)


def test_a_value_that_is_not_what_its_key_says_is_another_state(hbase: ReadHbase) -> None:
    event = seeded().events[SHOW][7]
    fields = json.loads(event)
    row, name = row_key(fields["id"].encode(), SHOW.encode(), fields["pos_ms"]), fields["id"].encode() + digest(event)
    hbase.tables["events"][row][name] = event + b" ", 0
    assert state.found(hbase, None, [SHOW]) != seeded().sha256(counts=False)


def test_what_is_beside_it_is_named(hbase: ReadHbase) -> None:
    assert state.beside(hbase, None, [SHOW]) == {"events of quiz-20261121": 1}
    letter = DeadLetter(SegmentId("S-w00", 1), 0, 0, 1, b"?", "not JSON")
    hbase.put("deadletters", {letter.row(): letter.cells()})
    assert state.beside(hbase, None, [SHOW, "quiz-20261121"]) == {"dead letters": 1}


def test_a_user_s_last_vote_counts_whatever_came_first() -> None:
    text = '{"id":"%s","show":"s","pos_ms":%d,"user":"u1","type":"vote","data":{"poll":"q1","choice":"%s"}}'
    last, first = (text % (f"{'0' * 25}1", 20, "b")).encode(), (text % (f"{'0' * 25}2", 10, "a")).encode()
    assert state.counts_of("s", [last, first]) == {
        "count:s": {"0:vote": "2"},
        "total:s": "2",
        "tally:s:q1": {"b": "1"},
        "vote:s:q1": {"u1": f"20:{'0' * 25}1:b"},
    }
