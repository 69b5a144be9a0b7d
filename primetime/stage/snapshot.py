"""What the page shows at one moment, as plain data. Made by watch.py; its JSON is what page/stage.js reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

UP, DOWN, CUT = "up", "down", "cut"  # a node: it runs; it does not; its cable is pulled


@dataclass(frozen=True)
class Next:
    """The moment that the show goes towards."""

    name: str
    at_ms: int


@dataclass(frozen=True)
class Counter:
    """`last` updates within the last WINDOW_S, `best` the most that were; `rate` a second now; `total` since somebody
    first looked; `history`: a rate each half second, oldest first. `counted` says what is counted, and where.
    `behind_s`: for how long its source has said nothing."""

    last: int = 0
    best: int = 0
    rate: int = 0
    total: int = 0
    history: tuple[int, ...] = ()
    counted: str = ""
    behind_s: float = 0.0


@dataclass(frozen=True)
class Queue:
    """What a collector has on disk and a sink has yet to take; `failing` is the sink's trouble in its own words;
    `silent`: the collector's shipper does not say anything, of no sink."""

    node: str
    sink: str
    waiting: int
    oldest_s: float
    rate: int
    failing: str = ""
    silent: bool = False


@dataclass(frozen=True)
class Node:
    """A machine. `kind` is its place on the map; `verified`: promises not kept, None when nobody has looked."""

    name: str
    kind: str
    address: str
    groups: tuple[str, ...]
    state: str = UP
    verified: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Proof:
    """Events by what became of them. `sent` and `duplicates` are of the rehearsals of this cluster, which number their
    updates; `stored`, `dead` and `waiting` of everything. `missing`: acknowledged, and neither stored nor waiting.
    `comparing`: sent in rehearsals that are not compared yet.
    `at_ms`: when the ledger was read; `checked_ms`: when ids were last compared one by one."""

    sent: int = 0
    stored: int = 0
    duplicates: int = 0
    waiting: int = 0
    dead: int = 0
    missing: int = 0
    comparing: int = 0
    at_ms: int = 0
    checked_ms: int = 0
    trouble: str = ""
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Poll:
    """The votes that count, one a user, by choice. `show`: whose poll it is."""

    name: str
    choices: tuple[tuple[str, int], ...]
    show: str = ""


@dataclass(frozen=True)
class MomentState:
    """A button, in the presenter's drawer when it has no `key`. `line`: what it does, is doing or did. `refused`: why
    it cannot be pressed now; empty when it can. It came into its state at `since_ms`, and began at `began_ms`."""

    id: str
    key: str
    name: str
    state: str  # "ready", "running", "done", "failed"
    line: str
    since_ms: int = 0
    began_ms: int = 0
    refused: str = ""


@dataclass(frozen=True)
class Snapshot:
    """Everything. A cluster of 1:`scale` stands for the million: `goal` is its part of it. `accepted`: collector →
    updates a second, None while it says nothing; where collectors tell no metrics it is empty. `refusing`: collectors
    that say they take nothing now. `verified_ms`: when
    promises were last proved. `capacity`: a line for each group, as bill.py has it. `expires_ms`: when the machines
    remove themselves."""

    topology: str
    show: str
    scale: int
    goal: int
    at_ms: int
    counter: Counter
    proof: Proof
    nodes: tuple[Node, ...] = ()
    queues: tuple[Queue, ...] = ()
    accepted: Mapping[str, int | None] = field(default_factory=dict)
    refusing: tuple[str, ...] = ()
    poll: Poll | None = None
    moments: tuple[MomentState, ...] = ()
    next: Next | None = None
    verified_ms: int = 0
    health: Mapping[str, str] | None = None
    price: str = ""  # of an hour
    cost: Mapping[str, str] | None = None
    capacity: tuple[Mapping[str, Any], ...] = ()
    expires_ms: int | None = None
    vote_at: str = ""  # where phones vote; empty unless the page is shared

    def to_json(self) -> dict[str, Any]:
        return asdict(self)
