"""Faults of the spool's disk: frozen, full, and a spool that reached its budget.

The spool lies on a volume of its own (volume.py) while it is frozen or full, with segments so small or short-lived
that the burst meets what is to be met.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.fault.cluster import COLLECTOR, Answer, Cluster
from tests.fault.faults import Fault
from tests.fault.volume import held, volume

SPOOL = "/var/spool/primetime"
UNITS = ("primetime-collector", "primetime-shipper")
CONFIG = "/etc/primetime/collector/lua/collector/config.lua"
DEADLINE_S = 2.0  # of a request: roles/collector/settings.py
LATE_S = 1.5  # what a busy machine may add until the answer is read
FROZEN_S = 8
MB = 1 << 20
CALLERS = 8


@contextmanager
def spool(cluster: Cluster, size_mb: int = 512, **settings: int) -> Iterator[None]:
    """The spool on a volume, and the collector's settings (as in config.lua) others than converged."""
    with volume(cluster, COLLECTOR, SPOOL, UNITS, size_mb), configured(cluster, **settings):
        yield


@contextmanager
def configured(cluster: Cluster, **settings: int) -> Iterator[None]:
    edits = "; ".join(f"s/{name} = [^,]*/{name} = {value}/" for name, value in settings.items())
    kept = "/root/config.lua.kept"
    cluster.ssh(COLLECTOR, f"cp -a {CONFIG} {kept}; sed -i '{edits}' {CONFIG}; systemctl restart primetime-collector")
    try:
        cluster.wait(cluster.accepts, "a collector with other settings")
        yield
    finally:
        cluster.ssh(COLLECTOR, f"mv {kept} {CONFIG}; systemctl restart primetime-collector")
        cluster.wait(cluster.accepts, "a collector as converged")


def thaw(cluster: Cluster) -> None:
    held(cluster).thaw()


def segments(cluster: Cluster) -> set[str]:
    """The names of what is open and sealed."""
    return set(cluster.ssh(COLLECTOR, f"cd {SPOOL}; ls | grep -E 'open$|sealed$' || true").split())


def callers(cluster: Cluster) -> list[Answer]:
    """What several are told who call at once: some by either worker."""
    answers: list[Answer] = []
    calling = [threading.Thread(target=lambda: answers.append(cluster.post())) for _ in range(CALLERS)]
    for caller in calling:
        caller.start()
    for caller in calling:
        caller.join()
    return answers


def refuses_in_time(cluster: Cluster, sentence: str) -> list[Answer]:
    """Every caller gets a 503 with this sentence, none of them late; `/live` answers meanwhile."""
    lives = cluster.ask("GET", "/live")
    answers = callers(cluster)
    assert lives.status == 200, f"/live says {lives}"
    assert all(answer.status == 503 and sentence in answer.text for answer in answers), answers
    assert max(answer.seconds for answer in answers) < DEADLINE_S + LATE_S, answers
    return answers


def frozen(cluster: Cluster, _: object) -> str:
    assert held(cluster).is_frozen(), "the disk takes writes"
    before = segments(cluster)
    slowest = max(answer.seconds for answer in refuses_in_time(cluster, "the disk is slow"))
    assert segments(cluster) == before, "segments moved on a frozen disk"
    return f"no file comes to be, {len(before)} segments stand still; 503 after {slowest:.1f} s at most, /live 200"


def fill(cluster: Cluster) -> None:
    """All that is left of the volume; nothing that is shipped makes room."""
    stop_shipping(cluster)
    cluster.ssh(COLLECTOR, f"cat /dev/zero > {SPOOL}/ballast 2> /dev/null || true")


def empty(cluster: Cluster) -> None:
    cluster.ssh(COLLECTOR, f"rm -f {SPOOL}/ballast")
    ship(cluster)


def refused(cluster: Cluster, sentence: str) -> str:
    """Everybody is refused with this sentence, once both workers have used up what was reserved."""

    def everybody() -> bool:
        return all(answer.status == 503 and sentence in answer.text for answer in callers(cluster))

    cluster.wait(everybody, f"nothing but 503 that says: {sentence}")
    return f"503: {refuses_in_time(cluster, sentence)[0].text.strip()}; /live 200"


def full(cluster: Cluster, _: object) -> str:
    return refused(cluster, "No space left on device")


def at_its_budget(cluster: Cluster, _: object) -> str:
    return refused(cluster, "the spool has reached its budget")


def stop_shipping(cluster: Cluster) -> None:
    cluster.ssh(COLLECTOR, "systemctl stop primetime-shipper")


def ship(cluster: Cluster) -> None:
    cluster.ssh(COLLECTOR, "systemctl start primetime-shipper")


def freeze(cluster: Cluster) -> None:
    held(cluster).freeze()


def standing_still(when: str, segment_age_s: int) -> Fault:
    return Fault(
        f"disk of the spool frozen for {FROZEN_S} s{when}",
        freeze,
        frozen,
        Cluster.accepts,
        undo=thaw,
        lasts_s=FROZEN_S,
        around=lambda cluster: spool(cluster, segment_age_s=segment_age_s),
    )


FAULTS = [
    standing_still(" in mid-segment", 120),
    standing_still(", and segments come of age meanwhile", 2),
    Fault(
        "disk of the spool full, and freed",
        fill,
        full,
        Cluster.accepts,
        undo=empty,
        lasts_s=1,
        around=lambda cluster: spool(cluster, size_mb=128, segment_bytes=MB),
    ),
    Fault(
        "spool at its budget, until it is shipped",
        stop_shipping,
        at_its_budget,
        Cluster.accepts,
        undo=ship,
        lasts_s=1,
        around=lambda cluster: configured(cluster, segment_bytes=MB, budget_bytes=8 * MB),
    ),
]
