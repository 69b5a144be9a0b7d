"""Live counts against HBase: what differs, and setting Redis right beside shippers at work.

While it reads, a fence keeps Redis' counts and positions where they are (apply.lua looks for it); HBase goes on. So the
counts must be those of everything in HBase, less what Redis will count once the fence is gone: the events behind its
positions, read from the spools, whose identities it has not seen. Setting them right is a transaction for each thousand
votes, and a last one for everything else, all void when the fence fell meanwhile. Called by `ledger reconcile`.

Votes are as many as users, and are on disk meanwhile (ballots.py), as is what comes while HBase is read (undecided.py).
What is in memory grows with seconds, types and choices, and with what Redis has yet to count, by 12 bytes an event.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import redis

from primetime.audit.ballots import Ballots, Vote
from primetime.audit.collectors import Surveyed
from primetime.audit.parts import Parts
from primetime.audit.recount import Counts, recount
from primetime.audit.undecided import Event, Pending, Undecided
from primetime.errors import PrimetimeError
from primetime.hbase import Hbase
from primetime.shipper.counting import BUCKET_BITS
from primetime.shipper.feed import POSITION
from primetime.shipper.ledger import LOST, OPEN, Row, everything
from primetime.shipper.spool import SegmentId

NAMED = 100
FENCE = "fence"
FENCE_S = 30  # it falls by itself so long after whoever held it died
BEHIND_S = 60.0  # how long HBase may take to get as far as Redis is
_CHUNK = 1000

NEVER_MS = 1 << 62

Value = dict[str, str] | str
Change = tuple[Value | None, Value | None]  # what Redis has, what it should have


@dataclass(frozen=True)
class Difference:
    """A number that Redis has otherwise than it follows from HBase; None: it is not there."""

    key: str
    field: str
    redis: str | None
    hbase: str | None

    def __str__(self) -> str:
        place = f"{self.key} {self.field}" if self.field else self.key
        return f"{place}: {self.redis or 'nothing'} in Redis, {self.hbase or 'nothing'} by HBase"


@dataclass
class Reconciled:
    """What differed, and whether it was set right. `differences` are the first of `different`; `positions`: source →
    what replaced one that made no sense."""

    shows: list[str]
    different: int = 0
    differences: list[Difference] = field(default_factory=list)
    positions: dict[str, str] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)
    applied: bool = False

    @property
    def anything(self) -> bool:
        return bool(self.different or self.positions or self.gaps)

    def differs(self, key: str, field: str, redis: str | None, hbase: str | None) -> None:
        self.different += 1
        if len(self.differences) < NAMED:
            self.differences.append(Difference(key, field, redis, hbase))

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "differences": [vars(difference) for difference in self.differences]}


@dataclass(frozen=True)
class Collectors:
    """How to ask the spools: `survey` what they hold, `pending` what is behind given positions."""

    survey: Callable[[Mapping[str, Any]], list[Surveyed]]
    pending: Callable[[Mapping[str, str]], Iterable[tuple[bytes, int]]]


def reconcile(
    hbase: Hbase,
    client: redis.Redis,
    collectors: Collectors,
    shows: Sequence[str],
    *,
    whole: bool,
    apply: bool,
    progress: Callable[[str], None],
) -> Reconciled:
    """Compare `shows`; with `apply` set Redis right. `whole`: these are all shows there are, so gaps are closed too."""
    with _fence(client) as token, Parts() as by_user, Parts() as by_identity:
        ballots, undecided = Ballots(by_user), Undecided(by_identity)
        found = Reconciled(list(shows))
        positions = _positions(client)
        spools = collectors.survey({})
        found.positions = _mended(positions, spools)
        positions |= found.positions
        _wait_for_hbase(hbase, {source: positions.get(source, "") for source in _last(spools)}, progress)
        since_ms = min((spool.at_ms for spool in spools), default=NEVER_MS)
        pending = Pending(collectors.pending(positions))
        counted = {}
        for show in shows:
            progress(f"counting {show} in HBase")
            counted[show] = recount(hbase, show, pending, since_ms, ballots, undecided)
        _decide(client, counted, Pending(collectors.pending(positions)), undecided)  # with what came meanwhile
        changes: dict[str, Change] = {}
        for counts in counted.values():
            changes |= _compare(client, counts.keys(), {f"count:{counts.show}", f"total:{counts.show}"})
        progress("comparing votes")
        tallies = _tallies_in(client, shows)
        changes |= _compare(client, _votes(client, token, shows, ballots, found, apply), tallies)
        for key, pair in changes.items():
            _note(found, key, *pair)
        gaps = [str(key) for key in client.scan_iter("gap:*", count=1000)] if whole else []
        found.gaps = sorted(gaps)
        if apply:
            _apply(client, token, changes, found)
            found.applied = True
        return found


@contextmanager
def _fence(client: redis.Redis) -> Iterator[str]:
    """Hold Redis' counts still. A thread keeps the fence up, however long HBase takes."""
    token = secrets.token_hex(8)
    if not client.set(FENCE, token, nx=True, ex=FENCE_S):
        raise PrimetimeError(f"somebody else is reconciling: wait until they have finished, {FENCE_S} s if they died")
    ended = threading.Event()

    def hold() -> None:
        while not ended.wait(FENCE_S / 6):
            try:
                client.expire(FENCE, FENCE_S)
            except redis.RedisError:
                continue  # the next time; if it falls meanwhile, nothing is applied

    holder = threading.Thread(target=hold, daemon=True)
    holder.start()
    try:
        yield token
    finally:
        ended.set()
        holder.join()
        if client.get(FENCE) == token:
            client.delete(FENCE)


