"""A live cluster as the stage reads it: counts from Redis, status of each shipper, the ledger, the hosts themselves.

Called by watch.py from one thread for each reader. Each raises StageTrouble, within seconds, for what cannot be read
now; the next call begins anew. None costs the cluster more than a few cheap requests.
"""

from __future__ import annotations

import json
import select
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from primetime.audit import runs as audit_runs
from primetime.cli.rehearse import runs
from primetime.errors import PrimetimeError
from primetime.hbase import Hbase
from primetime.inventory import Inventory
from primetime.live_counts import client_of
from primetime.providers import driver_for
from primetime.rehearsal.ids import started_ms
from primetime.shipper.ledger import CORRUPT, GATED, LOST, everything
from primetime.stage.snapshot import CUT, DOWN, UP, Node, Poll, Proof, Queue

PATIENCE_S = 2.0
POLLS_EVERY_S = 1.0  # how often new polls are looked for: a few thousand keys
MOST_RUNS = 200
READ_BACK_S = 300

# where a host stands on the map → the inventory groups that put it there
PLACES = {
    "balancer": ("balancer",),
    "collector": ("collector",),
    "shipper": ("shipper",),
    "hbase": ("hbase_regionserver", "hbase_master", "hbase_thrift", "hdfs_datanode", "hdfs_namenode", "zookeeper"),
    "redis": ("redis",),
}


class StageTrouble(PrimetimeError):
    """Something of the cluster cannot be read now: `str()` is shown where its numbers would be."""


@dataclass(frozen=True)
class Counted:
    """Every update that was ever counted, and the poll that people look at. `each`: address → what a collector there
    says it has accepted; empty where collectors tell no metrics. `refusing`: those of them that take nothing now."""

    total: int
    poll: Poll | None = None
    each: Mapping[str, int] = field(default_factory=dict)
    refusing: frozenset[str] = frozenset()


class Counts:
    """Redis: totals of the shows, and the tallies of their polls."""

    counted = "counted in Redis"

    def __init__(self, inventory: Inventory) -> None:
        self._client = client_of(inventory, PATIENCE_S)
        self._shows = inventory.topology.shows
        self._keys: list[str] = []
        self._polls = Polls()
        self._looked_s = -POLLS_EVERY_S

    def read(self) -> Counted:
        if self._client is None:
            raise StageTrouble("this topology has no Redis: there is nothing that counts live")
        try:
            return self._read(self._client)
        except redis.RedisError as error:
            raise StageTrouble(f"Redis does not answer: {error}") from error

    def _read(self, client: redis.Redis) -> Counted:
        if time.monotonic() > self._looked_s + POLLS_EVERY_S:
            found = map(str, client.scan_iter("tally:*", count=1000))
            self._keys = sorted(key for key in found if key.split(":", 2)[1] in self._shows)
            self._looked_s = time.monotonic()
        pipe = client.pipeline(transaction=False)
        for show in self._shows:
            pipe.get(f"total:{show}")
        for key in self._keys:
            pipe.hgetall(key)
        answers = pipe.execute()
        tallies = zip(self._keys, answers[len(self._shows) :], strict=True)
        return Counted(sum(int(answer or 0) for answer in answers[: len(self._shows)]), self._polls.look(tallies))


class Polls:
    """The poll that people look at: a new one at once, else the one that moved last; the busiest while none has.

    One that moves stays, however many others do: it is another's turn when it has stood still for HELD looks.
    """

    HELD = 8

    def __init__(self) -> None:
        self._before: dict[tuple[str, str], Poll] | None = None
        self._shown: tuple[str, str] | None = None
        self._still = 0

    def look(self, tallies: Iterable[tuple[str, Mapping[str, str]]]) -> Poll | None:
        """By what stands now in each `tally:<show>:<poll>`, choice → users; None when nobody has voted."""
        now = {(poll.show, poll.name): poll for poll in map(_poll, tallies) if poll.choices}
        before = now if self._before is None else self._before
        moved = {key: poll for key, poll in now.items() if poll != before.get(key)}
        new = {key: poll for key, poll in moved.items() if key not in before}
        self._still = 0 if self._shown in moved else self._still + 1
        if self._shown not in now:
            self._shown = _busiest(new or moved or now)
        elif new or (moved and self._still > self.HELD):
            self._shown, self._still = _busiest(new or moved), 0
        self._before = now
        return now[self._shown] if self._shown else None


