"""The presenter's script: cues at their times since it was begun, and the countdown to the next one.

Called by app.py, which begins and ends it, and by watch.py, whose snapshots carry the next cue to every browser.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from primetime.stage.snapshot import Next


@dataclass(frozen=True)
class Cue:
    """Something to do `after_s` seconds into the script; `key` does it."""

    after_s: int
    name: str
    key: str


CUES = (
    Cue(60, "The question is asked", "b"),
    Cue(150, "People vote", "v"),
    Cue(240, "The store goes away", "u"),
    Cue(360, "A collector dies", "k"),
    Cue(480, "Is anything missing?", "c"),
)


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Script:
    """One stage's. Without a script that runs, what it counts down to is the topology's next broadcast, if any."""

    def __init__(
        self, broadcast: Next | None = None, cues: Sequence[Cue] = CUES, clock: Callable[[], int] = now_ms
    ) -> None:
        self._broadcast, self._cues, self._clock = broadcast, cues, clock
        self._began_ms: int | None = None

    def turn(self) -> bool:
        """Begin it, or end it where it runs; whether it runs now."""
        self._began_ms = None if self.runs else self._clock()
        return self._began_ms is not None

    @property
    def runs(self) -> bool:
        """Whether a cue is still to come of a script that was begun."""
        return self._began_ms is not None and self._clock() < self._began_ms + 1000 * self._cues[-1].after_s

    def next(self) -> Next | None:
        """What comes next, and when."""
        now, began = self._clock(), self._began_ms
        if began is not None:
            for cue in self._cues:
                if now < began + 1000 * cue.after_s:
                    return Next(f"{cue.name} [{cue.key.upper()}]", began + 1000 * cue.after_s)
        return self._broadcast if self._broadcast and now < self._broadcast.at_ms else None
