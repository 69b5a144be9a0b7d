"""A control group per host: its caps on memory and CPU, its weight, and the list of its processes.

Called by machine and leftovers. Works on cgroup v1 and hybrid mounts, where each hierarchy is a mount of its own. The
same code serves a plain cgroup v2 machine, where the one hierarchy needs its controllers handed down first; that
branch is written from the kernel's documentation and is not proved by the tests of this repository.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from primetime.drivers.nspawn.state import DEFAULT_WEIGHT
from primetime.errors import PrimetimeError

# name=systemd and cgroup2 as well: systemd in a host makes its groups under the one it finds itself in, and two hosts
# in the same one would take each other's services for their own.
_V1_WANTED = {"memory", "cpu", "name=systemd"}
_SHARES_PER_WEIGHT = 10.24  # v1's default is 1024 shares where v2's is a weight of 100
_PERIOD_US = 100_000  # the kernel's own: a capped host waits for the rest of a period once it has had its part
KILL_TIMEOUT_S = 10


@dataclass(frozen=True)
class Hierarchy:
    """A mounted cgroup hierarchy. `controllers` is empty for cgroup v2."""

    root: Path
    controllers: frozenset[str]


@cache
def hierarchies() -> tuple[Hierarchy, ...]:
    """The mounted hierarchies that a host is placed in."""
    return tuple(parse_mounts(Path("/proc/self/mountinfo").read_text()))


def parse_mounts(mountinfo: str) -> Iterator[Hierarchy]:
    """The hierarchies that matter here, from the text of /proc/self/mountinfo."""
    for line in mountinfo.splitlines():
        mount, _, filesystem = line.partition(" - ")
        kind, _, options = filesystem.split(" ", 2)
        root = Path(mount.split()[4])
        if kind == "cgroup2":
            yield Hierarchy(root, frozenset())
        elif kind == "cgroup" and (found := _V1_WANTED.intersection(options.split(","))):
            yield Hierarchy(root, frozenset(found))


def make(group: str, memory_mb: int = 0, cpus: float | None = None, cpu_weight: int = DEFAULT_WEIGHT) -> list[Path]:
    """Make `group` in every hierarchy with its caps; its folders. `memory_mb` 0 and `cpus` None are no cap.

    A host's first process belongs in `first` below them and nspawn in `host`: in cgroup v2 a group that hands
    controllers down has no processes of its own.
    """
    folders, capped, throttled = [], memory_mb == 0, cpus is None
    for hierarchy in hierarchies():
        folder = hierarchy.root / group
        for child in ("first", "host"):
            (folder / child).mkdir(parents=True, exist_ok=True)
        folders.append(folder)
        if not hierarchy.controllers:
            _hand_down(hierarchy.root, folder)
        capped = _cap_memory(folder, memory_mb) or capped
        throttled = _cap_cpu(folder, cpus) or throttled
        _weigh_cpu(folder, cpu_weight)
    if not capped:
        raise PrimetimeError(
            f"This kernel has no memory controller for {group}: boot it with cgroup_enable=memory, or give memory_mb 0"
        )
    if not throttled:
        raise PrimetimeError(
            f"This kernel cannot cap the CPU of {group}: it needs CONFIG_CFS_BANDWIDTH, or leave `cpus` out"
        )
    return folders


def _hand_down(root: Path, folder: Path) -> None:
    """cgroup v2: a group has only the controllers that each group above it enables for its children."""
    for parent in (*reversed(folder.parents), folder):
        if parent == root or root in parent.parents:
            for controller in ("memory", "cpu"):
                # In hybrid mode they belong to v1. make() tells when memory is found in neither.
                with contextlib.suppress(OSError):
                    (parent / "cgroup.subtree_control").write_text(f"+{controller}")


def _cap_memory(folder: Path, memory_mb: int) -> bool:
    """Write the cap where this folder has a file for it; whether it had one."""
    if (folder / "memory.max").exists():
        (folder / "memory.max").write_text(f"{memory_mb}M" if memory_mb else "max")
        with contextlib.suppress(FileNotFoundError):  # no swap in this kernel
            (folder / "memory.swap.max").write_text("0" if memory_mb else "max")
        return True
    if (folder / "memory.limit_in_bytes").exists():
        (folder / "memory.limit_in_bytes").write_text(f"{memory_mb}M" if memory_mb else "-1")
        with contextlib.suppress(FileNotFoundError):
            (folder / "memory.memsw.limit_in_bytes").write_text(f"{memory_mb}M" if memory_mb else "-1")
        return True
    return False


def _cap_cpu(folder: Path, cpus: float | None) -> bool:
    """The same for the cap on CPU time."""
    quota = None if cpus is None else max(1000, round(cpus * _PERIOD_US))  # the kernel takes no less than 1 ms
    if (folder / "cpu.max").exists():
        (folder / "cpu.max").write_text(f"{'max' if quota is None else quota} {_PERIOD_US}")
        return True
    if (folder / "cpu.cfs_quota_us").exists():
        (folder / "cpu.cfs_period_us").write_text(str(_PERIOD_US))
        (folder / "cpu.cfs_quota_us").write_text(str(-1 if quota is None else quota))
        return True
    return False


def _weigh_cpu(folder: Path, weight: int) -> None:
    """What a host gets beside the others when there is not enough for all."""
    if (folder / "cpu.weight").exists():
        (folder / "cpu.weight").write_text(str(weight))
    if (folder / "cpu.shares").exists():
        (folder / "cpu.shares").write_text(str(max(2, round(weight * _SHARES_PER_WEIGHT))))


def folders(group: str) -> list[Path]:
    """Where `group` exists, one folder per hierarchy."""
    return [hierarchy.root / group for hierarchy in hierarchies() if (hierarchy.root / group).is_dir()]


def processes(group: str) -> set[int]:
    """The processes in `group` and below."""
    found: set[int] = set()
    for folder in folders(group):
        for place, _, _ in os.walk(folder):  # rglob fails when a group goes away meanwhile
            with contextlib.suppress(OSError):  # it did, or may not be read (v2, threaded)
                found.update(int(pid) for pid in Path(place, "cgroup.procs").read_text().split())
    found.discard(0)
    return found


def belongs(pid: int, group: str) -> bool:
    """Whether a process is in `group` or below, in any hierarchy."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return False
    return any(f"/{group}/" in line.split(":", 2)[2] + "/" for line in lines)


