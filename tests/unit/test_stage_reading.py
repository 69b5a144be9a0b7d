"""What is made of what a cluster says: queues of two looks, the poll people look at, counters that begin again."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from primetime import attendants, expiry
from primetime.stage.accepted import Growing, Said, read
from primetime.stage.cluster import Compared, Polls, places, queues
from primetime.stage.hands import figures_of, grouped
from primetime.stage.moments import told
from primetime.stage.snapshot import Poll, Queue
from primetime.stage.watch import Expiry
from primetime.topology import load
from tests.stage import CERTIFICATE


def status(at_ms: int, events: int, waiting: int = 0, error: str = "") -> dict[str, Any]:
    sink = {"events": events, "lag_events": waiting, "lag_seconds": 1.5, "failing_s": 2.0 if error else 0.0}
    return {"at_ms": at_ms, "sinks": {"hbase": {**sink, "last_error": error or None}, "redis": {"disabled": True}}}


def test_a_rate_is_the_difference_of_two_looks() -> None:
    found = list(queues({"c1": status(1000, 500)}, {"c1": status(3000, 2500, 70)}))
    assert found == [Queue("c1", "hbase", 70, 1.5, 1000)]


def test_the_first_look_and_a_shipper_that_began_again_have_no_rate() -> None:
    assert [queue.rate for queue in queues({}, {"c1": status(3000, 2500)})] == [0]
    assert [queue.rate for queue in queues({"c1": status(1000, 500)}, {"c1": status(2000, 3)})] == [0]


def test_a_sink_that_fails_says_so_in_its_own_words_and_a_silent_shipper_is_told() -> None:
    assert [q.failing for q in queues({}, {"c1": status(1, 1, 5, "no route"), "c2": None})] == [
        "no route",
        "its shipper does not say",
    ]


def test_the_poll_is_the_one_with_the_most_votes() -> None:
    tallies = [("tally:quiz:old", {"x": "3"}), ("tally:quiz:q1:a", {"b": "2", "a": "9"}), ("tally:quiz:q2", {})]
    assert Polls().look(tallies) == Poll("q1:a", (("a", 9), ("b", 2)), "quiz")
    assert Polls().look([]) is None


def test_a_poll_is_shown_from_its_first_vote_until_it_has_stood_still_and_another_one_moves() -> None:
    polls = Polls()

    def shown(q1: int, room: int) -> Poll | None:
        return polls.look(
            [("tally:quiz:q1", {"a": str(q1)}), *([("tally:quiz:room", {"b": str(room)})] if room else [])]
        )

    assert shown(q1=900, room=0) == Poll("q1", (("a", 900),), "quiz")
    assert shown(q1=900, room=1) == Poll("room", (("b", 1),), "quiz")
    assert shown(q1=900, room=1) == Poll("room", (("b", 1),), "quiz")
    assert shown(q1=950, room=2) == Poll("room", (("b", 2),), "quiz")
    assert {shown(q1=950 + look, room=2) for look in range(Polls.HELD)} == {Poll("room", (("b", 2),), "quiz")}
    assert shown(q1=999, room=2) == Poll("q1", (("a", 999),), "quiz")
    assert polls.look([("tally:quiz:room", {"b": "2"})]) == Poll("room", (("b", 2),), "quiz")


def test_every_host_of_the_demo_has_a_place_on_the_map() -> None:
    found = {node.name: places(node.groups) for node in load("demo").nodes}
    assert {name: found[name] for name in ("collector-1", "store-1", "redis-1")} == {
        "collector-1": ["collector", "shipper"],
        "store-1": ["hbase"],
        "redis-1": ["redis"],
    }
    assert places(("base", "jenkins")) == ["other"]
    assert places(("base", "collector", "redis")) == ["collector", "redis"]


def test_a_sum_of_counters_grows_when_one_begins_again() -> None:
    growing = Growing()
    assert growing.add({"a": 100, "b": 10}) == 110
    assert growing.add({"a": 150}) == 160
    assert growing.add({"a": 7, "b": 12}) == 169


def test_what_a_collector_says_is_found_among_its_other_metrics() -> None:
    name = "primetime_collector_events_total"
    text = f"# TYPE {name} counter\n{name} 1234\nprimetime_collector_event_bytes_total 9\n"
    assert read(f"{text}primetime_collector_ready 1\n") == Said(1234, takes=True)
    assert read(f"{text}primetime_collector_ready 0\n") == Said(1234, takes=False)
    assert read("nginx_up 1\n") is None


def test_a_certificate_is_told_in_a_line() -> None:
    assert told(CERTIFICATE) == "100,000 accepted in 4.8 s, the last one stored after 6.2 s. 0 missing."
    nothing = {"acked": 0, "missing": 0, "accept_seconds": None, "stored_seconds": None}
    assert told(nothing) == "None was accepted. 0 missing."


def test_numbers_are_grouped_as_people_read_them() -> None:
    assert grouped("48120 of 100000 answered in 999 s") == "48,120 of 100,000 answered in 999 s"


def test_figures_of_a_host_have_names_and_say_whose_they_are() -> None:
    told = "0.71\n17662476 24684092\n  23%  31G\n"
    values = ["0.71", "16.8 of 23.5 GiB free", "23% used, 31G free"]
    assert list(figures_of(told, around=False)) == list(zip(("load", "memory", "disk"), values, strict=True))
    around = [f"{name} of the machine around it" for name in ("load", "memory", "disk")]
    assert list(figures_of(told, around=True)) == list(zip(around, values, strict=True))


def test_the_expiry_is_read_when_its_file_changes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    reads: list[str] = []
    real = expiry.of
    monkeypatch.setattr(attendants, "RUN", tmp_path)
    monkeypatch.setattr(expiry, "of", lambda name: reads.append(name) or real(name))
    found = Expiry("a-test")
    assert (found.at_ms(), reads) == (None, [])
    for at_s in (1_796_000_010.5, 1_796_000_030.0):
        with expiry.waiting("a-test").attending("expires", at_s=at_s):
            assert [found.at_ms() for _ in range(3)] == [at_s * 1000] * 3
    assert found.at_ms() is None
    assert len(reads) == 3  # two of them, and the end


def test_what_a_count_found_is_newer_than_a_certificate_until_the_next_one() -> None:
    compared = Compared()
    run = {"run": "01M8MWF18M61V7J50Q", "missing": 3, "changed": 1_700_000_000 * 10**9}
    assert compared.last(run)[0] == 3
    compared.note({"01M8MWF18M61V7J50Q": 0})
    missing, at_ms = compared.last(run)
    assert (missing, at_ms > time.time() * 1000 - 60_000) == (0, True)
    later = {**run, "changed": int((time.time() + 60) * 10**9)}
    assert compared.last(later)[0] == 3
