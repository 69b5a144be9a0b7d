"""Which of our places on this machine is full: the sentence that follows "No space left on device".

Called by the command line when anything ended for want of space, whoever said so: Python, pip, dpkg, tar or a host.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from primetime.paths import STATE, cache, home

FULL_MB = 32  # less than this is what a writer that gave up may have left
ENOUGH_MB = 1000  # a first demo writes no more than this to any one place
_UPLOAD = "size mismatch in put"  # paramiko's words: sftp's own answer to a full disk is only "Failure"
_WORDS = (*(os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT)), _UPLOAD)


def is_meant(error: BaseException) -> bool:
    """Whether an error is about a full disk or quota, our own or one that a command spoke of."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(word in str(error) for word in _WORDS)


def hint(complaint: str) -> str:
    """The sentence, for a complaint that may or may not be about space; empty when nothing points to a full disk."""
    return sentence() if _full() or is_meant(RuntimeError(complaint)) else ""


def sentence() -> str:
    """What is full here, and the next step."""
    full = _full()
    if not full:
        return (
            "no disk of this machine is full now: if a host is named above, look with bin/primetime ssh NODE -- df -h"
        )
    where = ", ".join(f"{path} ({free} MB left)" for path, free in full.items())
    return f"the disk is full at {where}: free {ENOUGH_MB:,} MB there, then run the same again: it goes on from here"


def _full() -> dict[str, int]:
    """Place → MB left there, of those that have none to speak of."""
    places = (cache(), STATE, home(), Path(tempfile.gettempdir()))
    return {str(path): free for path in places if (free := free_mb(path)) < FULL_MB}


def free_mb(path: Path) -> int:
    """What may still be written at a path, or at the nearest folder above it that exists."""
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    system = os.statvfs(there)
    return system.f_bavail * system.f_frsize // 1_000_000
