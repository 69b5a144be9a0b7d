"""A real collector on 127.0.0.1 for the wire tests: nginx with the role's own templates, a spool of its own, and a
reader of that spool written from docs/architecture.md alone, so that the shipper's reader is not its own judge.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from primetime.bench.servers import NOBODY, free_port, render
from primetime.event import ULID, ulid
from roles.collector.settings import Collector

SHOW = "quiz-20261121"
SEGMENT_NAME = re.compile(rf"({ULID.pattern})-w(\d\d)-(\d{{10}})\.(open|sealed|closed)")
HEADER = re.compile(rb"(P1 ([1-9]\d*) (\d+) ([1-9]\d*) (\d+) )([0-9a-f]{8})\n")
PATIENCE_S = 60  # with a machine that has other things to do
LAST_LINE = re.compile(rb"E1 (\d+) (\d+) (\d+)\n")


@dataclass(frozen=True)
class Answer:
    """What the collector said."""

    status: int
    text: str
    headers: dict[str, str]


@dataclass(frozen=True)
class Record:
    """One committed group."""

    received_ms: int
    events: list[bytes]


@dataclass(frozen=True)
class Segment:
    """One segment file: its records, and whether `E1` ends it as it should."""

    worker: int
    number: int
    state: str
    size: int
    records: list[Record]
    torn: bytes = b""

    @property
    def events(self) -> list[bytes]:
        return [event for record in self.records for event in record.events]


def read_segment(path: Path) -> Segment:
    """Read a segment as the contract has it; AssertionError when it is not as it should be."""
    match = SEGMENT_NAME.fullmatch(path.name)
    assert match, f"{path.name} is no segment's name"
    content, offset, records = path.read_bytes(), 0, list[Record]()
    while header := HEADER.match(content, offset):
        length, count = int(header[3]), int(header[4])
        lines = content[header.end() : header.end() + length]
        if len(lines) < length or zlib.crc32(header[1] + lines) != int(header[6], 16):
            break
        assert int(header[2]) == len(records) + 1, f"{path.name}: seq {int(header[2])} at {offset}"
        events = lines.split(b"\n")
        assert events.pop() == b"" and len(events) == count, f"{path.name}: {count} events announced at {offset}"
        records.append(Record(int(header[5]), events))
        offset = header.end() + length
    rest = content[offset:]
    if match[4] == "sealed":
        last = LAST_LINE.fullmatch(rest)
        assert last, f"{path.name}: {rest[:80]!r} is not the last line"
        assert [int(value) for value in last.groups()] == [len(records), sum(len(r.events) for r in records), offset]
    torn = b"" if match[4] == "sealed" else rest.rstrip(b"\0")
    return Segment(int(match[2]), int(match[3]), match[4], len(content), records, torn)


def wait_for(what: str, condition: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """The condition's first true value; AssertionError when the deadline passes."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {seconds} s for {what}"
        time.sleep(0.01)


def is_alive(pid: int) -> bool:
    """Whether any thread of a process is left: its first one may be gone while another still writes."""
    try:
        states = [stat.read_text().rpartition(")")[2].split()[0] for stat in Path(f"/proc/{pid}/task").glob("*/stat")]
    except (FileNotFoundError, ProcessLookupError):
        return is_alive(pid)  # one has gone just now
    return any(state not in "ZX" for state in states)


_made = 0


def new_id() -> str:
    """A ULID that this test run has not used."""
    global _made
    _made += 1
    return ulid(int(time.time() * 1000), _made)


def event(**changes: Any) -> dict[str, Any]:
    """A valid event; a change to None leaves its key out."""
    base: dict[str, Any] = {"id": new_id(), "show": SHOW, "pos_ms": 1500, "user": "ann", "type": "answer"}
    return {key: value for key, value in {**base, **changes}.items() if value is not None}


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


