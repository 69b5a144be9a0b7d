"""Reading a show back: what was stored, in the order of the show. Called by `events`; the rehearsal asks as patiently.

A show is spread over 64 slices of the `events` table, so a range of it is 64 scans, put in order second by second. They
run one after the other, over a window of seconds that widens where the show is quiet: 64 at once would each hold a page
in the gateway's heap. Memory holds one window, which is WINDOW_EVENTS or one second of the show, whatever is more.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from primetime.errors import UsageError
from primetime.event import MAX_POS_MS, SALTS, row_prefix, split_row_key
from primetime.hbase import Hbase, HbaseUnavailable

WINDOW_EVENTS = 50_000
WINDOW_MAX_S = 3600
PATIENCE_S = 60.0  # longer than a dead RegionServer's regions need to come up elsewhere
_CLOCK = re.compile(r"(?:(\d+):(?=\d\d:))?(\d+):([0-5]\d)")
_TIME = re.compile(r"(\d+)([smh])")
_UNIT_MS = {"s": 1000, "m": 60_000, "h": 3_600_000}

_Placed = tuple[int, bytes, bytes]  # position in ms, qualifier (id and digest), bytes: in the order they come out
T = TypeVar("T")


def position(text: str) -> int:
    """A position in ms: `0:10` or `75:00` (m:ss), `1:02:03` (h:mm:ss), `10s`, `3m`, `2h`. UsageError otherwise."""
    if match := _CLOCK.fullmatch(text):
        hours, minutes, seconds = (int(part or 0) for part in match.groups())
        pos_ms = (hours * 3600 + minutes * 60 + seconds) * 1000
    elif match := _TIME.fullmatch(text):
        pos_ms = int(match[1]) * _UNIT_MS[match[2]]
    else:
        raise UsageError(f"{text!r} is not a position in a show: write it as m:ss, for example 0:10")
    if pos_ms > MAX_POS_MS:
        raise UsageError(f"{text!r} is beyond the 24 h of a show: positions end at 24:00:00")
    return pos_ms


def patiently(question: Callable[[], T], until: float, progress: Callable[[str], None] = lambda text: None) -> T:
    """Ask HBase until it answers; HbaseUnavailable when it does not until CLOCK_MONOTONIC second `until`."""
    while True:
        try:
            return question()
        except HbaseUnavailable as error:
            if time.monotonic() > until:
                raise
            progress(f"asking again: {error}")
            time.sleep(1)


def events(hbase_factory: Callable[[], Hbase], show: str, from_ms: int, to_ms: int | None) -> Iterator[bytes]:
    """The bytes of every stored event from `from_ms` (inclusive) to `to_ms` (exclusive; None: the end of the show).

    Ordered by position, then id, then digest; of a conflict (one id, other bytes) both come out. HbaseUnavailable when
    HBase does not answer for PATIENCE_S.
    """
    end_ms = MAX_POS_MS + 1 if to_ms is None else to_ms
    second, stop, width = from_ms // 1000, -(-end_ms // 1000), 1
    hbase = hbase_factory()
    try:
        while second < stop:
            window = range(second, min(second + width, stop))
            placed = patiently(partial(_read, hbase, show.encode(), window), time.monotonic() + PATIENCE_S)
            if placed is None:
                width = max(1, width // 8)
                continue
            if len(placed) < WINDOW_EVENTS // 4:
                width = min(2 * width, WINDOW_MAX_S)
            yield from (event for pos_ms, _, event in placed if from_ms <= pos_ms < end_ms)
            second = window.stop
            del placed  # before the next window is read
    finally:
        hbase.close()


def _read(hbase: Hbase, show: bytes, window: range) -> list[_Placed] | None:
    """The events of some seconds, in order; None when they are too many for more than one second at once."""
    placed: list[_Placed] = []
    for slice_ in range(SALTS):
        start, stop = row_prefix(slice_, show, window.start), row_prefix(slice_, show, window.stop)
        for row, qualifier, event, _ in hbase.scan("events", start, stop):
            placed.append((_pos_ms(event, row), qualifier, event))
            if len(placed) > WINDOW_EVENTS and len(window) > 1:
                return None
    placed.sort()
    return placed


def _pos_ms(event: bytes, row: bytes) -> int:
    try:
        return int(json.loads(event)["pos_ms"])
    except (ValueError, TypeError, KeyError, RecursionError):
        # Not readable for Python, say nested a thousand deep: it still comes out, at the start of its second.
        return split_row_key(row)[2] * 1000
