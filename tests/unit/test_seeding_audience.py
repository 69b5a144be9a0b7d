"""A seeded show's audience: the same by seed, sound for every collector, and in numbers that a show could have."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest

from primetime.event import MAX_POS_MS, ULID
from primetime.rehearsal.ids import started_ms
from primetime.seeding import audience
from primetime.shipper.selector import Unfit, select

SHOW = "quiz-20261114"


@cache
def made(show: str = SHOW, seed: int = 1) -> list[bytes]:
    return audience.events(show, seed)


@cache
def read() -> list[dict[str, Any]]:
    return [json.loads(event) for event in made()]


def test_a_seed_makes_the_same_bytes_each_time_and_another_seed_or_show_others() -> None:
    assert audience.events(SHOW, 1) == made()
    for other in (made(SHOW, 2), made("quiz-20261107", 1)):
        assert not {json.loads(event)["id"] for event in other} & {event["id"] for event in read()}


def test_every_event_is_sound_and_has_an_id_of_its_own() -> None:
    assert not any(isinstance(select(event), Unfit) for event in made())
    assert len({event["id"] for event in read()}) == len(made())
    assert all(ULID.fullmatch(event["id"]) and 0 <= event["pos_ms"] <= MAX_POS_MS for event in read())


def test_an_id_s_time_is_when_it_happened_at_prime_time_of_the_show_s_date() -> None:
    began = datetime(2026, 11, 14, 19, 15, tzinfo=UTC).timestamp() * 1000
    assert all(started_ms(event["id"]) == began + event["pos_ms"] for event in read())


@pytest.mark.parametrize("show", ["quiz", "quiz-20261399"])
def test_a_show_without_a_date_has_a_beginning_all_the_same(show: str) -> None:
    assert audience.begins_ms(show) == audience.begins_ms("quiz-20260103")


def test_there_are_about_twenty_thousand_and_most_viewers_come_with_the_first_minutes() -> None:
    assert 18_000 < len(made()) < 22_000
    joined = Counter(event["pos_ms"] // 300_000 for event in read() if event["type"] == "join")
    assert joined.total() == audience.VIEWERS == len({event["user"] for event in read()})
    assert 0.5 < joined[0] / joined.total() < 0.7
    assert all(joined[minutes] > 50 for minutes in range(1, audience.FINALE_S // 300))


@pytest.mark.parametrize("question", audience.QUESTIONS, ids=lambda question: f"{question.type} {question.name}")
def test_answers_come_within_seconds_of_the_question_and_are_split_as_asked(question: audience.Question) -> None:
    reactions = [
        event for event in read() if event["type"] == question.type and event["data"][question.key] == question.name
    ]
    after_s = sorted(event["pos_ms"] / 1000 - question.asked_s for event in reactions)
    assert len(reactions) > 1000
    assert after_s[0] > 1
    assert after_s[len(after_s) // 2] < 8
    split = Counter(event["data"]["choice"] for event in reactions)
    assert all(abs(split[choice] / len(reactions) - part) < 0.04 for choice, part in question.choices.items())


def test_nobody_votes_before_having_joined() -> None:
    joined = {event["user"]: event["pos_ms"] for event in read() if event["type"] == "join"}
    assert all(joined[event["user"]] <= event["pos_ms"] for event in read())
