"""A client for primetime's collectors: keeps each event on disk until a collector has acknowledged it.

One file, Python 3.9 or later, nothing but the standard library: copy it into your program. docs/clients.md says why it
does what it does.

    with Client(["http://collector.example:8080"], "outbox.db") as client:
        client.send({"show": "quiz-20261121", "pos_ms": 10500, "user": "u1", "type": "vote",
                     "data": {"poll": "q1", "choice": "a"}})
"""

from __future__ import annotations

import http.client
import itertools
import json
import random
import secrets
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from typing import Any, NamedTuple

MAX_BATCH = 100  # events in one request
MAX_BODY = 200_000  # bytes of one request; a collector takes 256 KiB
TIMEOUT_S = 5.0  # a collector answers within 2 s, if only with 503
FIRST_PAUSE_S, LAST_PAUSE_S = 0.25, 30.0
REFUSED = (400, 413)  # it is the events' fault: sending the same again cannot help. Everything else is tried again.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


class Parked(NamedTuple):
    """An event that collectors refuse, and what they say of it."""

    id: str
    event: bytes
    reason: str


class Client:
    """`send` returns when the event is on this disk; a thread of its own takes it from there to a collector.

    `outbox` is an SQLite file. One client at a time uses it; after a crash the next one goes on with what is in it.
    """

    def __init__(self, collectors: Sequence[str], outbox: str, timeout_s: float = TIMEOUT_S) -> None:
        if not collectors:
            raise ValueError("a client needs the address of a collector, for example http://collector.example:8080")
        self._urls = itertools.cycle([f"{collector.rstrip('/')}/events" for collector in collectors])
        self._url = next(self._urls)
        self._timeout_s = timeout_s
        self._outbox = _Outbox(outbox)
        self._changed = threading.Condition()
        self._closed = False
        self._failures = 0
        self.trouble: str | None = None  # why the last request was not acknowledged; None when it was
        self._sender = threading.Thread(target=self._run, name="primetime-client", daemon=True)
        self._sender.start()

    def send(self, event: dict[str, Any]) -> str:
        """Keep an event and have it sent; its id. The id is made here unless the event has one, and never changes."""
        event = {"id": new_id(), **event}
        self._outbox.add(event["id"], json.dumps(event, separators=(",", ":"), ensure_ascii=False).encode())
        with self._changed:
            self._changed.notify_all()
        return str(event["id"])

    def waiting(self) -> int:
        """How many events no collector has acknowledged yet, parked ones not counted."""
        return self._outbox.waiting()

    def parked(self) -> list[Parked]:
        """Events that were refused, each alone: they stay until somebody looks at them."""
        return self._outbox.parked()

    def flush(self, timeout_s: float) -> bool:
        """Wait until nothing waits any more; False when that takes longer than `timeout_s`."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while self.waiting():
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, 1))
        return True

    def close(self) -> None:
        """Stop sending. What waits stays in the outbox, for the next client."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._sender.join()
        self._outbox.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _run(self) -> None:
        most = MAX_BATCH
        while True:
            batch = self._outbox.oldest(most, MAX_BODY)
            with self._changed:
                if not batch and not self._closed:
                    self._changed.wait(1)
                if self._closed:
                    return
            if not batch:
                most = MAX_BATCH
                continue
            status, said, retry_after_s = self._post([event for _, event in batch])
            if status == 204:
                self._acknowledged(batch)
                most = min(MAX_BATCH, most * 2)  # after a split, grow again
            elif status in REFUSED and len(batch) > 1:
                most = max(1, len(batch) // 2)  # one of them is bad: halve until it is alone
            elif status in REFUSED:
                self._outbox.park(batch[0][0], f"{status} {said}")
            else:
                self._pause(f"{status} {said}" if status else said, retry_after_s)

    def _acknowledged(self, batch: list[tuple[str, bytes]]) -> None:
        self._outbox.remove([event_id for event_id, _ in batch])
        self._failures, self.trouble = 0, None
        with self._changed:
            self._changed.notify_all()

    def _post(self, events: list[bytes]) -> tuple[int, str, float]:
        """(status, what was said, Retry-After in seconds); status 0 when there was no answer."""
        request = urllib.request.Request(self._url, b"[" + b",".join(events) + b"]", method="POST")
        try:
            with urllib.request.urlopen(request, timeout=self._timeout_s) as answer:
                return answer.status, answer.read(1000).decode(errors="replace").strip(), 0.0
        except urllib.error.HTTPError as error:
            with error:
                after = error.headers.get("Retry-After", "")
                said = error.read(1000).decode(errors="replace").strip()
                return error.code, said, float(after) if after.isdigit() else 0.0
        except (OSError, http.client.HTTPException) as error:
            return 0, f"no answer from {self._url}: {error}", 0.0

    def _pause(self, trouble: str, retry_after_s: float) -> None:
        """Wait before the same events are sent again: longer each time, never in step with other clients."""
        self.trouble = trouble
        self._url = next(self._urls)
        most = min(FIRST_PAUSE_S * 2**self._failures, LAST_PAUSE_S)
        self._failures = min(self._failures + 1, 16)
        pause_s = min(retry_after_s, LAST_PAUSE_S) + random.uniform(most / 2, most)
        with self._changed:
            self._changed.wait_for(lambda: self._closed, pause_s)


class _Outbox:
    """Events in the order in which they were sent, on disk."""

    def __init__(self, path: str) -> None:
        self._lock = threading.Lock()
        self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = full")  # an event that `send` took survives a power cut
        self._db.execute(
            "create table if not exists events"
            " (place integer primary key, id text unique not null, event blob not null, refused text)"
        )

    def add(self, event_id: str, event: bytes) -> None:
        self._do("insert into events (id, event) values (?, ?)", (event_id, event))

    def oldest(self, count: int, size: int) -> list[tuple[str, bytes]]:
        """Up to `count` events of `size` bytes together, at least one if there is any."""
        rows = self._do("select id, event from events where refused is null order by place limit ?", (count,))
        chosen, total = [], 0
        for event_id, event in rows:
            total += len(event) + 1
            if chosen and total > size:
                break
            chosen.append((event_id, event))
        return chosen

    def remove(self, ids: list[str]) -> None:
        self._do(f"delete from events where id in ({','.join('?' * len(ids))})", ids)

    def park(self, event_id: str, reason: str) -> None:
        self._do("update events set refused = ? where id = ?", (reason, event_id))

    def waiting(self) -> int:
        return int(self._do("select count(*) from events where refused is null")[0][0])

    def parked(self) -> list[Parked]:
        rows = self._do("select id, event, refused from events where refused is not null order by place")
        return [Parked(*row) for row in rows]

    def close(self) -> None:
        self._db.close()

    def _do(self, statement: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._lock:
            return self._db.execute(statement, values).fetchall()


def new_id() -> str:
    """A ULID (github.com/ulid/spec): 48 bits of epoch milliseconds and 80 of chance."""
    number = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join(ALPHABET[number >> 5 * place & 31] for place in range(25, -1, -1))