def _positions(client: redis.Redis) -> dict[str, str]:
    found = (str(key).removeprefix("position:") for key in client.scan_iter("position:*", count=1000))
    return {source: str(client.get(f"position:{source}") or "") for source in found if "deadletter-" not in source}


def _mended(positions: Mapping[str, str], spools: Sequence[Surveyed]) -> dict[str, str]:
    """What replaces positions that no sink can have written: the start of the spool, since identities counted before
    are known. PrimetimeError when a spool cannot be looked at: what it holds would be taken for counted."""
    for spool in spools:
        if spool.trouble:
            raise PrimetimeError(spool.trouble)
    last = _last(spools)
    lowest: dict[str, int] = {}
    for name in (name for spool in spools for name in spool.segments):
        source, _, number = name.rpartition("-")
        lowest[source] = min(int(number), lowest.get(source, int(number)))
    mended = {}
    for source, position in positions.items():
        matched = POSITION.fullmatch(position)
        beyond = matched and source in last and (int(matched[1]), int(matched[2])) > (last[source] + 1, 0)
        if matched is None or beyond:
            mended[source] = f"{lowest.get(source, last.get(source, 0) + 1)}:0"
    return mended


def _last(spools: Iterable[Surveyed]) -> dict[str, int]:
    return {source: number for spool in spools for source, number in spool.last.items()}


def _wait_for_hbase(hbase: Hbase, positions: Mapping[str, str], progress: Callable[[str], None]) -> None:
    until = time.monotonic() + BEHIND_S
    while behind := _behind(everything(hbase), positions):
        if time.monotonic() > until:
            raise PrimetimeError(
                f"HBase has not stored what Redis has counted of {', '.join(behind)}: see what `primetime ledger` says "
                "of it, then reconcile again"
            )
        progress(f"waiting for HBase, which is behind Redis: {', '.join(behind)}")
        time.sleep(0.5)


def _behind(rows: Mapping[SegmentId, Row], positions: Mapping[str, str]) -> list[str]:
    """The sources of which Redis has counted more than HBase has stored."""
    open_ = {segment for segment, row in rows.items() if row.state == OPEN}
    reached: dict[str, int] = {}
    for segment, row in rows.items():
        last = int(row.notes.get("last", segment.number)) if row.state == LOST else segment.number
        reached[segment.source] = max(last, reached.get(segment.source, 0))
    behind = []
    for source, position in positions.items():
        number, offset = (int(part) for part in (position or "1:0").split(":"))
        here = rows.get(SegmentId(source, number), Row())
        before = any(segment.source == source and segment.number < number for segment in open_)
        if before or reached.get(source, 0) < number - 1 or (here.state == OPEN and here.bytes < offset):
            behind.append(source)
    return behind


def _decide(client: redis.Redis, counted: Mapping[str, Counts], pending: Pending, undecided: Undecided) -> None:
    """Count those undecided events that are behind no position, or that Redis has seen: they are counted already."""
    for events in undecided:
        behind: list[tuple[Event, int]] = []
        for event in events:
            quarter = pending.quarter(event.digest)
            if quarter is None:
                counted[event.show].add(event.event)
            else:
                behind.append((event, quarter))
        for start in range(0, len(behind), _CHUNK):
            for event in _seen(client, behind[start : start + _CHUNK]):
                counted[event.show].add(event.event)


def _seen(client: redis.Redis, events: Sequence[tuple[Event, int]]) -> Iterator[Event]:
    """Those of which Redis still knows that it has counted them."""
    pipe = client.pipeline(transaction=False)
    for event, quarter in events:
        identity = int.from_bytes(event.digest)
        bucket, member = identity & ((1 << BUCKET_BITS) - 1), str(identity >> BUCKET_BITS)
        for near in (quarter - 1, quarter, quarter + 1):
            pipe.sismember(f"seen:{near}:{bucket}", member)
    answers = pipe.execute()
    for place, (event, _) in enumerate(events):
        if any(answers[3 * place : 3 * place + 3]):
            yield event


