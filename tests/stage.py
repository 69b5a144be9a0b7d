"""A stage without a cluster: readers that say what a test tells them, hands that note what they were asked to do."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from primetime.errors import NotAsDeclared, PrimetimeError
from primetime.stage.audience import Audience
from primetime.stage.cluster import Counted
from primetime.stage.kept import Kept
from primetime.stage.moments import Director, Say
from primetime.stage.server import LOOPBACK, Server, listening
from primetime.stage.snapshot import Node, Poll, Proof
from primetime.stage.watch import Billing, Readers, Watch
from tests.waiting import PATIENCE_S, wait_for

CERTIFICATE = {"acked": 100_000, "missing": 0, "unanswered": 0, "accept_seconds": 4.81, "stored_seconds": 6.2}
NODES = [
    Node("collector-1", "collector", "10.0.0.2", ("base", "collector", "shipper")),
    Node("collector-1", "shipper", "10.0.0.2", ("base", "collector", "shipper")),
    Node("store-1", "hbase", "10.0.0.3", ("base", "hbase", "hbase_regionserver")),
    Node("redis-1", "redis", "10.0.0.4", ("base", "redis")),
]


@dataclass
class Told:
    """All four readers of a cluster; a test sets what they say."""

    counted: str = "counted by a test"
    total: int = 0
    poll: Poll | None = None
    waiting: int = 0
    failing: str = ""
    proof: Proof = field(default_factory=lambda: Proof(sent=10, stored=10, at_ms=1, checked_ms=1))
    nodes: list[Node] = field(default_factory=lambda: list(NODES))
    silent: str = ""  # a collector whose shipper says nothing
    each: dict[str, int] = field(default_factory=dict)
    refusing: list[str] = field(default_factory=list)
    at_ms: int = 0

    def readers(self) -> Readers:
        return Readers(
            counts=_Says(self.counts, self.counted),
            spools=_Says(self.spools),
            books=_Says(self.books),
            hosts=_Says(self.hosts),
        )

    def counts(self) -> Counted:
        return Counted(self.total, self.poll, dict(self.each), frozenset(self.refusing))

    def spools(self) -> dict[str, dict[str, Any] | None]:
        self.at_ms += 1000
        sink = {
            "lag_events": self.waiting,
            "lag_seconds": 0.0,
            "events": self.total,
            "last_error": self.failing or None,
        }
        sinks = {name: {**sink, "failing_s": 1.0 if self.failing else 0.0} for name in ("hbase", "redis")}
        silent: dict[str, dict[str, Any] | None] = {self.silent: None} if self.silent else {}
        return {"collector-1": {"at_ms": self.at_ms, "sinks": sinks}, **silent}

    def books(self) -> Proof:
        return self.proof

    def hosts(self) -> list[Node]:
        return list(self.nodes)


@dataclass
class _Says:
    """One reader."""

    read: Any
    counted: str = ""

    def follow(self, inventory: Any) -> None:
        """A test's cluster is what its test says."""

    def note(self, missing: Any) -> None:
        """And so are its books."""


