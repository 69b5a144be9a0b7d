"""A past show and its audience as events: who joined when, what they answered and voted, and whom they told of it.

A function of show and seed alone: ids, users, positions and bytes are the same each time. Only `Random.random` is used,
whose numbers Python promises not to change. Changing what is drawn changes every state's hash (docs/stage.md).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random
from typing import Any

import orjson

from primetime.event import ulid

SEED = 1
VIEWERS = 7_200
LASTS_S = 3_600
FINALE_S = 3_300  # nobody joins after it

_DATE = re.compile(r"-(\d{8})$")
_BEGINS = "%Y%m%d %H:%M"
_PRIME_TIME, _NO_DATE = "19:15", "20260103"  # UTC
_DEVICES = {"android": 0.49, "ios": 0.42, "web": 0.09}
_SHARED_WITH = {"messenger": 0.7, "mail": 0.1, "link": 0.2}
_TELLS = 0.08  # of the viewers share the show with somebody
_AT_ONCE = 0.55  # of the viewers come with the first minutes, the others by and by
_COMES_S, _STAYS_S = 150.0, 2_700.0  # means
_CHANGES_MIND = 0.03  # of those who vote


@dataclass(frozen=True)
class Question:
    """What is asked in the show: `part` of those who watch react, most within seconds, split by `choices`."""

    type: str
    key: str  # what `data` calls it
    name: str
    asked_s: int
    part: float
    choices: Mapping[str, float]


QUESTIONS = (
    Question("answer", "question", "q1", 480, 0.52, {"a": 0.18, "b": 0.61, "c": 0.14, "d": 0.07}),
    Question("vote", "poll", "q1", 900, 0.63, {"a": 0.44, "b": 0.31, "c": 0.17, "d": 0.08}),
    Question("answer", "question", "q2", 1_500, 0.48, {"a": 0.26, "b": 0.22, "c": 0.41, "d": 0.11}),
    Question("vote", "poll", "q2", 2_100, 0.58, {"a": 0.36, "b": 0.38, "c": 0.15, "d": 0.11}),
    Question("answer", "question", "q3", 2_640, 0.45, {"a": 0.72, "b": 0.09, "c": 0.12, "d": 0.07}),
    Question("vote", "poll", "q3", 3_240, 0.71, {"a": 0.53, "b": 0.47}),
)


@dataclass(frozen=True)
class Viewer:
    user: str
    device: str
    joins_ms: int
    leaves_ms: int

    def watches(self, pos_ms: int) -> bool:
        return self.joins_ms <= pos_ms < self.leaves_ms


def events(show: str, seed: int) -> list[bytes]:
    """The bytes of all events of a show, in its order: about 20,000."""
    chance = Random(f"{seed} {show}")
    began_ms = begins_ms(show)
    viewers = [_viewer(chance) for _ in range(VIEWERS)]
    drawn = [reaction for viewer in viewers for reaction in _reactions(viewer, chance)]
    made = []
    for pos_ms, user, type_, data in drawn:
        id_ = ulid(began_ms + pos_ms, int(chance.random() * 2**40) << 40 | int(chance.random() * 2**40))
        event = {"id": id_, "show": show, "pos_ms": pos_ms, "user": user, "type": type_, "data": data}
        made.append((pos_ms, id_, orjson.dumps(event)))
    return [event for _, _, event in sorted(made)]


def begins_ms(show: str) -> int:
    """When a show began (epoch ms): at prime time of the date that its name ends with."""
    date = found[1] if (found := _DATE.search(show)) else _NO_DATE
    try:
        began = datetime.strptime(f"{date} {_PRIME_TIME}", _BEGINS)
    except ValueError:  # digits that are no date
        began = datetime.strptime(f"{_NO_DATE} {_PRIME_TIME}", _BEGINS)
    return int(began.replace(tzinfo=UTC).timestamp() * 1000)


def _viewer(chance: Random) -> Viewer:
    at_once = chance.random() < _AT_ONCE
    joins_s = min(FINALE_S, _about(chance, _COMES_S) if at_once else chance.random() ** 1.5 * FINALE_S)
    leaves_s = min(LASTS_S, joins_s + _about(chance, _STAYS_S))
    user = f"u-{int(chance.random() * 16**10):010x}"
    return Viewer(user, _one_of(_DEVICES, chance), int(joins_s * 1000), int(leaves_s * 1000))


def _reactions(viewer: Viewer, chance: Random) -> Iterator[tuple[int, str, str, dict[str, Any]]]:
    """(position, user, type, data) of all that a viewer sends."""
    yield viewer.joins_ms, viewer.user, "join", {"device": viewer.device}
    for question in QUESTIONS:
        if not viewer.watches(question.asked_s * 1000) or chance.random() >= question.part:
            continue
        pos_ms = int((question.asked_s + 1.5 + _about(chance, 6.0, 40.0)) * 1000)
        times = 2 if question.type == "vote" and chance.random() < _CHANGES_MIND else 1
        for _ in range(times):
            choice = _one_of(question.choices, chance)
            yield pos_ms, viewer.user, question.type, {question.key: question.name, "choice": choice}
            pos_ms += int((2 + _about(chance, 4.0, 20.0)) * 1000)
    if chance.random() < _TELLS:
        pos_ms = viewer.joins_ms + int(chance.random() * (viewer.leaves_ms - viewer.joins_ms))
        yield pos_ms, viewer.user, "share", {"with": _one_of(_SHARED_WITH, chance)}


def _about(chance: Random, mean_s: float, most_s: float = math.inf) -> float:
    """A time of waiting: most are short, few are long."""
    return min(most_s, -mean_s * math.log(1 - chance.random()))


def _one_of(shares: Mapping[str, float], chance: Random) -> str:
    drawn = chance.random() * sum(shares.values())
    for name, share in shares.items():
        drawn -= share
        if drawn < 0:
            return name
    return name
