"""Spools that outlived their instances: taken over by one that lives in the same zone. Called by agent.

AWS attaches a volume to one instance alone, so the attachment is the lease: of two guards that want it one is refused,
and when its holder dies it is free again. What the holder does next follows from the volume's tags, from what this host
was asked (a file for each volume under `wanted`) and from what it answered (a file of the same name under `results`):
so a guard may die between any two calls, and none of them is harmful twice.

Every volume that nobody has is looked into, those that were drained too: only who looks knows that nothing is left.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

from primetime.drivers.aws.errors import InUse, NotThere
from primetime.drivers.volumes import Volume, Volumes
from primetime.guard.marks import ADOPTED_DEVICES, KEPT, NAME, OWNER, SHIPPED, SPOOL_DEVICE

log = logging.getLogger("guard")

LOOK_EVERY_S = 20.0
ORPHAN_S = 60.0  # so long nobody has it: one of an instance that is being launched is free for moments, too
AT_ONCE = 2  # so many a host takes: its own spool comes first
EMPTY = "shipped"  # a result: nothing is left on it
REASON_BYTES = 200  # a tag's value takes 256


class Act(Enum):
    """One call, or one file. Each may be done twice."""

    ATTACH = "take the spool of an instance that is gone"
    ASK = "have its events shipped"
    MARK = "mark its volume: shipped"
    KEEP = "mark its volume: cannot be shipped"
    DETACH = "let its volume go"
    DELETE = "delete a volume that is shipped"


@dataclass(frozen=True)
class Around:
    """What one guard sees of spools' volumes at one moment. `results` and `wanted` are of `request`s."""

    instance: str
    zone: str
    volumes: Sequence[Volume]
    free_s: Mapping[str, float]  # volume → how long it has been seen with nobody
    wanted: frozenset[str] = frozenset()
    results: Mapping[str, str] = field(default_factory=dict)
    going: bool = False
    patience_s: float = ORPHAN_S

    def mine(self) -> list[Volume]:
        """Volumes of others that are attached here."""
        return [each for each in self.volumes if each.instance == self.instance and each.device != SPOOL_DEVICE]

    def own(self) -> list[Volume]:
        """The volume that this instance's own spool is on."""
        return [each for each in self.volumes if (each.instance, each.device) == (self.instance, SPOOL_DEVICE)]


def request(volume: Volume) -> str:
    """What a host calls a volume in this very attachment: an answer of an earlier one says nothing."""
    return f"{volume.id}.{volume.attached_at}"


def decide(seen: Around) -> list[tuple[Act, Volume]]:
    """What to do now, in order."""
    found = [each for volume in seen.mine() for each in _held(seen, volume)]
    free = [each for each in seen.volumes if each.state == "available" and each.zone == seen.zone]
    found += [(Act.DELETE, each) for each in free if SHIPPED in each.tags]
    orphans = [
        each for each in free if not {SHIPPED, KEPT} & set(each.tags) and seen.free_s[each.id] >= seen.patience_s
    ]
    if orphans and not seen.going and len(seen.mine()) < AT_ONCE:
        found.append((Act.ATTACH, min(orphans, key=lambda each: _order(seen, each))))
    return found


def _held(seen: Around, volume: Volume) -> list[tuple[Act, Volume]]:
    """What is next for a volume that is attached here."""
    if volume.attachment != "attached":
        return []  # on its way
    result = seen.results.get(request(volume))
    if result is None:
        return [] if request(volume) in seen.wanted else [(Act.ASK, volume)]
    if result == EMPTY:
        return [*([] if SHIPPED in volume.tags else [(Act.MARK, volume)]), (Act.DETACH, volume)]
    return [*([] if KEPT in volume.tags else [(Act.KEEP, volume)]), (Act.DETACH, volume)]


def _order(seen: Around, volume: Volume) -> bytes:
    """Another one for each guard, so that they do not all ask for the same volume."""
    return hashlib.sha256(f"{volume.id} {seen.instance}".encode()).digest()


class Desk(Protocol):
    """How a host is asked, and what it has answered: `templates/guard/adopt-spool.py` is on the other side."""

    def asked(self) -> frozenset[str]: ...

    def answered(self) -> dict[str, str]: ...

    def ask(self, name: str) -> None: ...


