"""Reads the cluster for all browsers together, while at least one looks, and puts what was read into one snapshot.

Called by app.py. Each reader has a thread and a pace of its own: one that hangs leaves the others' numbers moving.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from primetime import expiry
from primetime.errors import PrimetimeError
from primetime.inventory import Inventory
from primetime.stage.cluster import Counted, queues
from primetime.stage.counting import Window
from primetime.stage.script import Script
from primetime.stage.snapshot import Counter, MomentState, Node, Poll, Proof, Queue, Snapshot

COUNTS_S, SPOOLS_S, HOSTS_S, BOOKS_S = 0.25, 1.0, 1.0, 3.0
AFTER_TROUBLE_S = 1.0


class CountsReader(Protocol):
    counted: str

    def read(self) -> Counted: ...
    def follow(self, inventory: Inventory) -> None: ...


class SpoolsReader(Protocol):
    def read(self) -> dict[str, dict[str, Any] | None]: ...
    def follow(self, inventory: Inventory) -> None: ...


class BooksReader(Protocol):
    def read(self) -> Proof: ...
    def note(self, missing: Mapping[str, int]) -> None: ...


class HostsReader(Protocol):
    def read(self) -> list[Node]: ...
    def follow(self, inventory: Inventory) -> None: ...


@dataclass(frozen=True)
class Readers:
    """What the stage reads; cluster.py has those of a live cluster, each also with `close` where it holds something."""

    counts: CountsReader
    spools: SpoolsReader
    books: BooksReader
    hosts: HostsReader


@dataclass(frozen=True)
class Billing:
    """What the page says of itself. 1:`scale` of a million is what this cluster is asked for."""

    topology: str
    show: str
    scale: int
    vote_at: str = ""
    price: str = ""
    cost: Mapping[str, str] | None = None
    capacity: tuple[Mapping[str, Any], ...] = ()

    @property
    def goal(self) -> int:
        return 1_000_000 // self.scale


class Watch:
    """`moments` and `proved` are asked at each snapshot for what the page shows of them: the buttons, and by node which
    promises are not kept, with when they were proved (epoch milliseconds)."""

    def __init__(
        self,
        billing: Billing,
        readers: Readers,
        moments: Callable[[], Sequence[MomentState]] = tuple,
        proved: Callable[[], tuple[Mapping[str, tuple[str, ...]], int]] = lambda: ({}, 0),
        script: Script | None = None,
    ) -> None:
        self.billing, self.readers = billing, readers
        self.moments, self.proved = moments, proved
        self.script = script or Script()
        self.looks = 0  # how often anything was read: 0 while nobody looks
        self._window = Window()
        self._counted_s = 0.0  # CLOCK_MONOTONIC
        self._counts_trouble = ""
        self._first: int | None = None  # what had been counted when somebody first looked
        self._best = 0
        self._poll: Poll | None = None
        self._queues: tuple[Queue, ...] = ()
        self._statuses: Mapping[str, Any] = {}
        self._nodes: tuple[Node, ...] = ()
        self._each: dict[str, Window] = {}  # by a collector's address
        self._answered: frozenset[str] = frozenset()  # the addresses that said something when last asked
        self._refusing: frozenset[str] = frozenset()
        self._expiry = Expiry(billing.topology)
        self._proof = Proof()
        self._viewers = 0
        self._changed = threading.Condition()
        self._closing = False
        jobs = [(COUNTS_S, self._count), (SPOOLS_S, self._spool), (HOSTS_S, self._host), (BOOKS_S, self._book)]
        self._threads = [threading.Thread(target=self._loop, args=job, daemon=True) for job in jobs]
        for thread in self._threads:
            thread.start()

    @contextmanager
    def looking(self) -> Iterator[None]:
        """The cluster is read while anybody is in here."""
        with self._changed:
            self._viewers += 1
            self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._viewers -= 1

    def close(self) -> None:
        """Ends all reading."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(timeout=5)
        for reader in (self.readers.spools, self.readers.books):
            if close := getattr(reader, "close", None):
                close()

    def snapshot(self) -> Snapshot:
        """The present, of what was last read."""
        now = time.monotonic()
        window = self._window
        behind = now - self._counted_s if self._counted_s else 0.0
        waiting = sum(queue.waiting for queue in self._queues if queue.sink == "hbase")
        verified, verified_ms = self.proved()
        return Snapshot(
            topology=self.billing.topology,
            show=self.billing.show,
            scale=self.billing.scale,
            goal=self.billing.goal,
            at_ms=time.time_ns() // 1_000_000,
            counter=Counter(
                last=window.within(now),
                best=self._best,
                rate=window.rate(now),
                total=window.total - (self._first or 0),
                history=window.history(now),
                counted=self._counts_trouble or self.readers.counts.counted,
                behind_s=round(behind, 1) if behind > AFTER_TROUBLE_S + COUNTS_S else 0.0,
            ),
            proof=replace(self._proof, waiting=waiting),
            nodes=tuple(replace(node, verified=verified.get(node.name)) for node in self._nodes),
            queues=self._queues,
            accepted=self._accepted(now),
            refusing=tuple(node.name for node in self._nodes if node.kind == "collector" and self._refuses(node)),
            poll=self._poll,
            moments=tuple(self.moments()),
            next=self.script.next(),
            verified_ms=verified_ms,
            health=health(),
            price=self.billing.price,
            cost=self.billing.cost,
            capacity=self.billing.capacity,
            expires_ms=self._expiry.at_ms(),
            vote_at=self.billing.vote_at,
        )

    def _accepted(self, now: float) -> dict[str, int | None]:
        """Collector → updates a second; None while it says nothing. None of them where collectors tell no metrics."""
        each, answered = self._each, self._answered
        collectors = [node for node in self._nodes if node.kind == "collector" and each]
        said = {node.name: node.address for node in collectors}
        return {name: each[address].rate(now) if address in answered else None for name, address in said.items()}

    def _refuses(self, node: Node) -> bool:
        return node.address in self._refusing & self._answered

    def begin_anew(self) -> None:
        """What was counted so far, and the best of it, are of a show that is over."""
        self._first, self._best, self._window = None, 0, Window()

    def _loop(self, every_s: float, look: Callable[[], None]) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._viewers or self._closing)
                if self._closing:
                    return
            began = time.monotonic()
            look()
            self.looks += 1
            with self._changed:
                self._changed.wait_for(lambda: self._closing, max(0.0, began + every_s - time.monotonic()))

    def _count(self) -> None:
        try:
            counted = self.readers.counts.read()
        except PrimetimeError as error:
            self._counts_trouble, self._answered = str(error), frozenset()
            self._pause()
            return
        self._counted_s = time.monotonic()
        self._window.add(self._counted_s, counted.total)
        self._first = counted.total if self._first is None else min(self._first, counted.total)
        self._best = max(self._best, self._window.within(self._counted_s))
        each = {address: self._each.get(address, Window()) for address in {*self._each, *counted.each}}
        for address, total in counted.each.items():
            each[address].add(self._counted_s, total)
        self._each, self._answered, self._refusing = each, frozenset(counted.each), counted.refusing
        self._poll, self._counts_trouble = counted.poll, ""

    def _spool(self) -> None:
        now = self.readers.spools.read()
        self._queues = tuple(queues(self._statuses, now))
        self._statuses = now

    def _host(self) -> None:
        self._nodes = tuple(self.readers.hosts.read())

    def _book(self) -> None:
        try:
            self._proof = self.readers.books.read()
        except PrimetimeError as error:
            self._proof = replace(self._proof, trouble=str(error))

    def _pause(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closing, AFTER_TROUBLE_S)


class Expiry:
    """When a topology's machines remove themselves, for the presenter. Read when its file changes, and once in READ_S:
    of a process that was killed the file stays."""

    READ_S = 30.0

    def __init__(self, topology: str) -> None:
        self._topology = topology
        self._seen: tuple[int, ...] | None = None
        self._read_s = -self.READ_S
        self._at_s: float | None = None

    def at_ms(self) -> int | None:
        """Epoch milliseconds; None when they do not."""
        seen, now = _version(expiry.waiting(self._topology).file), time.monotonic()
        if seen != self._seen or (seen and now > self._read_s + self.READ_S):
            self._at_s = expiry.of(self._topology)
            self._seen, self._read_s = seen, now
        return None if self._at_s is None else round(self._at_s * 1000)


def _version(path: Path) -> tuple[int, ...] | None:
    """What differs when a file was made anew or written to; None when there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def health() -> dict[str, str]:
    """This machine, for the presenter."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free_gb = int(fields["MemAvailable"].split()[0]) / (1 << 20)
    return {
        "load": f"{os.getloadavg()[0]:.1f} on {os.cpu_count()} cores",
        "memory free": f"{free_gb:.1f} GiB",
    }