def kill(group: str) -> None:
    """SIGKILL every process in `group` and below, and wait until none is left."""
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while left := processes(group):
        for pid in left:
            signal_member(pid, group, signal.SIGKILL)
        if time.monotonic() > deadline:
            raise PrimetimeError(f"{group}: processes {sorted(left)} survive SIGKILL: see /proc/PID/stack, then repeat")
        time.sleep(0.01)


def signal_member(pid: int, group: str, number: signal.Signals) -> None:
    """Send a signal to a process of `group`; to nobody when it is gone, even if its pid has a new owner."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        # Looked up after the descriptor was opened: a recycled pid is not a member, and lives.
        if belongs(pid, group):
            signal.pidfd_send_signal(process, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(process)


def remove(group: str) -> None:
    """Remove `group` and what systemd made below it; its processes must be dead."""
    deadline = time.monotonic() + KILL_TIMEOUT_S
    while left := folders(group):
        for folder in left:
            for place, _, _ in os.walk(folder, topdown=False):
                with contextlib.suppress(OSError):
                    Path(place).rmdir()
        if not folders(group):
            return
        if time.monotonic() > deadline:
            raise PrimetimeError(f"{left[0]} cannot be removed: see {left[0]}/cgroup.procs, then repeat")
        time.sleep(0.01)  # a group stays busy for a moment after its last process
