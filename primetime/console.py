"""What a person sees while a verb works, and what a program reads when it has ended.

Progress goes to standard error, results to standard output; with --json standard output's last line is one object.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from primetime.paths import home


class Console:
    """One per command."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json
        self.stages: list[dict[str, Any]] = []
        self._live = sys.stderr.isatty()
        self._shown = ""
        self._expected: list[tuple[str, float]] = []
        self._stage = ""
        self._stage_began = 0.0

    def say(self, text: str = "") -> None:
        """A line of the result, for people: silent under --json."""
        self._wipe()
        if not self.as_json:
            print(text, flush=True)

    def result(self, data: dict[str, Any]) -> None:
        """The result, for programs: printed under --json only."""
        self._wipe()
        if self.as_json:
            print(json.dumps(data), flush=True)

    def complain(self, text: str) -> None:
        """A sentence on standard error."""
        self._wipe()
        print(text, file=sys.stderr, flush=True)

    def expect(self, verb: str, stages: list[str], otherwise: dict[str, float]) -> None:
        """Announce the stages to come; their seconds are those of this verb's last run here, else `otherwise`."""
        seconds = {**otherwise, **_remembered().get(verb, {})}
        self._expected = [(stage, seconds[stage]) for stage in stages]

    def remember(self, verb: str) -> None:
        """Keep this run's seconds by stage, as the next one's estimate."""
        times = _remembered()
        times[verb] = {stage["name"]: stage["seconds"] for stage in self.stages}
        home().mkdir(parents=True, exist_ok=True, mode=0o700)
        (home() / "seconds.json").write_text(json.dumps(times))

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage of the work, and tell what is left after it."""
        self._stage, self._stage_began = name, time.monotonic()
        self.progress("")
        yield
        seconds = round(time.monotonic() - self._stage_began, 1)
        self.stages.append({"name": name, "seconds": seconds})
        self._wipe()
        print(f"  {name:<12} {seconds:6.1f} s", file=sys.stderr, flush=True)
        self._stage = ""

    def progress(self, text: str) -> None:
        """What is going on: one changing line on a terminal, plain lines elsewhere."""
        line = f"{self._stage}{self._left()}: {text}" if self._stage else text
        if not self._live:
            if text:
                print(f"    {line}", file=sys.stderr, flush=True)
            return
        self._wipe()
        self._shown = line[: _columns(sys.stderr) - 1]  # a line that wraps could not be wiped
        print(self._shown, end="", file=sys.stderr, flush=True)

    def _left(self) -> str:
        done = {stage["name"] for stage in self.stages}
        spent = time.monotonic() - self._stage_began
        left = sum(
            max(0.0, seconds - (spent if name == self._stage else 0))
            for name, seconds in self._expected
            if name not in done
        )
        return f" (about {left:.0f} s left)" if left else ""

    def _wipe(self) -> None:
        if self._shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
            self._shown = ""


def _remembered() -> dict[str, dict[str, float]]:
    try:
        found = json.loads((home() / "seconds.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _columns(stream: TextIO) -> int:
    """How wide a terminal is; as wide as anything when there is none."""
    return shutil.get_terminal_size((110, 24)).columns if stream.isatty() else sys.maxsize


def table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...], columns: int | None = None) -> str:
    """Rows in columns as wide as their content; on a terminal the last one is as wide as there is room."""
    lines = [head, *rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    left = sum(widths[:-1]) + 2 * (len(head) - 1)
    room = max(20, (columns or _columns(sys.stdout)) - left)
    told = []
    for *cells, last in lines:
        first, *more = textwrap.wrap(last, room) or [""]
        told.append("  ".join([*(c.ljust(w) for c, w in zip(cells, widths, strict=False)), first]).rstrip())
        told += [" " * left + words for words in more]
    return "\n".join(told)
