"""A burst as data: its bytes, its positions, and when each request is due."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import asdict
from typing import Any

import pytest

from primetime.errors import UsageError
from primetime.event import SHOW, ULID
from primetime.rehearsal.burst import Burst, Plan, usual_connections
from primetime.rehearsal.share import Share

SHOW_NAME = "quiz-20261121"


def burst(updates: int = 1000, seconds: float = 5, **more: Any) -> Burst:
    return Burst("01M7YFS0TCSDYY42QP", Plan(SHOW_NAME, updates, seconds, **more))


def events_of(request: bytes) -> list[dict[str, Any]]:
    parsed = json.loads(request.partition(b"\r\n\r\n")[2])
    assert isinstance(parsed, list)
    return parsed


def test_a_request_is_a_post_of_as_many_bytes_as_it_says() -> None:
    head, _, body = burst().http(7).partition(b"\r\n\r\n")
    assert head.startswith(b"POST /events HTTP/1.1\r\n")
    assert f"Content-Length: {len(body)}".encode() in head.split(b"\r\n")


def test_an_event_has_every_field_a_collector_asks_for() -> None:
    for number in range(200):
        event = json.loads(burst().event(number))
        assert ULID.fullmatch(event["id"])
        assert SHOW.fullmatch(event["show"])
        assert isinstance(event["pos_ms"], int)
        assert isinstance(event["user"], str)


def test_an_event_is_about_150_bytes() -> None:
    assert {len(burst(10**6).event(number)) // 20 for number in range(0, 10**6, 99_991)} <= {6, 7, 8}


def test_a_burst_mixes_the_four_types_and_votes_name_poll_and_choice() -> None:
    events = [json.loads(burst().event(number)) for number in range(1000)]
    assert Counter(event["type"] for event in events) == {"vote": 500, "answer": 300, "join": 100, "share": 100}
    assert {(event["data"]["poll"], event["data"]["choice"]) for event in events if event["type"] == "vote"} == {
        ("q1", choice) for choice in "abcd"
    }


def test_in_a_poll_of_its_own_everybody_votes_once_and_it_is_not_always_the_same_choice_that_wins() -> None:
    leaders = set()
    for poll in (f"q{number}" for number in range(2, 12)):
        events = [json.loads(burst(poll=poll).event(number)) for number in range(1000)]
        assert {(event["type"], event["data"]["poll"]) for event in events} == {("vote", poll)}
        assert len({event["user"] for event in events}) == 1000
        votes = Counter(event["data"]["choice"] for event in events)
        assert set(votes) == set("abcd")
        leaders.add(votes.most_common(1)[0][0])
    assert len(leaders) > 1


def test_a_plan_that_was_kept_before_there_were_polls_makes_the_bytes_it_made() -> None:
    fields = asdict(burst())
    del fields["plan"]["poll"]
    assert Burst.from_fields(fields).event(1) == burst().event(1)
    assert hashlib.sha256(b"".join(map(burst().http, range(100)))).hexdigest()[:16] == "1aba9f661656f0e2"


def test_a_burst_read_back_from_json_makes_the_same_bytes() -> None:
    again = Burst.from_fields(json.loads(json.dumps(asdict(burst()))))
    assert [again.http(request) for request in range(100)] == [burst().http(request) for request in range(100)]


def test_requests_carry_each_number_once_and_the_last_one_what_is_left() -> None:
    plan = burst(updates=23, batch=10)
    ids = [event["id"] for request in range(plan.plan.requests) for event in events_of(plan.http(request))]
    assert ids == [json.loads(plan.event(number))["id"] for number in range(23)]


def test_positions_spread_evenly_over_the_seconds_of_the_burst() -> None:
    made = burst(updates=1000, seconds=5, start_pos_ms=10_000)
    seconds = Counter(made.pos_ms(number) // 1000 for number in range(1000))
    assert seconds == {10: 200, 11: 200, 12: 200, 13: 200, 14: 200}
    assert json.loads(made.event(999))["pos_ms"] == made.pos_ms(999)


@pytest.mark.parametrize(("updates", "seconds", "batch"), [(1000, 5, 10), (7, 3, 2), (100_000, 0.7, 3), (1, 1, 1)])
def test_no_request_is_released_before_it_is_due(updates: int, seconds: float, batch: int) -> None:
    made = burst(updates, seconds, batch=batch)
    for request in range(0, made.plan.requests, max(1, made.plan.requests // 50)):
        due = made.due_s(request)
        assert made.released(due - 1e-6) <= request
        assert made.released(due + 1e-6) >= request + 1


def test_everything_is_released_within_the_seconds_asked_for_and_nothing_before_the_start() -> None:
    made = burst(1000, 5)
    assert made.released(-0.001) == 0
    assert made.released(5) == made.released(500) == made.plan.requests


@pytest.mark.parametrize("elapsed", [-1, 0, 0.012, 0.05, 0.333, 2.5, 4.999, 5])
def test_what_the_parts_release_together_is_what_the_burst_releases(elapsed: float) -> None:
    made = burst(1030, 5, batch=10)
    parts = [Share(made, [("127.0.0.1", 1)], 1, part, 3) for part in range(3)]
    assert sum(part.released(elapsed) for part in parts) == made.released(elapsed)


def test_the_parts_requests_are_the_burst_s_requests() -> None:
    made = burst(1030, 5, batch=10)
    parts = [Share(made, [("127.0.0.1", 1)], 1, part, 3) for part in range(3)]
    assert sorted(request for part in parts for request in part.requests) == list(range(103))


@pytest.mark.parametrize(
    "wrong",
    [
        {"show": "Quiz!"},
        {"updates": 0},
        {"batch": 0},
        {"batch": 101},
        {"connections": 0},
        {"seconds": 0},
        {"deadline_s": 0},
        {"start_pos_ms": -1},
        {"start_pos_ms": 86_400_000},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"show": SHOW_NAME, "updates": 10, "seconds": 1, **wrong}
    with pytest.raises(UsageError):
        Plan(**fields)


@pytest.mark.parametrize(
    ("updates", "seconds", "batch", "connections"),
    [(1000, 5, 10, 64), (100_000, 5, 10, 100), (1_000_000, 5, 10, 1000), (1_000_000, 5, 1, 1024)],
)
def test_a_burst_has_more_connections_the_more_requests_it_makes_a_second(
    updates: int, seconds: float, batch: int, connections: int
) -> None:
    assert usual_connections(updates, seconds, batch) == connections
