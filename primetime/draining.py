"""Empties a collector before it is removed: it takes no more traffic, and what it has acknowledged is stored.

Called by the stage. On EC2 the guard does the same by itself (primetime/guard).
"""

from __future__ import annotations

import time
from collections.abc import Callable

DRAINING = "/run/primetime-collector/draining"  # while it is there, the collector drains: docs/architecture.md
LOOK_S = 0.25

Run = Callable[[str], str]  # a shell script on the host → its output


def drain(run: Run, spool: str, deadline_s: float, say: Callable[[str], None]) -> str:
    """Drain, and wait until the spool has no segment left. What it then still has, in words; empty when nothing."""
    run(f"touch {DRAINING}")
    until = time.monotonic() + deadline_s
    while left := segments(run, spool):
        if time.monotonic() > until:
            return f"{left} segments of its spool are not stored after {deadline_s:.0f} s"
        say(f"it refuses what is new; {left} segments of its spool are still to be stored")
        time.sleep(LOOK_S)
    return ""


def segments(run: Run, spool: str) -> int:
    """How many segments the spool has, open ones too."""
    return int(run(f"ls {spool} | grep -c -e '[.]open$' -e '[.]sealed$' || true"))
