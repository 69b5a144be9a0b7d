"""What the shipper's tests stand on: a collector's writer, and an HBase in memory behind the client's interface."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from zlib import crc32

from primetime.event import ulid
from primetime.hbase import Cell, Hbase, HbaseUnavailable

SPOOL = ulid(1_700_000_000_000, 7)
RECEIVED_MS = 1_700_000_000_000
SHOW = "quiz-20261121"
Answer = Callable[[str, str, Mapping[bytes, list[Cell]]], None]


def event(number: int, type_: str = "answer", pos_ms: int | None = None, show: str = SHOW, more: str = "") -> bytes:
    """The event of that number: its own id, its own second of the show."""
    event_id = ulid(RECEIVED_MS, number)
    pos_ms = number * 500 if pos_ms is None else pos_ms
    return f'{{"id":"{event_id}","show":"{show}","pos_ms":{pos_ms},"user":"u{number}","type":"{type_}"{more}}}'.encode()


def vote(number: int, user: str, choice: str, pos_ms: int, poll: str = "final") -> bytes:
    event_id = ulid(RECEIVED_MS, number)
    return (
        f'{{"id":"{event_id}","show":"{SHOW}","pos_ms":{pos_ms},"user":"{user}","type":"vote",'
        f'"data":{{"poll":"{poll}","choice":"{choice}"}}}}'
    ).encode()


def record(seq: int, events: list[bytes], received_ms: int = RECEIVED_MS) -> bytes:
    """One committed group as docs/architecture.md writes it."""
    payload = b"".join(event + b"\n" for event in events)
    header = b"P1 %d %d %d %d " % (seq, len(payload), len(events), received_ms)
    return header + b"%08x\n" % crc32(header + payload) + payload


class Writer:
    """One worker of a collector: writes a segment while holding its lock, seals it, or dies."""

    def __init__(self, spool: Path, number: int = 1, worker: int = 0, reserve: int = 0) -> None:
        self.name = f"{SPOOL}-w{worker:02d}-{number:010d}"
        self.path = spool / f"{self.name}.open"
        self._spool = spool
        self.seq = self.events = self.bytes = 0
        following = spool / f"w{worker:02d}.next"
        self._fd = os.open(following, os.O_RDWR | os.O_CREAT, 0o640)
        fcntl.flock(self._fd, fcntl.LOCK_EX)
        os.ftruncate(self._fd, reserve)
        following.rename(self.path)

    def write(self, *events: bytes, received_ms: int = RECEIVED_MS) -> Writer:
        self.seq += 1
        self.append(record(self.seq, list(events), received_ms))
        self.events += len(events)
        return self

    def append(self, data: bytes) -> Writer:
        """Bytes as they are, at the end of what is written."""
        os.pwrite(self._fd, data, self.bytes)
        self.bytes += len(data)
        return self

    def take_back(self, data: bytes) -> Writer:
        """As after a failed sync: what was not acknowledged is no longer part of the segment."""
        self.bytes -= len(data)
        return self

    def seal(self) -> Path:
        end = b"E1 %d %d %d\n" % (self.seq, self.events, self.bytes)
        os.pwrite(self._fd, end, self.bytes)
        os.ftruncate(self._fd, self.bytes + len(end))
        sealed = self.path.with_suffix(".sealed")
        self.path.rename(sealed)
        self.die()
        return sealed

    def die(self) -> Path:
        os.close(self._fd)
        return self.path


class Killed(Exception):
    """The shipper's process ends here."""


class MemoryHbase(Hbase):
    """HBase's tables in memory: per cell the newest time wins. It outlives the shippers that are killed.

    `fail` maps the number of a call (from 1) to how it fails: an exception, and which share of its rows was applied
    (a row of few cells is written whole or not at all).
    """

    def __init__(self, fail: Mapping[int, tuple[type[Exception], float]] | None = None) -> None:
        self.tables: dict[str, dict[bytes, dict[bytes, tuple[bytes, int]]]] = {}
        self.calls: list[tuple[str, str]] = []
        self.fail = dict(fail or {})
        self.down = False

    def _call(self, method: str, table: str) -> float:
        self.calls.append((method, table))
        if self.down:
            raise HbaseUnavailable("HBase is down")
        failure = self.fail.get(len(self.calls))
        if failure is None:
            return 2.0
        if method != "put" or failure[1] == 0:
            raise failure[0](f"call {len(self.calls)}")
        return failure[1]

    def put(self, table: str, rows: Mapping[bytes, list[Cell]]) -> None:
        share = self._call("put", table)
        for row, cells in list(rows.items())[: int(len(rows) * share)]:
            stored = self.tables.setdefault(table, {}).setdefault(row, {})
            for qualifier, value, time_ms in cells:
                if qualifier not in stored or stored[qualifier][1] <= time_ms:
                    stored[qualifier] = value, time_ms
        if share <= 1:
            raise self.fail[len(self.calls)][0](f"call {len(self.calls)}")

    def get(self, table: str, row: bytes) -> dict[bytes, bytes]:
        self._call("get", table)
        return {qualifier: value for qualifier, (value, _) in self.tables.get(table, {}).get(row, {}).items()}

    def scan(
        self, table: str, start: bytes, stop: bytes, *, prefix: bytes = b"", keys_only: bool = False
    ) -> Iterator[tuple[bytes, bytes, bytes, int]]:
        self._call("scan", table)
        for row, cells in sorted(self.tables.get(table, {}).items()):
            if start <= row and (not stop or row < stop):
                for qualifier, (value, time_ms) in sorted(cells.items()):
                    if qualifier.startswith(prefix):
                        yield row, qualifier, b"" if keys_only else value, time_ms

    def delete(self, table: str, row: bytes, qualifier: bytes | None = None) -> None:
        self._call("delete", table)
        cells = self.tables.get(table, {}).get(row, {})
        for name in list(cells) if qualifier is None else [qualifier]:
            cells.pop(name, None)
        if not cells:
            self.tables.get(table, {}).pop(row, None)

    def close(self) -> None:
        """There is no connection."""

    def events(self) -> list[bytes]:
        """The bytes of every stored event, sorted; one stored under two keys is there twice."""
        rows = self.tables.get("events", {}).values()
        return sorted(value for cells in rows for value, _ in cells.values())

    def ledger(self, name: str) -> dict[str, str]:
        """A segment's row as text."""
        cells = self.tables.get("ledger", {}).get(name.encode(), {})
        return {qualifier.decode(): value.decode() for qualifier, (value, _) in cells.items()}

    def letters(self) -> list[dict[str, bytes]]:
        """The dead letters in the order of their rows."""
        rows = sorted(self.tables.get("deadletters", {}).items())
        return [{qualifier.decode(): value for qualifier, (value, _) in cells.items()} for _, cells in rows]
