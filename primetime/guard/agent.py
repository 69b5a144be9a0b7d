"""The guard's loop: look, decide, do; whatever fails is tried again at the next look. Called by `python -m`."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from primetime.drivers.aws.errors import NotThere
from primetime.drivers.volumes import Volumes
from primetime.errors import PrimetimeError
from primetime.guard.adoption import Adoption, Desk
from primetime.guard.decision import FLOWS_S, Action, Seen, decide
from primetime.guard.marks import NAME, OWNER
from primetime.guard.member import Member
from primetime.guard.quiet import Quiet
from primetime.shipper.spool import Spool

log = logging.getLogger("guard")

LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Places:
    """Where things are on this host."""

    spool: Path
    draining: Path  # while this file is there, the collector drains
    status: Path  # the shipper's
    desk: Desk  # where this host is asked to take spools over


class Since:
    """For how long something has been so."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began: float | None = None

    @property
    def is_so(self) -> bool:
        """As it was last told."""
        return self._began is not None

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

    def __init__(
        self,
        places: Places,
        member: Member,
        volumes: Callable[[], Volumes],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._places, self._member, self._volumes, self._clock = places, member, volumes, clock
        self._adoption: Adoption | None = None
        self._quiet: Quiet | None = None
        self._protected: bool | None = None
        self._calm, self._timely, self._going, self._draining = (Since(clock) for _ in range(4))
        self._lying: dict[str, float] = {}  # segment that waits → when it was first seen
        self._heard = float("-inf")  # when the hook last heard of it
        self._known = self.done = False
        self._troubles: dict[str, str] = {}
        self._told: Action | None = None

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            self.step()
            stop.wait(LOOK_EVERY_S)

    def step(self) -> list[Action]:
        """One look, and what follows from it; what was done."""
        done: list[Action] = []
        with self._trying_again("itself"):
            for action in decide(self.look()):
                self._do(action)
                done.append(action)
        if self._adoption:
            with self._trying_again("others"):
                self._adoption.step(self._going.is_so)
        if self._quiet:
            with self._trying_again("its group"):
                self._quiet.step()
        return done

    @contextlib.contextmanager
    def _trying_again(self, what: str) -> Iterator[None]:
        """A failure is told once, and forgotten when it has not come again."""
        trouble = ""
        try:
            yield
        except (PrimetimeError, OSError) as error:
            trouble = str(error)
        if trouble and trouble != self._troubles.get(what):
            log.error("trying again: %s", trouble)
        self._troubles[what] = trouble

    def look(self) -> Seen:
        """The world now."""
        if not self._known:
            self._get_to_know()
        own = self._segments()
        left, adopting = own - self._kept(), self._adoption is not None and self._adoption.is_busy()
        waiting, late = bool(left) or adopting, self._is_late(left) or adopting
        going, draining = self._member.is_going(), self._places.draining.exists()
        going_s = self._going.told(going)
        return Seen(
            waiting=waiting,
            late=late,
            empty=not own,
            calm_s=self._calm.told(not waiting),
            timely_s=self._timely.told(not late),
            protected=self._protected,
            going=going,
            ending=going and self._member.is_ending(),
            going_s=going_s,
            balanced=going and not draining and self._is_balanced(),
            draining=draining,
            draining_s=self._draining.told(draining),
            silent_s=self._clock() - self._heard,
        )

    def _get_to_know(self) -> None:
        """Its group, once it has one."""
        member = self._member.found()
        if member is None:
            return
        tags = self._member.tags()
        if {OWNER, NAME} <= tags.keys():
            self._adoption = Adoption(member.id, member.zone, tags, self._volumes, self._places.desk, self._clock)
        self._quiet = self._member.quiet(self._clock)
        self._known, self._protected = True, member.protected

    def _is_balanced(self) -> bool:
        """True also when nobody can say."""
        try:
            return self._member.is_balanced()
        except PrimetimeError as error:
            log.error("trying again: %s", error)
            return True

    def _segments(self) -> set[str]:
        """What lies in its own spool."""
        if not self._places.spool.is_dir():
            return set()
        return {str(segment) for segment in Spool(self._places.spool).scan()}

    def _is_late(self, segments: set[str]) -> bool:
        """Whether one of them has lain for longer than FLOWS_S: while phones send, one is always there."""
        now = self._clock()
        self._lying = {each: self._lying.get(each, now) for each in segments}
        return any(now - since >= FLOWS_S for since in self._lying.values())

    def _kept(self) -> set[str]:
        """What the shipper has said it cannot ship."""
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
        elif action is Action.MARK:
            self._mark()
        elif not self.done:
            with contextlib.suppress(NotThere):
                self._member.complete()
                self.done = True
        if action not in (self._told, Action.HEARTBEAT):
            log.info("%s", action.value)
            self._told = action

    def _mark(self) -> None:
        """Who comes after it looks into a spool without a mark: it must hold nobody."""
        try:
            if self._adoption and not self.done:
                self._adoption.mark_own()
        except PrimetimeError as error:
            log.error("its volume is not marked as shipped, another guard will look into it: %s", error)
