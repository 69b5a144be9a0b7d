"""Votes of more users than memory holds: kept on disk by a hash of the user, and gone through part by part. Of a
hundred million users a part has 400,000, in 150 MB.

Called by recount.py, which casts what HBase has, and by reconcile.py, which adds what Redis has and compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import orjson

from primetime.audit.parts import Parts
from primetime.shipper.counting import Ballot


class Vote(NamedTuple):
    """What a user has voted in a poll, as Redis has it and as it follows from HBase; None: not there."""

    show: str
    poll: str
    user: str
    redis: str | None
    hbase: str | None

    @property
    def choice(self) -> str | None:
        """By HBase."""
        return None if self.hbase is None else self.hbase.split(":", 2)[2]


class Ballots:
    """Votes, on disk until all of them are there."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def cast(self, show: str, poll: str, user: str, ballot: Ballot) -> None:
        """A vote of HBase's."""
        self._keep(user, (show, poll, user, ballot))

    def counted(self, show: str, poll: str, user: str, text: str) -> None:
        """A vote as Redis has it."""
        self._keep(user, (show, poll, user, text))

    def _keep(self, user: str, entry: tuple[str, str, str, Ballot | str]) -> None:
        self._parts.keep(user.encode(), orjson.dumps(entry))

    def votes(self) -> Iterator[list[Vote]]:
        """All votes, once each, a part of the users at a time."""
        for lines in self._parts:
            redis: dict[tuple[str, str, str], str] = {}
            hbase: dict[tuple[str, str, str], Ballot] = {}
            for show, poll, user, vote in map(orjson.loads, lines):
                place = show, poll, user
                if type(vote) is str:
                    redis[place] = vote
                else:
                    hbase[place] = max(tuple(vote), hbase.get(place, (-1, "", "")))
            yield [Vote(*place, redis.get(place), _text(hbase.get(place))) for place in sorted(redis.keys() | hbase)]


def _text(ballot: Ballot | None) -> str | None:
    """As Redis has it."""
    return None if ballot is None else f"{ballot[0]}:{ballot[1]}:{ballot[2]}"
