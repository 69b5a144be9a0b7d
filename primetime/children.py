"""Commands that end with this process, however it ends: also kill -9 leaves no worker that goes on by itself.

Called by whatever starts a process that works for long (converge, verify, Maven, pip, mmdebstrap).
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Sequence
from pathlib import Path

# The kernel sends the signal when the starting *thread* ends: every caller waits for its command in the same thread.
# It is asked for after the fork, so a parent that died just before is looked for once it holds.
_BOUND = ("setpriv", "--pdeathsig", "KILL", "sh", "-c", '[ "$PPID" = "$0" ] && exec "$@"')


def bound(command: Sequence[str]) -> list[str]:
    """`command` as one that is killed with SIGKILL when this process dies."""
    return [*_BOUND, str(os.getpid()), *command]


def interrupt() -> None:
    """SIGINT to every child of this process, as Ctrl-C on a terminal sends it."""
    for task in Path("/proc/self/task").iterdir():
        with contextlib.suppress(OSError):  # the thread, or the child, has ended
            for pid in (task / "children").read_text().split():
                os.kill(int(pid), signal.SIGINT)
