"""Spools whose instances are gone: which there are, what becomes of each, and taking one over by hand.

Guards do that by themselves (primetime.guard.adoption); the verbs tell of it, and `spool adopt` is for when none does.
Called by machines and by the command line.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from primetime.cloud import living
from primetime.cloud.found import Aws
from primetime.drivers.volumes import Volume, Volumes
from primetime.errors import PrimetimeError, UsageError
from primetime.guard.adoption import Adoption
from primetime.guard.marks import ADOPTED_DEVICES, KEPT, NAME, OWNER, SHIPPED
from primetime.topology import Topology

WITHIN_S = 1800.0  # a spool that is full to its budget, and a store that has other work
AGAIN_S = 2.0
_ASKED = "ls /run/primetime-guard/wanted 2>/dev/null; true"
_ANSWERED = "cd /run/primetime-adopt 2>/dev/null && grep -s '' vol-*.[0-9]*; true"
_ASK = "install -d -o collector /run/primetime-guard/wanted && touch /run/primetime-guard/wanted/{}"


def volumes(services: Aws) -> Volumes:
    return Volumes(services.ec2.connection)


def orphans(services: Aws, topology: str) -> list[Volume]:
    """Spools that nobody has, and those that another instance has taken over."""
    every = volumes(services).list_volumes({OWNER: topology})
    return [each for each in every if each.state == "available" or each.device in ADOPTED_DEVICES]


def sentences(every: Sequence[Volume]) -> list[str]:
    """One for each: whose it is, and what becomes of it."""
    return [f"spool {each.id} of {each.tags.get(NAME)} in {each.zone}: {_fate(each)}" for each in every]


def _fate(volume: Volume) -> str:
    if SHIPPED in volume.tags:
        return "shipped; a guard in its zone deletes it"
    if KEPT in volume.tags:
        return f"{volume.tags[KEPT]}: see docs/ledger.md, then spool adopt {volume.id}"
    if volume.instance:
        return f"{volume.instance} has taken it over, and ships what is on it"
    return "its instance is gone, and it may hold events: a guard in its zone takes it over, or spool adopt does"


def delete_shipped(services: Aws, topology: str, progress: Callable[[str], None]) -> None:
    """Those that a guard has marked, and that nobody is left to delete."""
    for each in orphans(services, topology):
        if SHIPPED in each.tags and each.state == "available":
            progress(f"remove spool {each.id}: it is shipped")
            volumes(services).destroy_volume(each.id)


@dataclass(frozen=True)
class FarDesk:
    """How another host is asked, over ssh. Its guard may ask it for the same: that is one request."""

    node: str
    ssh_config: str

    def asked(self) -> frozenset[str]:
        return frozenset(self._run(_ASKED).split())

    def answered(self) -> dict[str, str]:
        lines = [each.partition(":") for each in self._run(_ANSWERED).splitlines()]
        return {name: text for name, _, text in lines}

    def ask(self, name: str) -> None:
        self._run(_ASK.format(name))

    def _run(self, command: str) -> str:
        words = ["ssh", "-F", self.ssh_config, self.node, "--", command]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise PrimetimeError(f"{self.node} does not do as it is asked ({done.stderr.strip()}): converge it")
        return done.stdout


def adopt(
    services: Aws, topology: Topology, name: str, progress: Callable[[str], None], within_s: float = WITHIN_S
) -> str:
    """Have a living member of its zone take a spool over, now; what became of it, as a sentence.

    One that was found to be unshippable is looked into again. UsageError when there is no such spool, PrimetimeError
    when no member of its group lives in its zone: a volume cannot leave that.
    """
    volume = _orphan(services, topology, name)
    if KEPT in volume.tags:
        volumes(services).ex_unmark_volume(name, [KEPT])
    inventory = living.inventory(topology, services)
    machine = next(
        (
            each
            for each in living.machines(services, topology)
            if (each.group, each.zone) == (volume.tags[NAME], volume.zone) and volume.instance in ("", each.id)
        ),
        None,
    )
    if machine is None:
        raise PrimetimeError(
            f"{name} lies in {volume.zone}, where no member of group {volume.tags[NAME]} lives: add some with "
            f"bin/primetime scale {volume.tags[NAME]} N -t {topology.given}, then repeat the command"
        )
    desk = FarDesk(machine.name, inventory.located[machine.name].ssh_config)
    adoption = Adoption(
        machine.id, machine.zone, volume.tags, lambda: volumes(services), desk, patience_s=0, look_every_s=0
    )
    progress(f"{machine.name} takes {name} over")
    return _until_it_is_done(services, topology, name, adoption, within_s)


def _until_it_is_done(services: Aws, topology: Topology, name: str, adoption: Adoption, within_s: float) -> str:
    until = time.monotonic() + within_s
    while True:
        adoption.step(going=False)
        there = [each for each in orphans(services, topology.name) if each.id == name]
        if not there:
            return f"{name}: all of it is shipped, and the volume is deleted"
        if KEPT in there[0].tags and not there[0].instance:
            return f"{name}: {there[0].tags[KEPT]}"
        if time.monotonic() > until:
            raise PrimetimeError(
                f"{name} is not shipped after {within_s:.0f} s: see that the store runs, and journalctl -u "
                f"'primetime-shipper@*' on {there[0].instance or 'the members of its zone'}; repeat the command"
            )
        time.sleep(AGAIN_S)


def _orphan(services: Aws, topology: Topology, name: str) -> Volume:
    every = orphans(services, topology.name)
    found = next((each for each in every if each.id == name), None)
    if found is None:
        known = ", ".join(each.id for each in every) or "none"
        raise UsageError(f"{name} is no spool of {topology.name} whose instance is gone: those are: {known}")
    return found