class FakeHands:
    """Notes what it was asked for, in `did`. While `hold` is set, a burst goes on."""

    local = True
    whole = diskless = ""

    def __init__(self) -> None:
        self.extra = ""
        self.problems: list[dict[str, str]] = []
        self.taken = 0
        self.beside: dict[str, int] = {}
        self.expires = True
        self.poll = ""
        self.counted: dict[str, int] = {}
        self.did: list[str] = []
        self.hold = threading.Event()
        self.ended = threading.Event()
        self.busy = ""
        self.accepting = True
        self.certificate: dict[str, Any] = dict(CERTIFICATE)
        self.report: dict[str, Any] = {"checked": 5, "failed": [], "following": []}

    def nodes(self, group: str) -> list[str]:
        return list(dict.fromkeys(node.name for node in NODES if group in node.groups))

    def at_work(self) -> str:
        return self.busy

    def burst(self, updates: int, over_s: float, batch: int, say: Say, poll: str = "") -> dict[str, Any]:
        self.did.append(f"burst {updates}")
        self.poll = poll
        say("sending")
        while self.hold.is_set() and not self.ended.wait(0.01):
            pass
        return dict(self.certificate)

    def votes(self, poll: str) -> dict[str, int]:
        return self.counted if poll == self.poll else {}

    def verify(self, say: Say) -> dict[str, Any]:
        self.did.append("verify")
        return self.report

    def ledger(self, say: Say) -> dict[str, Any]:
        self.did.append("ledger")
        return {"runs": [{"run": "01J", "acked": 7, "missing": 0}], "problems": self.problems}

    def kill(self, node: str) -> None:
        self.did.append(f"kill {node}")

    def start(self, node: str) -> None:
        self.did.append(f"start {node}")

    def unplug(self, node: str) -> None:
        self.did.append(f"unplug {node}")

    def plug(self, node: str) -> None:
        self.did.append(f"plug {node}")

    def reset(self, say: Say) -> dict[str, Any]:
        self.did.append("reset")
        self.extra = ""
        seeded = {"updates": 20_013, "sha256": "b53e54629afcc360b7b0"}
        return {"seeded": seeded, "beside": self.beside}

    def stay(self, more_s: float) -> None:
        self.did.append(f"stay {more_s:g}")
        if not self.expires:
            raise PrimetimeError("a-test does not remove itself")

    def accepts(self, node: str) -> bool:
        return self.accepting

    def accepted(self, node: str) -> int:
        self.taken += 700
        return self.taken

    def further(self) -> str:
        return "collector-2"

    def add(self, say: Say) -> dict[str, Any]:
        self.did.append("add collector-2")
        self.extra = "collector-2"
        if self.report["failed"]:
            raise NotAsDeclared("collector-2: 1 promises not kept, the first: it takes traffic")
        return {"seconds": {"made": 4.0, "converged": 31.5, "verified": 6.0}, "checked": 30}

    def remove(self, node: str, say: Say) -> float:
        self.did.append(f"remove {node}")
        self.extra = ""
        return 1.5

    def fill(self, node: str) -> Callable[[], None]:
        self.did.append(f"disk {node}")
        return lambda: self.did.append(f"fill {node}")

    def empty(self, node: str) -> None:
        self.did.append(f"empty {node}")

    def look(self, node: str) -> dict[str, Any]:
        return {"services": [["primetime-x.service", "running"]], "log": ["a line"], "shipper": None, "figures": []}

    def end(self) -> None:
        self.ended.set()


@dataclass
class Running:
    """A stage that serves."""

    told: Told
    hands: FakeHands
    watch: Watch
    director: Director
    token: str
    port: int
    server: Server
    serving: threading.Thread

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self.port}/#{self.token}"

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        """Status and text of one request, with the token unless `authorization` is given."""
        connection = http.client.HTTPConnection(LOOPBACK, self.port, timeout=PATIENCE_S)
        sent = {"Authorization": f"Bearer {self.token}"} | {
            name.replace("_", "-").title(): value for name, value in headers.items()
        }
        try:
            connection.request(method, path, body, sent)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def snapshot(self) -> dict[str, Any]:
        return dict(json.loads(self.ask("GET", "/snapshot")[1]))


@contextmanager
def stage(told: Told | None = None, port: int = 0, audience: Audience | None = None) -> Iterator[Running]:
    """A stage on a port of its own, or on `port`; its token is kept in PRIMETIME_HOME as that of a real one is."""
    told, hands = told or Told(), FakeHands()
    kept = Kept("a-test")
    with listening(LOOPBACK, port) as sock:
        director = Director(hands, kept, goal=100_000)
        vote_at = f"http://{LOOPBACK}:{sock.getsockname()[1]}/vote" if audience else ""
        watch = Watch(
            Billing("a-test", "quiz", 10, vote_at=vote_at), told.readers(), director.states, lambda: kept.proved
        )
        server = Server(watch, director, [sock], kept.token, audience)
        ready = threading.Event()
        serving = threading.Thread(target=server.run, args=(ready.set,), daemon=True)
        serving.start()
        wait_for(ready.is_set, "the stage serves")
        try:
            yield Running(told, hands, watch, director, kept.token, sock.getsockname()[1], server, serving)
        finally:
            server.stop()
            serving.join(PATIENCE_S)
            director.end()
            watch.close()
