"""Processes that stand beside a topology's machines: the one that removes them at their hour, the stage of a demo.

Each holds a file in /run/primetime/<topology>/, which says who it is, and ends when that file goes: `down` takes it
away first, and so does whatever else removes the machines. A reboot, which ends the machines too, ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from primetime.drivers.nspawn import lock
from primetime.errors import PrimetimeError
from primetime.paths import REPO, RUN, home

LOOK_S = 0.05
BEGINS_S = 30.0  # what Python imports takes two seconds on a calm machine


@dataclass(frozen=True)
class Attendant:
    """One of `kind` (a file's name) beside a topology's machines."""

    topology: str
    kind: str
    ends_s: float = 10.0  # how long it may take to end; then it is killed

    @property
    def file(self) -> Path:
        """Held by the process; JSON with its `pid` and what it tells."""
        return RUN / self.topology / self.kind

    @property
    def log(self) -> Path:
        """What it said on standard error."""
        return home() / "logs" / f"{self.kind}-{self.topology}.log"

    def told(self) -> dict[str, Any] | None:
        """What it tells of itself; None when there is none, or it has only just begun."""
        if not lock.is_held(self.file):
            return None
        try:
            told = json.loads(self.file.read_text())
        except (OSError, ValueError):
            return None
        return told if "attends" in told else None

    def begin(self, module: str, words: Sequence[str]) -> dict[str, Any]:
        """Run `python -m module words` as it, in place of one that is there; what it tells. PrimetimeError when it does
        not begin."""
        self.end()
        self.log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with self.log.open("w") as said:
            subprocess.Popen(
                [sys.executable, "-P", "-m", module, *words],
                cwd="/",
                env={**os.environ, "PYTHONPATH": str(REPO)},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
        until = time.monotonic() + BEGINS_S
        while (told := self.told()) is None:
            if time.monotonic() > until:
                raise PrimetimeError(f"{self.kind} of {self.topology} did not begin: {self.log} says why")
            time.sleep(LOOK_S)
        return told

    def end(self) -> bool:
        """Whether there was one; it is gone when this returns."""
        try:
            fd = os.open(self.file, os.O_RDONLY)
        except FileNotFoundError:
            return False
        try:
            told = self.told()
            self.file.unlink(missing_ok=True)
            lock.remove_empty(self.file.parent)
            until = time.monotonic() + self.ends_s
            while lock.is_taken(fd):
                if told and time.monotonic() > until:
                    with contextlib.suppress(ProcessLookupError):  # it holds the file: the number is still its own
                        os.kill(told["pid"], signal.SIGKILL)
                time.sleep(LOOK_S)
            return told is not None
        finally:
            os.close(fd)

    @contextlib.contextmanager
    def attending(self, command: str, **told: Any) -> Iterator[int]:
        """Be it, in the block: the held file's descriptor. `told` is JSON; `command` names it to whoever meets it."""
        # whoever looks whether it is held holds it for a moment
        with lock.held(self.file, command, BEGINS_S) as held:
            everything = {
                "pid": os.getpid(),
                "command": command,
                "since": time.time(),
                "attends": self.topology,
                **told,
            }
            os.truncate(held, 0)
            os.pwrite(held, json.dumps(everything).encode(), 0)
            yield held


def is_dismissed(held: int) -> bool:
    """Whether the file that an attendant holds is gone: it is to end."""
    return not os.fstat(held).st_nlink
