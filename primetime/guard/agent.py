"""The guard's loop: look, decide, do; whatever fails is tried again at the next look. Called by `python -m`."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from primetime.drivers.aws.errors import NotThere
from primetime.errors import PrimetimeError
from primetime.guard.decision import Action, Seen, decide
from primetime.guard.member import Member
from primetime.shipper.spool import Spool

log = logging.getLogger("guard")

LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Places:
    """Where things are on this host."""

    spool: Path
    draining: Path  # while this file is there, the collector drains
    status: Path  # the shipper's


class Since:
    """For how long something has been so."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: float | None = None

    def told(self, so: bool) -> float:
        """Seconds; 0 when it is not so, or only now."""
        if not so:
            self._began = None
            return 0.0
        if self._began is None:
            self._began = self._clock()
        return self._clock() - self._began


class Agent:
    """One instance's guard."""

    def __init__(self, places: Places, member: Member, clock: Callable[[], float] = time.monotonic) -> None:
        self._places, self._member, self._clock = places, member, clock
        self._protected: bool | None = None
        self._calm, self._going, self._draining = Since(clock), Since(clock), Since(clock)
        self._heard = float("-inf")  # when the hook last heard of it
        self._known = self.done = False
        self._trouble = ""
        self._told: Action | None = None

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            self.step()
            stop.wait(LOOK_EVERY_S)

    def step(self) -> list[Action]:
        """One look, and what follows from it; what was done."""
        done: list[Action] = []
        try:
            for action in decide(self.look()):
                self._do(action)
                done.append(action)
            self._trouble = ""
        except (PrimetimeError, OSError) as error:
            if str(error) != self._trouble:
                log.error("trying again: %s", error)
            self._trouble = str(error)
        return done

    def look(self) -> Seen:
        """The world now."""
        if not self._known:
            member = self._member.found()
            self._known, self._protected = member is not None, member.protected if member else None
        waiting, going, draining = self._is_waiting(), self._member.is_going(), self._places.draining.exists()
        going_s = self._going.told(going)
        return Seen(
            waiting=waiting,
            calm_s=self._calm.told(not waiting),
            protected=self._protected,
            going=going,
            going_s=going_s,
            balanced=going and not draining and self._is_balanced(),
            draining=draining,
            draining_s=self._draining.told(draining),
            silent_s=self._clock() - self._heard,
        )

    def _is_balanced(self) -> bool:
        """True also when nobody can say."""
        try:
            return self._member.is_balanced()
        except PrimetimeError as error:
            log.error("trying again: %s", error)
            return True

    def _is_waiting(self) -> bool:
        """Whether anything lies in the spool that the shipper has not said it cannot ship."""
        if not self._places.spool.is_dir():
            return False
        return bool({str(segment) for segment in Spool(self._places.spool).scan()} - self._kept())

    def _kept(self) -> set[str]:
        try:
            return set(json.loads(self._places.status.read_text())["sinks"]["hbase"]["kept"])
        except (OSError, ValueError, KeyError, TypeError):
            return set()  # nobody has said so

    def _do(self, action: Action) -> None:
        if action in (Action.PROTECT, Action.RELEASE):
            self._member.protect(action is Action.PROTECT)
            self._protected = action is Action.PROTECT
        elif action is Action.LEAVE:
            self._member.leave()
        elif action is Action.DRAIN:
            self._places.draining.touch()
        elif action is Action.HEARTBEAT:
            with contextlib.suppress(NotThere):  # the pause has not begun
                self._member.heartbeat()
            self._heard = self._clock()
        elif not self.done:
            with contextlib.suppress(NotThere):
                self._member.complete()
                self.done = True
        if action not in (self._told, Action.HEARTBEAT):
            log.info("%s", action.value)
            self._told = action