def _poll(tally: tuple[str, Mapping[str, str]]) -> Poll:
    key, users = tally
    _, show, name = key.split(":", 2)
    return Poll(name, tuple(sorted((choice, int(count)) for choice, count in users.items())), show)


def _busiest(polls: Mapping[tuple[str, str], Poll]) -> tuple[str, str] | None:
    return max(polls, key=lambda key: sum(users for _, users in polls[key].choices), default=None)


class Spools:
    """What each collector's shipper has yet to do: its status file, read through one ssh that stays."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._lines: dict[str, _Line] = {}

    def follow(self, inventory: Inventory) -> None:
        """These shippers from the next reading on."""
        self._inventory = inventory

    def read(self) -> dict[str, dict[str, Any] | None]:
        """Node → its shipper's status; None when it does not say."""
        self._meet(self._inventory)
        for line in self._lines.values():
            line.ask()
        until = time.monotonic() + PATIENCE_S
        return {node: line.answer(until) for node, line in self._lines.items()}

    def _meet(self, inventory: Inventory) -> None:
        """A line to each shipper, and to no other: here, in the thread that reads."""
        nodes = [node.name for node in inventory.topology.in_group("shipper")]
        for gone in self._lines.keys() - nodes:
            self._lines.pop(gone).close()
        for node in nodes:
            self._lines.setdefault(node, _Line(inventory.located[node].ssh_config, node))

    def close(self) -> None:
        for line in self._lines.values():
            line.close()