@dataclass
class Server:
    """One nginx master with its workers."""

    root: Path
    spool: Path
    settings: Collector
    process: subprocess.Popen[bytes] | None = None
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.log = self.root / "error.log"
        render(self.root, self.settings, [SHOW, "news"])
        for path in (self.root, self.root / "run", self.spool):
            os.chown(path, NOBODY, NOBODY)

    def start(self) -> None:
        """Start nginx, and wait until it is ready."""
        self.launch()
        wait_for(f"the collector to be ready; {self.log} says why it is not", self.is_ready)

    def launch(self) -> None:
        """Start nginx, however ready it will be."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                ["nginx", "-c", str(self.root / "nginx.conf"), "-e", "stderr"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                umask=0o027,
                restore_signals=False,  # SIGXFSZ stays ignored: a failed write is an error then, and not a signal
            )

    def is_ready(self) -> bool:
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.get("/ready").status == 200
        return False

    def stop(self) -> None:
        """Stop as systemd does: gracefully."""
        assert self.process
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait(PATIENCE_S)
        self.process = None

    def files(self) -> dict[str, os.stat_result]:
        """What lies in the spool at one moment: listed again while a segment is being renamed."""
        while True:
            try:
                return {path.name: path.stat() for path in self.spool.iterdir()}
            except FileNotFoundError:
                continue

    def kill(self) -> None:
        """Kill -9 of the master and every worker."""
        assert self.process
        workers = self.workers()
        for pid in [self.process.pid, *workers]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(PATIENCE_S)
        self.process = None
        wait_for("killed workers to let go of their files", lambda: not any(map(is_alive, workers)))

    def workers(self) -> list[int]:
        assert self.process
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def connect(self, timeout: float = PATIENCE_S) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.settings.port), timeout)

    def request(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """One request on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.settings.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            text = response.read().decode()
            return Answer(response.status, text, dict(response.getheaders()))
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, body: bytes | list[Any]) -> Answer:
        """Post a batch, as bytes or as JSON values."""
        return self.request("POST", "/events", body if isinstance(body, bytes) else compact(body))

    def exchange(self, raw: bytes) -> bytes:
        """Send bytes as they are; what comes back until the collector closes or has answered once."""
        with self.connect() as connection:
            with contextlib.suppress(ConnectionError):
                connection.sendall(raw)
            with contextlib.suppress(ConnectionError):
                return connection.recv(65536)
        return b""

    def segments(self) -> list[Segment]:
        """Every segment, by worker and number; read again when one was renamed in the meantime."""
        while True:
            paths = self._segment_paths()
            with contextlib.suppress(FileNotFoundError):
                found = [read_segment(path) for path in paths]
                if paths == self._segment_paths():
                    return sorted(found, key=lambda segment: (segment.worker, segment.number))

    def _segment_paths(self) -> set[Path]:
        return {path for path in self.spool.iterdir() if path.suffix in (".open", ".sealed")}

    def stored(self) -> list[bytes]:
        """The bytes of every event in the spool."""
        return [event for segment in self.segments() for event in segment.events]


@contextlib.contextmanager
def collector(spool: Path | None = None, **overrides: Any) -> Iterator[Server]:
    """A running collector, small unless `overrides` say otherwise; stopped and removed afterwards."""
    root = Path(tempfile.mkdtemp(prefix="primetime-collector-"))
    root.chmod(0o755)
    if spool is None:
        spool = root / "spool"
        spool.mkdir()
    small: dict[str, Any] = {
        "workers": 1,
        "worker_connections": 512,
        "segment_mb": 1,
        "segment_age_s": 3600,  # open until a test wants it sealed
        "commit_deadline_ms": 20_000,  # where it is not the test's matter, a slow disk is waited for
        "port": free_port(),
        "metrics_port": free_port(),
        "spool_path": str(spool),
    }
    settings = replace(Collector(), **small | overrides)
    server = Server(root, spool, settings)
    try:
        server.start()
        yield server
    finally:
        if server.process:
            server.kill()
        shutil.rmtree(root)
