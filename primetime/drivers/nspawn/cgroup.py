"""A control group per host: its memory cap, its share of the CPU, and the list of its processes.

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

from primetime.errors import PrimetimeError

# name=systemd and cgroup2 as well: systemd in a host makes its groups under the one it finds itself in, and two hosts
# in the same one would take each other's services for their own.
_V1_WANTED = {"memory", "cpu", "name=systemd"}
_DEFAULT_SHARES = 1024  # the kernel's own, for one host; `cpus` scales it
_DEFAULT_WEIGHT = 100
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


def make(group: str, memory_mb: int, cpus: float | None) -> list[Path]:
    """Make `group` in every hierarchy with its caps; its folders.

    A host's first process belongs in `first` below them and nspawn in `host`: in cgroup v2 a group that hands
    controllers down has no processes of its own.
    """
    folders, capped = [], memory_mb == 0
    for hierarchy in hierarchies():
        folder = hierarchy.root / group
        for child in ("first", "host"):
            (folder / child).mkdir(parents=True, exist_ok=True)
        folders.append(folder)
        if not hierarchy.controllers:
            _hand_down(hierarchy.root, folder)
        capped = _cap_memory(folder, memory_mb) or capped
        _share_cpu(folder, cpus)
    if not capped:
        raise PrimetimeError(
            f"This kernel has no memory controller for {group}: boot it with cgroup_enable=memory, or give memory_mb 0"
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


def _share_cpu(folder: Path, cpus: float | None) -> None:
    for file, default in (("cpu.shares", _DEFAULT_SHARES), ("cpu.weight", _DEFAULT_WEIGHT)):
        if (folder / file).exists():
            (folder / file).write_text(str(max(2, round(default * (cpus or 1)))))


def folders(group: str) -> list[Path]:
    """Where `group` exists, one folder per hierarchy."""
    return [hierarchy.root / group for hierarchy in hierarchies() if (hierarchy.root / group).is_dir()]


def processes(group: str) -> set[int]:
    """The processes in `group` and below."""
    found: set[int] = set()
    for folder in folders(group):
        for path in folder.rglob("cgroup.procs"):
            with contextlib.suppress(OSError):  # the group went away, or may not be read (v2, threaded)
                found.update(int(pid) for pid in path.read_text().split())
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
            for path in sorted((path for path in folder.rglob("*") if path.is_dir()), reverse=True):
                with contextlib.suppress(OSError):
                    path.rmdir()
            with contextlib.suppress(OSError):
                folder.rmdir()
        if not folders(group):
            return
        if time.monotonic() > deadline:
            raise PrimetimeError(f"{left[0]} cannot be removed: see {left[0]}/cgroup.procs, then repeat")
        time.sleep(0.01)  # a group stays busy for a moment after its last process
