"""Faults of a clock: a daemon that believes it to be one hour later or earlier, by libfaketime.

The clock of a host is its kernel's, which all share: so the daemon is restarted with another one, in mid-burst.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

from primetime import debs
from primetime.debs import DebSet
from tests.fault.cluster import COLLECTOR, Cluster
from tests.fault.faults import Fault
from tests.waiting import wait_for

HOUR_S = 3600
OFF_BY_S = 60  # what a clock may be off that of this machine, and still be an hour off
LIBRARY = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
PACKAGES = ("libfaketime",)
LASTS_S = 10


@contextmanager
def faketime(cluster: Cluster) -> Iterator[None]:
    """libfaketime on the collector's host, from the cache of host packages."""
    node = cluster.node(COLLECTOR)
    tar = debs.ensure(DebSet.of(PACKAGES, node.extra["image_root"]))
    unpack = "mkdir -p /run/faketime && tar -x -C /run/faketime && dpkg -i /run/faketime/*.deb && rm -r /run/faketime"
    with tar.open("rb") as file:
        ssh = ["ssh", "-F", node.extra["ssh_config"], COLLECTOR, unpack]
        subprocess.run(ssh, stdin=file, check=True, capture_output=True)
    try:
        yield
    finally:
        cluster.ssh(COLLECTOR, f"dpkg --purge {' '.join(PACKAGES)}")


def set_off(unit: str, offset: str, cluster: Cluster) -> None:
    """Restart a unit whose wall clock is so far off; its monotonic one goes on."""
    lines = f"[Service]\\nEnvironment=LD_PRELOAD={LIBRARY} FAKETIME={offset} FAKETIME_DONT_FAKE_MONOTONIC=1\\n"
    folder = f"/run/systemd/system/{unit}.service.d"
    cluster.ssh(
        COLLECTOR,
        f"mkdir -p {folder}; printf '{lines}' > {folder}/clock.conf; systemctl daemon-reload; systemctl restart {unit}",
    )


def set_right(unit: str, cluster: Cluster) -> None:
    file = f"/run/systemd/system/{unit}.service.d/clock.conf"
    cluster.ssh(COLLECTOR, f"if test -e {file}; then rm {file}; systemctl daemon-reload; systemctl restart {unit}; fi")


def off_by(cluster: Cluster, offset_s: int, clock_s: Callable[[Cluster], float | None]) -> str:
    """What the daemon itself takes for the time, against this machine's."""

    def error_s() -> float:
        return (clock_s(cluster) or time.time()) - time.time()

    cluster.wait(lambda: abs(error_s() - offset_s) < OFF_BY_S, f"a clock {offset_s} s off")
    return f"its clock is {error_s():+.0f} s off"


def of_the_collector(cluster: Cluster) -> float | None:
    """The receive time of an update that is posted now, as HBase has it."""
    event = cluster.event()
    if cluster.post(event).status == 204:
        with suppress(AssertionError):
            wait_for(lambda: event in cluster.cells(event), "it is stored", cluster.patience_s)
            return cluster.cells(event)[event] / 1000
    return None


def of_the_shipper(cluster: Cluster) -> float | None:
    """When its status says that it was written."""
    at_ms = cluster.shipper().get("at_ms")
    return at_ms / 1000 if at_ms else None


def clock(name: str, unit: str, offset_s: int, clock_s: Callable[[Cluster], float | None]) -> Fault:
    return Fault(
        name,
        partial(set_off, unit, f"{offset_s:+d}s"),
        lambda cluster, _: off_by(cluster, offset_s, clock_s),
        Cluster.arrives,
        undo=partial(set_right, unit),
        lasts_s=LASTS_S,
        around=faketime,
    )


FAULTS = [
    clock("collector's clock one hour fast", "primetime-collector", HOUR_S, of_the_collector),
    clock("collector's clock one hour slow", "primetime-collector", -HOUR_S, of_the_collector),
    clock("shipper's clock one hour fast", "primetime-shipper", HOUR_S, of_the_shipper),
    clock("shipper's clock one hour slow", "primetime-shipper", -HOUR_S, of_the_shipper),
]
