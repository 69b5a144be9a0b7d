"""Closes the segments of dead writers, so that every sink knows where they end.

Called by the supervisor a few times a second: it depends on no sink.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from pathlib import Path

from primetime.shipper.spool import Kind, SegmentId, Spool
from primetime.shipper.tail import Closed, Tail

log = logging.getLogger("shipper")

DEAD_AFTER_S = 1.0  # a lock is found free twice, this far apart: it is free for a moment when its writer seals


class Warden:
    """Watches the locks of a spool's open segments."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._free_since: dict[SegmentId, float] = {}

    def close_dead(self) -> list[SegmentId]:
        """Write the sidecar of every open segment whose writer is gone; those that were closed now."""
        found = self._spool.scan()
        open_now = [segment for segment, kind in found.items() if kind is Kind.OPEN]
        self._free_since = {segment: since for segment, since in self._free_since.items() if segment in open_now}
        return [segment for segment in open_now if self._close_if_dead(segment)]

    def _close_if_dead(self, segment: SegmentId) -> bool:
        try:
            fd = os.open(self._spool.path(segment, "open"), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # sealed or removed meanwhile
            return False
        try:
            if not _lock(fd):
                self._free_since.pop(segment, None)
                return False
            now = time.monotonic()
            if now < self._free_since.setdefault(segment, now) + DEAD_AFTER_S:
                return False
            self._close(segment, fd)
            return True
        finally:
            os.close(fd)  # releases the lock

    def _close(self, segment: SegmentId, fd: int) -> None:
        os.fsync(fd)  # the sidecar must never promise more than a power cut leaves
        tail = Tail(fd)
        while not tail.ended:
            tail.read(Closed(), 100_000)
        sidecar = {
            "bytes": tail.offset,
            "records": tail.records,
            "events": tail.events,
            "reason": tail.fault.reason if tail.fault else "its writer is dead",
            "closed_ms": time.time_ns() // 1_000_000,
        }
        write_durably(self._spool.path(segment, "closed"), json.dumps(sidecar))
        log.info("%s: its writer is dead: closed at %d bytes, %d events", segment, tail.offset, tail.events)


def write_durably(path: Path, text: str) -> None:
    """Write a file that is either absent or whole, also after a power cut."""
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.rename(path)
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
