"""How much of a converge is left, in seconds: from what each operation took when it last had something to do here.

A few operations (packages, the start of a JVM) take nearly all of the time, so a mean over operations says little.
Called by primetime.converge.watch.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from primetime.paths import home

KNOWN = 5  # operations that must have ended before the pace of unknown ones means something
FILE = "operations.json"


class Pace:
    """`expect` what is to come, then `begin` and `end` each; `left` at any time."""

    def __init__(self, remembered: Mapping[str, float], clock: Callable[[], float] = time.monotonic) -> None:
        self._remembered = remembered
        self._clock = clock
        self._to_come: list[str] = []
        self._changing: frozenset[str] = frozenset()
        self._began = clock()
        self.took: dict[str, float] = {}

    def expect(self, operations: Sequence[str], changing: frozenset[str]) -> None:
        """Names in order, and those that have something to do: the others take no time."""
        self._to_come, self._changing = list(operations), changing

    def begin(self) -> None:
        self._began = self._clock()

    def end(self, operation: str) -> None:
        if self._to_come:
            self._to_come.pop(0)
        if operation in self._changing:
            self.took[operation] = self._clock() - self._began

    def left(self) -> float | None:
        """Seconds; None while nothing is known."""
        to_come = [operation for operation in self._to_come if operation in self._changing]
        known = [self._remembered[operation] for operation in to_come if operation in self._remembered]
        unknown = len(to_come) - len(known)
        if not unknown:
            return self._slowness() * sum(known)
        if len(self.took) < KNOWN:
            return None
        # without the longest, which is packages or a first start
        usual = (sum(self.took.values()) - max(self.took.values())) / (len(self.took) - 1)
        return self._slowness() * sum(known) + usual * unknown

    def _slowness(self) -> float:
        """This run's seconds for what has ended, beside those of the last one."""
        both = self.took.keys() & self._remembered.keys()
        before = sum(self._remembered[operation] for operation in both)
        return sum(self.took[operation] for operation in both) / before if before and len(both) >= KNOWN else 1.0


def remembered() -> dict[str, float]:
    """Operation → seconds, of this machine's earlier runs."""
    with suppress(OSError, ValueError):
        found = json.loads((home() / FILE).read_text())
        if isinstance(found, dict):
            return {name: float(seconds) for name, seconds in found.items()}
    return {}


def remember(took: Mapping[str, float]) -> None:
    """Keep them for the next run; without room or right to, it knows less."""
    with suppress(OSError):
        home().mkdir(parents=True, exist_ok=True, mode=0o700)
        kept = {**remembered(), **{name: round(seconds, 2) for name, seconds in took.items()}}
        draft = home() / f"{FILE}.new"
        draft.write_text(json.dumps(kept))
        draft.rename(home() / FILE)
