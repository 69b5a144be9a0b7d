"""What a cluster has of its seeded shows, as one SHA-256; what a seed makes of them; and what else there is.

The hash is over every cell of these shows in `events` (row, qualifier, value), and over the live counts and votes that
Redis has of them: ids and bytes are compared, not numbers. Cell times are when a collector received an event, so they
are left out.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import redis

from primetime.event import MAX_POS_MS, SALTS, qualifier, row_key, row_prefix, split_row_key
from primetime.hbase import Hbase
from primetime.seeding import audience
from primetime.shipper.counting import Ballot, vote_of

Cell = tuple[bytes, bytes, bytes]  # row, qualifier, value
Counts = Mapping[str, str | Mapping[str, str]]  # key of Redis → what is there

_OF_A_SHOW = ("count", "total", "vote", "tally")  # the first part of keys that have a show as their second
_OURS = ("seen", "position")  # what a shipper keeps for itself


@dataclass(frozen=True)
class Seeded:
    """What a seed makes of shows: their events, and the hash of the state that they lead to."""

    seed: int
    events: Mapping[str, Sequence[bytes]]  # by show

    @classmethod
    def of(cls, shows: Iterable[str], seed: int) -> Seeded:
        return cls(seed, {show: audience.events(show, seed) for show in shows})

    @property
    def updates(self) -> int:
        return sum(map(len, self.events.values()))

    def sha256(self, counts: bool = True) -> str:
        """`counts`: whether there is a Redis."""
        cells = (cell for show, events in self.events.items() for cell in sorted(cells_of(show, events)))
        wanted: dict[str, str | Mapping[str, str]] = {}
        for show, events in self.events.items() if counts else ():
            wanted |= counts_of(show, events)
        return sha256(cells, wanted)


def sha256(cells: Iterable[Cell], counts: Counts) -> str:
    """`cells` in the order of HBase, show by show."""
    hashed = hashlib.sha256()
    for cell in cells:
        for part in cell:
            hashed.update(len(part).to_bytes(4))
            hashed.update(part)
    hashed.update(json.dumps(counts, sort_keys=True).encode())
    return hashed.hexdigest()


def found(hbase: Hbase, client: redis.Redis | None, shows: Iterable[str]) -> str:
    """The hash of what there is now."""
    counts: dict[str, str | Mapping[str, str]] = {}
    for show in shows if client else ():
        counts |= _counted(client, show)
    return sha256((cell for show in shows for cell in stored(hbase, show)), counts)


def stored(hbase: Hbase, show: str) -> Iterator[Cell]:
    """All cells of a show in `events`."""
    for slice_ in range(SALTS):
        start, stop = (row_prefix(slice_, show.encode(), second) for second in (0, MAX_POS_MS // 1000 + 1))
        for row, name, value, _ in hbase.scan("events", start, stop):
            yield row, name, value


def cells_of(show: str, events: Iterable[bytes]) -> Iterator[Cell]:
    """The cells that events become."""
    for event in events:
        fields = json.loads(event)
        id_ = fields["id"].encode()
        yield row_key(id_, show.encode(), fields["pos_ms"]), qualifier(id_, event), event


def counts_of(show: str, events: Iterable[bytes]) -> dict[str, str | Mapping[str, str]]:
    """What Redis counts of events."""
    counted = Counter[str]()
    polls: dict[str, dict[str, Ballot]] = {}
    for fields in map(json.loads, events):
        counted[f"{fields['pos_ms'] // 1000}:{fields['type']}"] += 1
        if fields["type"] == "vote" and (vote := vote_of(fields)):
            poll, user, ballot = vote
            votes = polls.setdefault(poll, {})
            votes[user] = max(ballot, votes.get(user, ballot))
    found: dict[str, str | Mapping[str, str]] = {
        f"count:{show}": {field: str(count) for field, count in counted.items()},
        f"total:{show}": str(counted.total()),
    }
    for poll, votes in polls.items():
        tally = Counter(choice for _, _, choice in votes.values())
        found[f"tally:{show}:{poll}"] = {choice: str(users) for choice, users in tally.items()}
        found[f"vote:{show}:{poll}"] = {user: f"{pos_ms}:{id_}:{c}" for user, (pos_ms, id_, c) in votes.items()}
    return found


def _counted(client: Any, show: str) -> dict[str, str | Mapping[str, str]]:
    """The same as Redis has it."""
    hashes = [f"count:{show}"]
    for kind in ("tally", "vote"):
        hashes += client.scan_iter(f"{kind}:{show}:*", count=1000)
    found: dict[str, str | Mapping[str, str]] = {key: values for key in hashes if (values := client.hgetall(key))}
    total = client.get(f"total:{show}")
    return found | ({f"total:{show}": total} if total else {})


def beside(hbase: Hbase, client: redis.Redis | None, shows: Iterable[str]) -> dict[str, int]:
    """What there is beside the seeded shows: events of others by show, dead letters, and keys of Redis."""
    known = set(shows)
    others: Counter[str] = Counter()
    for row, _, _, _ in hbase.scan("events", b"", b"", keys_only=True):
        if (show := split_row_key(row)[1].decode(errors="replace")) not in known:
            others[f"events of {show}"] += 1
    for _, name, _, _ in hbase.scan("deadletters", b"", b"", keys_only=True):
        others["dead letters"] += name == b"event"
    for key in client.scan_iter(count=1000) if client else ():
        kind, show = [*str(key).split(":"), ""][:2]
        if kind not in _OURS and not (kind in _OF_A_SHOW and show in known):
            others["keys of Redis"] += 1
    return {what: number for what, number in others.items() if number}
