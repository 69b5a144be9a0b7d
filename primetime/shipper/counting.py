"""What a move adds to the live counts, as the JSON that apply.lua takes.

Called by the Redis sink. Everything that needs no look into Redis is done here: Redis has one core for all collectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import orjson

from primetime.event import digest
from primetime.shipper.feed import Move
from primetime.shipper.selector import MAX_CHOICE, MAX_POLL, MAX_USER, Unfit, kind, select, short

# An identity's low bits choose its set, the others are its member there. Fewer sets: fewer calls for a batch, and each
# addition moves more memory. Sets stay compact (9 bytes a member) up to `set-max-intset-entries`.
BUCKET_BITS = 10
_BUCKET = (1 << BUCKET_BITS) - 1

Ballot = tuple[int, str, str]  # pos_ms, id, choice: the highest of a user counts
Polls = dict[tuple[str, str], dict[str, Ballot]]  # (show, poll) → user → ballot


def encode(move: Move, source: str, keep_s: int) -> bytes:
    """The argument of apply.lua. Identities are kept `keep_s` under the quarter of an hour of their receive time; they
    are looked for there and in its neighbours, since two collectors' clocks and backlogs differ."""
    quarters = [str(quarter) for quarter in (move.quarter, move.quarter - 1, move.quarter + 1)]
    batch = {**_counts(move.events), "quarters": quarters, "keep_s": keep_s, "from": move.start, "to": move.end}
    if move.gap:
        batch["gap"] = {"key": f"gap:{source}", "from": move.start or "1:0", "to": move.end}
    return orjson.dumps(batch)


def _counts(events: Iterable[bytes]) -> dict[str, Any]:
    """Identities by bucket, counts by show, second and type, votes by poll. Lists are for Lua, which counts from 1:
    `groups` has pairs of bucket and number of members, `field_of` names the entry of `fields` a member counts in."""
    placed: dict[int, tuple[str, int, str]] = {}
    polls: Polls = {}
    for event in events:
        selected = select(event)
        if isinstance(selected, Unfit):  # HBase does not store it either
            continue
        type_ = kind(selected)
        placed[int.from_bytes(digest(event))] = (selected["show"], selected["pos_ms"] // 1000, type_)
        if type_ == "vote":
            _add_vote(polls, selected)
    buckets: dict[int, list[int]] = {}
    for identity in placed:
        buckets.setdefault(identity & _BUCKET, []).append(identity)
    identities = [identity for bucket in buckets.values() for identity in bucket]
    counts = Counter(placed.values())
    field = {place: number for number, place in enumerate(counts, 1)}
    return {
        "groups": [number for bucket, members in buckets.items() for number in (bucket, len(members))],
        "members": [str(identity >> BUCKET_BITS) for identity in identities],
        "field_of": [field[placed[identity]] for identity in identities],
        "fields": [(show, f"{second}:{type_}", count) for (show, second, type_), count in counts.items()],
        "polls": [_ballots(show, poll, votes) for (show, poll), votes in polls.items()],
    }


def vote_of(event: dict[str, Any]) -> tuple[str, str, Ballot] | None:
    """Poll, user and ballot of an event of type vote; None when it is no vote that counts."""
    data, user = event.get("data"), short(event.get("user"), MAX_USER)
    if type(data) is not dict or user is None:
        return None
    poll, choice = short(data.get("poll"), MAX_POLL), short(data.get("choice"), MAX_CHOICE)
    if poll is None or choice is None:
        return None
    return poll, user, (event["pos_ms"], event["id"], choice)


def _add_vote(polls: Polls, event: dict[str, Any]) -> None:
    """Of a user's votes in one batch only the last can win."""
    if (vote := vote_of(event)) is None:
        return
    poll, user, ballot = vote
    votes = polls.setdefault((event["show"], poll), {})
    if user not in votes or ballot > votes[user]:
        votes[user] = ballot


def _ballots(show: str, poll: str, votes: dict[str, tuple[int, str, str]]) -> dict[str, Any]:
    return {
        "vote": f"vote:{show}:{poll}",
        "tally": f"tally:{show}:{poll}",
        "users": list(votes),
        "votes": [f"{pos_ms}:{event_id}:{choice}" for pos_ms, event_id, choice in votes.values()],
    }
