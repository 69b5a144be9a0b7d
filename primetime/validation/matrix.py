"""Every case of a run, as many at a time as the machine's cores and memory carry. Called by the verb `validate`."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from primetime import artifacts
from primetime.doctor.host import memory_available_mb
from primetime.drivers.nspawn import images, leftovers, lock
from primetime.drivers.nspawn.state import Network
from primetime.topology import inventory_groups
from primetime.validation import case as one
from primetime.validation.case import Case, Outcome
from primetime.validation.hosts import HOSTS

BESIDE_MB = 250  # of this machine for each host: the verb that is at work on it
SHARE = 0.8  # of what is available: the rest stays for whoever else is here

Progress = Callable[[str], None]


@contextmanager
def alone(prefix: str) -> Iterator[None]:
    """One run of a prefix at a time: PrimetimeError naming the other."""
    with lock.held(Network(f"{prefix}-all").command_lock, "validate"):  # `down` removes one that a killed run left
        yield


def sweep(prefix: str, cases: Sequence[Case]) -> list[str]:
    """Remove what runs that died left of their cases, and what was kept of these; the names of their networks.

    PrimetimeError when a living command works on the host of one of these.
    """
    removed = []
    there = leftovers.networks()
    for role in HOSTS:
        for release in images.RELEASES:
            left = Case(role, release, prefix)
            held = lock.is_held(Network(left.network).command_lock)
            if left.network in there and (left in cases or not (held or left.kept_mark.exists())):
                leftovers.sweep(left.network)
                removed.append(left.network)
    return removed


def prepare(cases: Sequence[Case], progress: Progress) -> None:
    """What several cases share is made once, before any: images, jars, bundles. PrimetimeError when that fails."""
    for release in dict.fromkeys(case.release for case in cases):
        images.ensure(release, progress)
        roles = [role for case in cases if case.release == release for role in HOSTS[case.role][0]]
        artifacts.ensure(inventory_groups(roles), release, progress)


def run(cases: Sequence[Case], progress: Progress, keep: bool = False) -> list[Outcome]:
    """The outcome of each case, in order. Ctrl-C ends what is at work, and destroys its hosts before it is raised."""
    budget = Budget(int(memory_available_mb(Path("/proc/meminfo").read_text()) * SHARE))
    stop = threading.Event()

    def work(case: Case) -> Outcome | None:
        with budget.of(case.memory_mb + BESIDE_MB):
            return None if stop.is_set() else one.run(case, progress, keep, stop.is_set)

    # the longest first: the largest hosts have most to do
    order = sorted(cases, key=lambda case: -case.memory_mb)
    with ThreadPoolExecutor(max_workers=at_once(cases)) as pool:
        pending = {case: pool.submit(work, case) for case in order}
        try:
            found = {case: future.result() for case, future in pending.items()}
        except BaseException:
            stop.set()
            raise
    return [outcome for case in cases if (outcome := found[case])]


def at_once(cases: Sequence[Case]) -> int:
    """How many cases: one for each core."""
    return max(1, min(len(cases), len(os.sched_getaffinity(0))))


class Budget:
    """MiB that are shared out; whoever asks for more than all of it gets it alone."""

    def __init__(self, total_mb: int) -> None:
        self._total_mb = total_mb
        self._taken_mb = 0
        self._changed = threading.Condition()

    @contextmanager
    def of(self, wanted_mb: int) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: not self._taken_mb or self._taken_mb + wanted_mb <= self._total_mb)
            self._taken_mb += wanted_mb
        try:
            yield
        finally:
            with self._changed:
                self._taken_mb -= wanted_mb
                self._changed.notify_all()
