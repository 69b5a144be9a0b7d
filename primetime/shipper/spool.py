"""The spool directory as a channel: which segments there are, in what state, and their removal.

Used by the sinks (each scans for itself) and by the supervisor.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from primetime.errors import PrimetimeError
from primetime.event import ULID
from primetime.shipper.tail import Closed, Live, Sealed, State

_NAME = re.compile(rf"({ULID.pattern}-w[0-9]{{2}})-([0-9]{{10}})\.(open|sealed|closed)")
ENDING_S = 5.0  # what a killed shipper's lanes take at most to end on a busy machine
_RESCAN_S = 1.0  # a directory's change time is coarse: two changes within a tick may look like one


class SegmentId(NamedTuple):
    """A segment's name: its source (`<spool ULID>-w<WW>`) and its number there. Sorts in order of writing."""

    source: str
    number: int

    def __str__(self) -> str:
        return f"{self.source}-{self.number:010d}"

    @property
    def worker(self) -> int:
        return int(self.source[-2:])


class Kind(Enum):
    """What the directory says about a segment."""

    OPEN = "open"
    SEALED = "sealed"
    CLOSED = "closed"  # .open with a sidecar


class Spool:
    """A spool directory. `scan` is cheap while nothing is created, renamed or removed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._found: dict[SegmentId, Kind] = {}
        self._changed_ns, self._scanned_s = -1, float("-inf")

    def scan(self) -> dict[SegmentId, Kind]:
        """Every segment, in order of source and number. A renaming under way may hide one until the next look."""
        changed_ns = self.directory.stat().st_mtime_ns
        now = time.monotonic()
        if changed_ns != self._changed_ns or now > self._scanned_s + _RESCAN_S:
            self._found = self._scan()
            self._changed_ns, self._scanned_s = changed_ns, now
        return self._found

    def _scan(self) -> dict[SegmentId, Kind]:
        suffixes: dict[SegmentId, set[str]] = {}
        for segment, suffix in self._names():
            suffixes.setdefault(segment, set()).add(suffix)
        return {segment: kind for segment in sorted(suffixes) if (kind := _kind(suffixes[segment]))}

    def last_numbers(self) -> dict[str, int]:
        """Source → the last number that its worker has used for a segment that appeared (docs/architecture.md)."""
        with contextlib.suppress(FileNotFoundError):
            ulid = (self.directory / "spool.ulid").read_text().strip()
            return {
                f"{ulid}-{path.stem}": number
                for path in sorted(self.directory.glob("w[0-9][0-9].number"))
                if (number := _last_number(path)) is not None
            }
        return {}

    def path(self, segment: SegmentId, suffix: str) -> Path:
        return self.directory / f"{segment}.{suffix}"

    def exists(self, segment: SegmentId) -> bool:
        """Whether a segment is there, whatever a scan saw. In this order: a renaming goes from open to sealed."""
        return self.path(segment, "open").exists() or self.path(segment, "sealed").exists()

    def open(self, segment: SegmentId) -> int:
        """A descriptor for reading; it stays good when the segment is renamed. FileNotFoundError when it is gone."""
        with contextlib.suppress(FileNotFoundError):
            return os.open(self.path(segment, "open"), os.O_RDONLY | os.O_CLOEXEC)
        return os.open(self.path(segment, "sealed"), os.O_RDONLY | os.O_CLOEXEC)

    @contextlib.contextmanager
    def opened(self, segment: SegmentId) -> Iterator[int]:
        """`open`, and closed again at the end of the block."""
        fd = self.open(segment)
        try:
            yield fd
        finally:
            os.close(fd)

    def state(self, segment: SegmentId, kind: Kind) -> State:
        """What a tail may expect of a segment that a scan found to be `kind`."""
        if kind is Kind.CLOSED:
            return Closed(int(json.loads(self.path(segment, "closed").read_bytes())["bytes"]))
        return Sealed() if kind is Kind.SEALED else Live()

    def remove(self, segment: SegmentId) -> None:
        """Delete a segment, then its sidecar: the other way round its writer would be found dead a second time."""
        for suffix in ("sealed", "open", "closed"):
            self.path(segment, suffix).unlink(missing_ok=True)
        self._changed_ns = -1

    def remove_orphans(self) -> None:
        """Delete sidecars whose segment is gone, and half-written ones: what a killed shipper was doing."""
        for half in self.directory.glob("*.closed.tmp"):
            half.unlink()
        for segment, suffix in list(self._names()):
            if suffix == "closed" and not self.exists(segment):
                self.path(segment, "closed").unlink(missing_ok=True)

    def _names(self) -> Iterator[tuple[SegmentId, str]]:
        with os.scandir(self.directory) as entries:
            for entry in entries:
                if matched := _NAME.fullmatch(entry.name):
                    yield SegmentId(matched[1], int(matched[2])), matched[3]


def _kind(suffixes: set[str]) -> Kind | None:
    if "sealed" in suffixes:
        return Kind.SEALED
    if "open" in suffixes:
        return Kind.CLOSED if "closed" in suffixes else Kind.OPEN
    return None


def adopted(directory: Path) -> list[Path]:
    """Spools of instances that are gone, which the host of this one ships: beside it, each on a volume of its own."""
    beside = directory.with_name(f"{directory.name}-adopted")
    return sorted(each for each in beside.iterdir() if each.is_dir()) if beside.is_dir() else []


@contextlib.contextmanager
def only_shipper(directory: Path, patience_s: float = ENDING_S) -> Iterator[None]:
    """Hold the spool directory's lock: two shippers would each write the other's ledger rows.

    PrimetimeError when another holds it for longer than `patience_s`: the lanes of one that was killed hold it until
    they have ended too.
    """
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    deadline = time.monotonic() + patience_s
    try:
        while not _locked(fd):
            if time.monotonic() >= deadline:
                raise PrimetimeError(f"{directory}: another shipper is at work here: stop it first")
            time.sleep(0.02)
        yield
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _last_number(path: Path) -> int | None:
    text = path.read_text().strip()
    if not text.isdecimal():
        return None
    number = int(text)
    with contextlib.suppress(FileNotFoundError):  # reserved for a segment that has not appeared yet
        if int(path.with_name(f"{path.stem}.next").stat().st_mtime) == number:
            return number - 1
    return number
