"""Votes of more users than memory holds: kept on disk by a hash of the user, and gone through part by part.

Called by recount.py, which casts what HBase has, and by reconcile.py, which adds what Redis has and compares.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from tempfile import TemporaryFile
from types import TracebackType
from typing import IO, NamedTuple
from zlib import crc32

import orjson

from primetime.paths import home
from primetime.shipper.counting import Ballot

PARTS = 256  # of a hundred million users each has 400,000, in 150 MB


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
    """Files without names, in PRIMETIME_HOME: whatever ends this process, nothing of them is left."""

    def __init__(self) -> None:
        home().mkdir(parents=True, exist_ok=True)
        self._open = ExitStack()
        self._files = [self._open.enter_context(_nameless()) for _ in range(PARTS)]

    def __enter__(self) -> Ballots:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._open.close()

    def cast(self, show: str, poll: str, user: str, ballot: Ballot) -> None:
        """A vote of HBase's."""
        self._keep(user, (show, poll, user, ballot))

    def counted(self, show: str, poll: str, user: str, text: str) -> None:
        """A vote as Redis has it."""
        self._keep(user, (show, poll, user, text))

    def _keep(self, user: str, entry: tuple[str, str, str, Ballot | str]) -> None:
        self._files[crc32(user.encode()) % PARTS].write(orjson.dumps(entry) + b"\n")

    def votes(self) -> Iterator[list[Vote]]:
        """All votes, once each, a part of the users at a time."""
        for file in self._files:
            file.seek(0)
            redis: dict[tuple[str, str, str], str] = {}
            hbase: dict[tuple[str, str, str], Ballot] = {}
            for show, poll, user, vote in map(orjson.loads, file):
                place = show, poll, user
                if type(vote) is str:
                    redis[place] = vote
                else:
                    hbase[place] = max(tuple(vote), hbase.get(place, (-1, "", "")))
            yield [Vote(*place, redis.get(place), _text(hbase.get(place))) for place in sorted(redis.keys() | hbase)]


def _nameless() -> IO[bytes]:
    return TemporaryFile(dir=home())


def _text(ballot: Ballot | None) -> str | None:
    """As Redis has it."""
    return None if ballot is None else f"{ballot[0]}:{ballot[1]}:{ballot[2]}"