class _Line:
    """An ssh that prints a shipper's status whenever it is sent a line; opened again when it ended."""

    SCRIPT = "while read -r _; do cat /run/primetime-shipper/status.json || echo {}; echo; done"

    def __init__(self, ssh_config: str, node: str) -> None:
        self._command = ["ssh", "-F", ssh_config, "-o", "ConnectTimeout=2", node, "--", self.SCRIPT]
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self) -> None:
        if self._process is None:
            pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
            self._process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=nothing, bufsize=0)
        assert self._process.stdin
        try:
            self._process.stdin.write(b"\n")
        except OSError:
            self.close()

    def answer(self, until: float) -> dict[str, Any] | None:
        said = b""
        while self._process and self._process.stdout and not said.endswith(b"\n"):
            ready = select.select([self._process.stdout], [], [], max(0.0, until - time.monotonic()))[0]
            part = self._process.stdout.read(65536) if ready else b""
            if not part:
                self.close()
                return None
            said += part
        try:
            return dict(json.loads(said)) or None
        except ValueError:
            return None

    def close(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


def queues(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Queue]:
    """What waits for each sink on each collector, from two readings of `Spools`: their difference is the rate."""
    for node, status in now.items():
        if not status:
            yield Queue(node, "hbase", 0, 0.0, 0, "its shipper does not say", silent=True)
            continue
        earlier = before.get(node) or status
        seconds = (status["at_ms"] - earlier["at_ms"]) / 1000
        for sink, said in status["sinks"].items():
            if said.get("disabled"):
                continue
            done = said["events"] - earlier["sinks"].get(sink, {}).get("events", said["events"])
            rate = round(max(0, done) / seconds) if seconds > 0 else 0
            failing = (said["last_error"] or "it fails") if said["failing_s"] else ""
            yield Queue(node, sink, said["lag_events"], said["lag_seconds"], rate, failing)


class Compared:
    """When ids of a rehearsal were last compared, and how many were missing: by its certificate, or since then."""

    def __init__(self) -> None:
        self._since: dict[str, tuple[int, int]] = {}

    def note(self, missing: Mapping[str, int]) -> None:
        """All ids of these rehearsals were looked for just now: run → how many are missing."""
        now_ms = time.time_ns() // 1_000_000
        self._since |= {run: (each, now_ms) for run, each in missing.items()}

    def last(self, certificate: Mapping[str, Any]) -> tuple[int, int]:
        """How many are missing, and when that was found (epoch milliseconds)."""
        own = int(certificate["missing"]), _checked_ms(certificate)
        return max(own, self._since.get(certificate["run"], own), key=lambda found: found[1])


class Books:
    """The ledger and the rehearsals of this cluster: what became of everything."""

    def __init__(self, inventory: Inventory) -> None:
        self._where = (
            inventory.endpoint("hbase_thrift", "thrift") if inventory.topology.in_group("hbase_thrift") else None
        )
        self._hbase = Hbase(*self._where, timeout_s=5) if self._where else None
        self._records = runs(inventory.topology)
        self._certificates: dict[str, dict[str, Any]] = {}
        self._compared = Compared()
        self.note = self._compared.note

    def read(self) -> Proof:
        """All but `waiting`, which the shippers know better."""
        if self._hbase is None:
            raise StageTrouble("this topology has no hbase/thrift: there is no ledger to read")
        rows = everything(self._hbase)
        folders = audit_runs.of_this_cluster(self._records, (segment.source for segment in rows), MOST_RUNS)
        certificates = {folder: self._certificate(folder) for folder in folders}
        runs_ = [certificate for certificate in certificates.values() if certificate]
        comparing = sum(_sent(folder) for folder, certificate in certificates.items() if not certificate)
        wrong = {LOST: "gone from the spool", CORRUPT: "corrupt", GATED: "dead letters beyond the cap"}
        return Proof(
            sent=sum(run["sent"] for run in runs_) + comparing,
            stored=sum(row.stored for row in rows.values()),
            duplicates=sum(run["duplicates"] for run in runs_),
            dead=sum(row.dead for row in rows.values()),
            missing=sum(self._compared.last(run)[0] for run in runs_),
            comparing=comparing,
            at_ms=time.time_ns() // 1_000_000,
            checked_ms=max((self._compared.last(run)[1] for run in runs_), default=0),
            problems=tuple(f"{segment}: {wrong[row.state]}" for segment, row in rows.items() if row.state in wrong),
        )

    def _certificate(self, folder: Path) -> dict[str, Any] | None:
        path = folder / "certificate.json"
        try:
            changed = path.stat().st_mtime_ns
            known = self._certificates.get(folder.name)
            if known is None or known["changed"] != changed:
                known = {**json.loads(path.read_text()), "changed": changed}
                self._certificates[folder.name] = known
            return known
        except (OSError, ValueError):
            return None  # it is being sent, or was cut short

    def close(self) -> None:
        if self._hbase:
            self._hbase.close()


def _sent(folder: Path) -> int:
    """What a rehearsal has sent that is being read back; nothing of one that was cut short long ago."""
    if started_ms(folder.name) < time.time_ns() // 1_000_000 - READ_BACK_S * 1000:
        return 0
    try:
        return int(json.loads((folder / "run.json").read_text())["burst"]["plan"]["updates"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0


def _checked_ms(certificate: Mapping[str, Any]) -> int:
    return max(int(certificate["changed"]) // 1_000_000, started_ms(certificate["run"]))


class Hosts:
    """The machines, and whether they run and are plugged in."""

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._driver = None if inventory.topology.cloud else driver_for(inventory.topology)

    def follow(self, inventory: Inventory) -> None:
        """These machines from now on."""
        self._inventory = inventory

    def read(self) -> list[Node]:
        """A machine that has several places is there several times."""
        states = {}
        for node in self._driver.list_nodes() if self._driver else []:
            cut = any(fault.kind == "down" for fault in node.extra.get("faults", ()))
            states[node.name] = CUT if cut else UP if node.state == "running" else DOWN
        gone = UP if self._driver is None else DOWN
        inventory = self._inventory
        return [
            Node(node.name, place, inventory.located[node.name].address, node.groups, states.get(node.name, gone))
            for node in inventory.topology.nodes
            for place in places(node.groups)
        ]


def places(groups: Iterable[str]) -> list[str]:
    """Where a host of these groups stands on the map: `other` when nowhere along the path."""
    found = [place for place, wanted in PLACES.items() if set(wanted) & set(groups)]
    return found or ["other"]
