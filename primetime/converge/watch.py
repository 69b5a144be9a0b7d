"""Progress and failures of a converge, from pyinfra's callbacks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State


class Watch(BaseStateCallback):
    """Tells each operation as it starts, with time left; remembers failures with the end of their output."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell
        self._expected = 0
        self._done = 0
        self._started = time.monotonic()
        self.failures: list[dict[str, str]] = []
        self._failing: list[tuple[Host, str]] = []

    def expect(self, operations: int) -> None:
        self._expected, self._started = operations, time.monotonic()

    def operation_start(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        names = ", ".join(sorted(state.get_op_meta(op_hash).names))
        left = ""
        if self._done >= 5:
            seconds = (time.monotonic() - self._started) / self._done * (self._expected - self._done)
            left = f", about {seconds:.0f} s left"
        self._tell({"progress": f"[{self._done + 1}/{self._expected}{left}] {names}"})

    def operation_host_error(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        # Called before the operation's output is attached: read it when the operation has ended everywhere.
        self._failing.append((host, op_hash))

    def operation_end(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        self._note_failures(state)
        self._done += 1

    def _note_failures(self, state: State) -> None:
        for host, op_hash in self._failing:
            meta = state.ops[host][op_hash].operation_meta
            lines = meta.stderr_lines or meta.stdout_lines
            names = ", ".join(sorted(state.get_op_meta(op_hash).names))
            self.failures.append({"host": host.name, "operation": names, "said": "\n".join(lines[-8:])})
        self._failing.clear()
