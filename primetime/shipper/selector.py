"""Decides for one event between a place in the stores and a dead letter.

Both sinks ask here, so that Redis counts exactly what HBase stores.
"""

from __future__ import annotations

import json
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from primetime.event import MAX_POS_MS, SHOW, ULID

UNKNOWN = "unknown"  # the type of an event without one
# In characters. Redis keeps each of these, so longer ones would let few callers fill it. The collector refuses a longer
# type or user; poll and choice are inside `data`, which it does not read.
MAX_TYPE, MAX_USER, MAX_POLL, MAX_CHOICE = 64, 256, 64, 64


_loads, _is_ulid = orjson.loads, ULID.fullmatch
_seen: set[str] = set()  # names of shows; there are few, and many events
_MOST_SEEN = 1024


class Unfit(NamedTuple):
    """An event that cannot be stored, and why."""

    reason: str
    show: str | None  # when that much could be read


def select(event: bytes) -> dict[str, Any] | Unfit:
    """The decoded event, whose `id`, `show` and `pos_ms` are sound, or why it is unfit.

    The collector let only sound events in; what is unfit here was damaged before its record was made, or written by
    something else.
    """
    try:
        decoded: dict[str, Any] = _loads(event)
        event_id, show, pos_ms = decoded["id"], decoded["show"], decoded["pos_ms"]
        if show in _seen and _is_ulid(event_id) and type(pos_ms) is int and 0 <= pos_ms <= MAX_POS_MS:
            return decoded  # nearly all of them: every event passes through here
    except (orjson.JSONDecodeError, KeyError, TypeError):
        pass
    return _judged(event)


class Places(NamedTuple):
    """Of events that can be stored, in their order."""

    ids: list[str]
    shows: list[str]
    pos_ms: list[int]


def places(events: list[bytes]) -> Places | None:
    """Where events belong, when `select` would find every one of them fit; None when it might not, or a show is new.

    For nearly all records, and for half of what it costs to look at one event after another.
    """
    try:
        decoded = list(map(_loads, events))
        ids, shows = [event["id"] for event in decoded], [event["show"] for event in decoded]
        pos_ms = [event["pos_ms"] for event in decoded]
        fit = _seen.issuperset(shows) and all(map(_is_ulid, ids)) and set(map(type, pos_ms)) == {int}
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return Places(ids, shows, pos_ms) if fit and min(pos_ms) >= 0 and max(pos_ms) <= MAX_POS_MS else None


def _judged(event: bytes) -> dict[str, Any] | Unfit:
    """The same of an event of a new show, or one that is not as it should be."""
    try:
        decoded = orjson.loads(event)
    except orjson.JSONDecodeError as error:
        decoded = _tolerant(event)
        if decoded is None:
            return Unfit(f"not JSON: {error}", None)
    if type(decoded) is not dict:
        return Unfit("not a JSON object", None)
    show = decoded.get("show")
    if type(show) is not str or not _names_a_show(show):
        return Unfit("show is missing or not a show's name", None)
    event_id = decoded.get("id")
    if type(event_id) is not str or ULID.fullmatch(event_id) is None:
        return Unfit("id is missing or not a ULID", show)
    pos_ms = decoded.get("pos_ms")
    if type(pos_ms) is not int or not 0 <= pos_ms <= MAX_POS_MS:
        return Unfit(f"pos_ms is missing or not an integer from 0 to {MAX_POS_MS}", show)
    if len(_seen) < _MOST_SEEN:
        _seen.add(show)
    return decoded


@lru_cache(1024)  # there are few shows, and many events
def _names_a_show(text: str) -> bool:
    return SHOW.fullmatch(text) is not None


def kind(event: dict[str, Any]) -> str:
    """The event's type, as the counts name it."""
    found = short(event.get("type"), MAX_TYPE)
    return UNKNOWN if found is None else found


def short(value: Any, most: int) -> str | None:
    """A string of at most `most` characters, else None."""
    return value if type(value) is str and len(value) <= most else None


def _tolerant(event: bytes) -> Any:
    """What orjson refuses and JSON allows: half an emoji (a lone surrogate, which JavaScript sends), huge numbers."""
    try:
        plain = json.dumps(json.loads(event.decode()), ensure_ascii=False)
        return json.loads(plain.encode(errors="replace"))
    except (ValueError, RecursionError):
        return None
