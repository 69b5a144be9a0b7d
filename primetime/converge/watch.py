"""Progress and failures of a converge, from pyinfra's callbacks and its log."""

from __future__ import annotations

import logging
import re
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State

from primetime.converge import pace

LINES = 8  # of what a host said when something failed there
_STYLE = re.compile(r"\x1b\[[0-9;]*m")


class Watch(BaseStateCallback):
    """Tells each operation as it starts, with time left; remembers failures with the end of their output."""

    def __init__(self, tell: Callable[[dict[str, Any]], None]) -> None:
        self._tell = tell
        self._expected = 0
        self._done = 0
        self._pace = pace.Pace(pace.remembered())
        self.failures: list[dict[str, str]] = []
        self._failing: list[tuple[Host, str]] = []
        self._words = LastWords()

    def expect(self, state: State, changes: list[tuple[str, str]]) -> None:
        """What is about to run, of which `changes` (host, operation) have something to do."""
        names = [_name(state, op_hash) for op_hash in state.get_op_order()]
        self._expected = len(names)
        self._pace.expect(names, frozenset(operation for _, operation in changes))

    def keep_pace(self) -> None:
        """Let the next converge know how long operations took."""
        pace.remember(self._pace.took)

    def operation_start(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        self._pace.begin()
        seconds = self._pace.left()
        left = f", about {seconds:.0f} s left" if seconds is not None else ""
        self._tell({"progress": f"[{self._done + 1}/{self._expected}{left}] {_name(state, op_hash)}"})

    def operation_host_error(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        # Called before the operation's output is attached: read it when the operation has ended everywhere.
        self._failing.append((host, op_hash))

    def operation_end(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        self.settle(state)
        self.note_lost(state, _name(state, op_hash))
        self._pace.end(_name(state, op_hash))
        self._done += 1

    def settle(self, state: State) -> None:
        """Read what operations that failed have said; pyinfra does not end the one at which the last host fails."""
        for host, op_hash in self._failing:
            data = state.ops[host].get(op_hash)
            meta = data.operation_meta if data else None
            said = (meta.stderr_lines or meta.stdout_lines) if meta and meta.is_complete() else []
            self._note(host, _name(state, op_hash), said)
        self._failing.clear()

    def note_lost(self, state: State, during: str) -> None:
        """Hosts that failed without an operation's failure: they did not let us in, or did not answer a question."""
        told = {failure["host"] for failure in self.failures}
        for host in sorted(state.failed_hosts, key=lambda host: str(host.name)):
            if host.name not in told:
                self._note(host, during, [])

    def _note(self, host: Host, operation: str, said: list[str]) -> None:
        lines = [line for line in said if line.strip()][-LINES:] or self._words.of(str(host.name))
        self.failures.append({"host": str(host.name), "operation": operation, "said": "\n".join(lines)})


class LastWords(logging.Handler):
    """The last errors that pyinfra's log has of each host: what it knows of a failure that has no output."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._said: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=LINES))
        logging.getLogger("pyinfra").addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        found = re.match(r"\[([^]]+)\]\s*(.*)", _STYLE.sub("", record.getMessage()), re.DOTALL)
        if found and found[2].strip() and not found[2].startswith("Error: executed "):
            self._said[found[1]].append(found[2].strip())

    def of(self, host: str) -> list[str]:
        return list(self._said[host])


def _name(state: State, op_hash: str) -> str:
    return ", ".join(sorted(state.get_op_meta(op_hash).names))
