"""Locks between processes: one command per topology, one change at a time to what is on disk.

Called by driver (`ex_lock`), state, network and images. A lock's file says who holds it and is gone once it is free.
Descriptors are close-on-exec, so a host that is started under a lock does not keep it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from primetime.errors import PrimetimeError
from primetime.paths import RUN


@contextlib.contextmanager
def held(path: Path, command: str, timeout_s: float = 0) -> Iterator[int]:
    """Hold the lock at `path`, yielding its descriptor; PrimetimeError naming the holder when it stays taken."""
    fd = _acquire(path, command, timeout_s)
    try:
        yield fd
    finally:
        # Unlinked while still held: whoever waits on this inode sees that it is no longer the file, and tries again.
        path.unlink(missing_ok=True)
        os.close(fd)
        remove_empty(path.parent)


def is_held(path: Path) -> bool:
    """Whether a living process holds the lock at `path`; a file left by a dead one is free."""
    try:
        fd = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return is_taken(fd)
    finally:
        os.close(fd)


def is_taken(fd: int) -> bool:
    """Whether another process holds the lock of an open file, which may have lost its name since."""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False


def remove_empty(folder: Path) -> None:
    """Remove `folder` when it is in /run/primetime (or is it) and empty: nothing of ours stays behind."""
    if folder == RUN or RUN in folder.parents:
        with contextlib.suppress(OSError):
            folder.rmdir()


def _acquire(path: Path, command: str, timeout_s: float) -> int:
    deadline = time.monotonic() + timeout_s
    while True:
        fd = _try(path)
        if fd is not None:
            os.truncate(fd, 0)
            os.pwrite(fd, json.dumps({"pid": os.getpid(), "command": command, "since": time.time()}).encode(), 0)
            return fd
        if time.monotonic() >= deadline:
            raise PrimetimeError(
                f"{command} has to wait: {holder(path) or 'another process'} holds {path}: repeat when that has ended, "
                "or end it first"
            )
        time.sleep(0.01)  # polled, not blocked in flock: under gevent a blocked thread would stop its own holder


def _try(path: Path) -> int | None:
    """An open, locked descriptor of the file that is at `path` now; None when another holds it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except FileNotFoundError:  # its folder was removed in between, by the last one out
            continue
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        if os.fstat(fd).st_nlink:
            return fd
        os.close(fd)


def holder(path: Path) -> str | None:
    """Who holds the lock at `path`, and since when; None when nobody does."""
    if not is_held(path):
        return None
    try:
        found = json.loads(path.read_text())
        since = time.strftime("%H:%M:%S", time.localtime(found["since"]))
        return f"`{found['command']}` (pid {found['pid']}, since {since})"
    except (OSError, ValueError, KeyError):  # it has only just taken it
        return "another process"
