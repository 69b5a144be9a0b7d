"""The shows of a topology: names, or names with a start, a length and a crowd. Called by topology and cloud."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from primetime.errors import UsageError
from primetime.event import SHOW
from primetime.quantities import count, seconds
from primetime.topology import checking
from primetime.topology.checking import kind
from primetime.topology.reading import Source

SHOW_KEYS = ("name", "start", "time_zone", "lead", "lasts", "overrun", "updates", "within", "batch", "repeat")
PEOPLE_S = 15 * 60  # what is left before a start for whoever is paged when collectors lack: the alert ShowSoon
MOST_LEAD_S = 12 * 3600
REPEATS = {"daily": 1, "weekly": 7}
_START = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d")
_SHOW_NEEDED = ("start", "time_zone", "lasts", "updates", "within")
_SHOW_EXAMPLES = {
    "start": '"2026-11-28 20:35"',
    "time_zone": "Europe/Berlin",
    "lead": "30m",
    "lasts": "90m",
    "overrun": "30m",
    "updates": "1e6",
    "within": "5s",
    "batch": "10",
    "repeat": "weekly",
}


@dataclass(frozen=True)
class Show:
    """A broadcast, or a series of them, at a wall clock's time in its zone. `repeat_days`: None for one broadcast."""

    name: str
    start: datetime  # without a zone: what the clock shows there
    time_zone: str
    lasts_s: float
    overrun_s: float  # the longest it may go on after that
    updates: int
    within_s: float
    batch: int = 1  # updates in a request
    lead_s: float = 30 * 60  # how long before its start collectors are launched: they have to prove themselves
    repeat_days: int | None = None


def names(shows: list[Any]) -> list[str]:
    """The declared shows: a series under its own name."""
    return [show["name"] if isinstance(show, dict) else show for show in shows]


def timed(shows: list[Any]) -> tuple[Show, ...]:
    """Those that have a start."""
    return tuple(_read(show) for show in shows if isinstance(show, dict))


def _read(show: dict[str, Any]) -> Show:
    return Show(
        name=show["name"],
        start=datetime.strptime(show["start"], "%Y-%m-%d %H:%M"),
        time_zone=show["time_zone"],
        lasts_s=seconds(str(show["lasts"])),
        overrun_s=seconds(str(show.get("overrun", "30m"))),
        updates=count(str(show["updates"])),
        within_s=seconds(str(show["within"])),
        batch=count(str(show.get("batch", 1))),
        lead_s=seconds(str(show.get("lead", "30m"))),
        repeat_days=REPEATS.get(show.get("repeat", "")),
    )


def look(source: Source, value: Any) -> Iterator[str]:
    """What is wrong with a topology's shows."""
    if not isinstance(value, list) or not value:
        yield f"{source.at('shows')}: shows is {kind(value)}: {checking.EXAMPLES['shows']}"
        return
    seen: list[str] = []
    for number, show in enumerate(value):
        named = show.get("name") if isinstance(show, dict) else show
        at = source.at("shows", number)
        if not (isinstance(named, str) and SHOW.fullmatch(named)):
            yield f"{at}: a show is {kind(named)}: write small letters, digits and dashes, for example quiz-20261121"
        elif named in seen:
            yield f"{at}: show {named} is listed twice: keep one of them"
        else:
            seen.append(named)
        if isinstance(show, dict):
            yield from _show(source, show, number)


def look_at_seeded(source: Source, value: Any) -> Iterator[str]:
    """What is wrong with the shows that `demo` gives an audience: they are declared, each once."""
    declared = source.data.get("shows")
    sound = isinstance(declared, list) and all(map(_named, declared))
    known = names(declared) if sound and declared else []
    if not isinstance(value, list):
        yield f"{source.at('seeded')}: seeded is {kind(value)}: list some of shows, for example [quiz-20261114]"
        return
    for number, show in enumerate(value):
        at = source.at("seeded", number)
        if show in value[:number]:
            yield f"{at}: seeded show {show} is listed twice: keep one of them"
        elif known and show == known[0]:
            yield f"{at}: seeded show {show} is the first of shows, which rehearsals are of: write another"
        elif known and show not in known:
            yield f"{at}: seeded show is {kind(show)}: list it under shows too, or write one of {', '.join(known)}"


def _named(show: Any) -> bool:
    return isinstance(show["name"] if isinstance(show, dict) and "name" in show else show, str)


def _show(source: Source, show: dict[str, Any], number: int) -> Iterator[str]:
    of = f"show {show.get('name', number + 1)}"
    yield from checking.unknown_keys(source, SHOW_KEYS, of, "shows", number)
    for key, example in _SHOW_EXAMPLES.items():
        if key not in show and key in _SHOW_NEEDED:
            yield f"{source.at('shows', number)}: {key} of {of} is missing: write for example {key}: {example}"
        elif key in show and not _sound(key, show[key]):
            at = source.at("shows", number, key)
            yield f"{at}: {key} of {of} is {kind(show[key])}: write for example {key}: {example}"
    if "lead" in show and _sound("lead", show["lead"]) and not PEOPLE_S < seconds(str(show["lead"])) <= MOST_LEAD_S:
        at = source.at("shows", number, "lead")
        yield f"{at}: lead of {of} is {kind(show['lead'])}: its last quarter of an hour is people's: write 20m to 12h"


def _sound(key: str, value: Any) -> bool:
    """Whether a show's value can be read."""
    try:
        if key == "start":
            return bool(_START.fullmatch(str(value))) and bool(datetime.strptime(str(value), "%Y-%m-%d %H:%M"))
        if key == "time_zone":
            return isinstance(value, str) and bool(ZoneInfo(value))
        if key == "repeat":
            return value in REPEATS
        return bool(count(str(value)) if key in ("updates", "batch") else seconds(str(value)))
    except (ValueError, UsageError, ZoneInfoNotFoundError, OSError):
        return False