def _tallies_in(client: redis.Redis, shows: Iterable[str]) -> set[str]:
    return {str(key) for show in shows for key in client.scan_iter(f"tally:{show}:*", count=1000)}


def _votes(
    client: redis.Redis, token: str, shows: Iterable[str], ballots: Ballots, found: Reconciled, apply: bool
) -> dict[str, Value]:
    """Compare every vote, with `apply` set those right that differ, and return the tallies as they should be."""
    for show in shows:
        for key in client.scan_iter(f"vote:{show}:*", count=1000):
            poll = str(key).removeprefix(f"vote:{show}:")
            for user, text in client.hscan_iter(key, count=1000):
                ballots.counted(show, poll, user, text)
    tallies: dict[str, Counter[str]] = {}
    for votes in ballots.votes():
        for vote in votes:
            if vote.choice is not None:
                tallies.setdefault(f"tally:{vote.show}:{vote.poll}", Counter())[vote.choice] += 1
        wrong = [vote for vote in votes if vote.redis != vote.hbase]
        for vote in wrong:
            found.differs(f"vote:{vote.show}:{vote.poll}", vote.user, vote.redis, vote.hbase)
        if apply:
            _set_votes(client, token, wrong)
    return {key: {choice: str(users) for choice, users in tally.items()} for key, tally in tallies.items()}


def _set_votes(client: redis.Redis, token: str, wrong: Sequence[Vote]) -> None:
    for start in range(0, len(wrong), _CHUNK):
        _transact(client, token, partial(_add_votes, wrong[start : start + _CHUNK]))


def _add_votes(votes: Iterable[Vote], pipe: Any) -> None:
    right: dict[str, dict[str, str]] = {}
    for vote in votes:
        key = f"vote:{vote.show}:{vote.poll}"
        if vote.hbase is None:
            pipe.hdel(key, vote.user)
        else:
            right.setdefault(key, {})[vote.user] = vote.hbase
    for key, mapping in right.items():
        pipe.hset(key, mapping=mapping)


def _compare(client: redis.Redis, wanted: Mapping[str, Value], keys: Iterable[str]) -> dict[str, Change]:
    """Key → (what Redis has, what it should have), where they differ: of `keys` and those that are `wanted`."""
    found: dict[str, Change] = {}
    for key in sorted({*keys, *wanted}):
        read: Any = client.get(key) if key.startswith("total:") else client.hgetall(key)
        has: Value | None = read or None
        if has != wanted.get(key):
            found[key] = has, wanted.get(key)
    return found


def _note(found: Reconciled, key: str, has: Value | None, wanted: Value | None) -> None:
    mine = has if isinstance(has, dict) else {} if has is None else {"": has}
    theirs = wanted if isinstance(wanted, dict) else {} if wanted is None else {"": wanted}
    for name in sorted(mine.keys() | theirs.keys()):
        if mine.get(name) != theirs.get(name):
            found.differs(key, name, mine.get(name), theirs.get(name))


def _apply(client: redis.Redis, token: str, changes: Mapping[str, Change], found: Reconciled) -> None:
    def add(pipe: Any) -> None:
        for key, (has, wanted) in changes.items():
            _set(pipe, key, has, wanted)
        for source, position in found.positions.items():
            pipe.set(f"position:{source}", position)
        for gap in found.gaps:
            pipe.delete(gap)
        pipe.delete(FENCE)

    _transact(client, token, add)


def _transact(client: redis.Redis, token: str, add: Callable[[Any], None]) -> None:
    """All that `add` puts into the pipe happens, or nothing; PrimetimeError when the fence has fallen."""
    with client.pipeline() as pipe:
        while True:
            pipe.watch(FENCE)  # type: ignore[no-untyped-call]  # its expiry voids the transaction too
            if pipe.get(FENCE) != token:
                raise PrimetimeError("the fence fell before everything was set right: run it again")
            pipe.multi()
            add(pipe)
            try:
                pipe.execute()
            except redis.WatchError:
                continue  # as a rule it was only held up a little longer
            return


def _set(pipe: Any, key: str, has: Value | None, wanted: Value | None) -> None:
    if wanted is None:
        pipe.delete(key)
    elif isinstance(wanted, str):
        pipe.set(key, wanted)
    else:
        before = has if isinstance(has, dict) else {}
        gone = list(before.keys() - wanted.keys())
        new = [(name, value) for name, value in wanted.items() if before.get(name) != value]
        for start in range(0, len(gone), _CHUNK):
            pipe.hdel(key, *gone[start : start + _CHUNK])
        for start in range(0, len(new), _CHUNK):
            pipe.hset(key, mapping=dict(new[start : start + _CHUNK]))