@dataclass(frozen=True)
class Folders:
    """The desk of the host that this runs on."""

    wanted: Path
    results: Path

    def asked(self) -> frozenset[str]:
        return frozenset(each.name for each in self.wanted.iterdir()) if self.wanted.is_dir() else frozenset()

    def answered(self) -> dict[str, str]:
        if not self.results.is_dir():
            return {}
        return {each.name: each.read_text().strip() for each in self.results.iterdir() if "." in each.name[1:]}

    def ask(self, name: str) -> None:
        self.wanted.mkdir(exist_ok=True)
        (self.wanted / name).touch()


class Adoption:
    """One guard's part in it."""

    def __init__(
        self,
        instance: str,
        zone: str,
        tags: Mapping[str, str],
        volumes: Callable[[], Volumes],
        desk: Desk,
        clock: Callable[[], float] = time.monotonic,
        patience_s: float = ORPHAN_S,
        look_every_s: float = LOOK_EVERY_S,
    ) -> None:
        """`tags` of its group, whose name its volumes carry."""
        self._patience_s, self._look_every_s = patience_s, look_every_s
        self._instance, self._zone, self._desk, self._clock = instance, zone, desk, clock
        self._tags = {OWNER: tags[OWNER], NAME: tags[NAME]}
        self._volumes = volumes
        self._free_since: dict[str, float] = {}
        self._looked_s = float("-inf")
        self._held: list[Volume] = []
        self._serves = False  # that its own spool has no mark is known

    def is_busy(self) -> bool:
        """Whether a volume of another's is here of which nobody knows yet that it can be let go."""
        answered = self._desk.answered()
        return any(request(each) not in answered for each in self._held)

    def step(self, going: bool) -> list[Act]:
        """One look, when it is time for one, and what follows from it."""
        if self._clock() < self._looked_s + self._look_every_s:
            return []
        self._looked_s = self._clock()
        seen = self._look(going)
        if not going and not self._serves:
            self._unmark_own(seen)
        self._held = seen.mine()
        done = []
        for act, volume in decide(seen):
            if self._do(act, volume, seen):
                log.info("%s: %s", volume.id, act.value)
                done.append(act)
        return done

    def mark_own(self) -> None:
        """Say of this instance's own spool that nothing is left on it: nobody need look into it."""
        for each in self._look(going=True).own():
            self._volumes().ex_mark_volume(each.id, {SHIPPED: self._now()})

    def _unmark_own(self, seen: Around) -> None:
        """Whoever takes events has a spool that must be looked into when it dies."""
        for each in seen.own():
            if SHIPPED in each.tags:
                self._volumes().ex_unmark_volume(each.id, [SHIPPED])
        self._serves = True

    def _look(self, going: bool) -> Around:
        volumes = self._volumes().list_volumes(self._tags, self._zone)
        free = [each.id for each in volumes if each.state == "available"]
        self._free_since = {each: self._free_since.get(each, self._clock()) for each in free}
        free_s = {each: self._clock() - since for each, since in self._free_since.items()}
        asked, answered = self._desk.asked(), self._desk.answered()
        return Around(self._instance, self._zone, volumes, free_s, asked, answered, going, self._patience_s)

    def _do(self, act: Act, volume: Volume, seen: Around) -> bool:
        """Whether it was done: another guard may have been first."""
        volumes = self._volumes()
        try:
            if act is Act.ATTACH:
                taken = {each.device for each in seen.mine()}
                device = next(each for each in ADOPTED_DEVICES if each not in taken)
                volumes.attach_volume(volume.id, self._instance, device)
                self._looked_s = float("-inf")  # the next look asks for it
            elif act is Act.ASK:
                self._desk.ask(request(volume))
            elif act is Act.MARK:
                volumes.ex_mark_volume(volume.id, {SHIPPED: self._now()})
            elif act is Act.KEEP:
                reason = seen.results[request(volume)].encode()[:REASON_BYTES].decode(errors="ignore")
                volumes.ex_mark_volume(volume.id, {KEPT: reason})
            elif act is Act.DETACH:
                volumes.detach_volume(volume.id, self._instance)
            else:
                volumes.destroy_volume(volume.id)
        except (InUse, NotThere):
            return False
        return True

    def _now(self) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
