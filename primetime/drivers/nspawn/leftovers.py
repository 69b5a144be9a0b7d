"""What is still there of primetime's machines, by looking at this machine; and removing networks, whatever their state.

Called by `down`, which proves with `find` that nothing is left, by `status`, and by tests, which sweep up after runs
that were killed. Only what carries our names, or lies in our folders, is ever named or removed.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

from primetime.drivers.nspawn import cgroup, lock, network, ssh, state
from primetime.drivers.nspawn.state import NETWORK_NAME, Network
from primetime.paths import RUN, STATE

_ALIAS = re.compile(r"primetime ([a-z0-9-]+)")
_ANY_DIGEST = "[0-9a-f]{8}"


def find(network: str | None = None) -> list[str]:
    """A sentence for each thing that is there of one network, or of all; empty when nothing is."""
    one = Network(network) if network is not None else None
    return [*_processes(one), *_mounts(one), *_links(one), *_tables(one), *_cgroups(one), *_sysctls(one), *_files(one)]


def networks() -> list[str]:
    """The networks of which anything is there that bears their name."""
    names = set(state.recorded())
    names.update(path.name.removeprefix(".gone-") for path in STATE.glob(".gone-*"))
    names.update(path.name for path in RUN.glob("*") if path.is_dir())
    names.update(path.name.rpartition(".")[0] for path in RUN.glob("*.command") if not lock.is_held(path))
    names.update(path.name for folder in cgroup.folders("primetime") for path in folder.iterdir() if path.is_dir())
    aliases = (_ALIAS.fullmatch(link.get("ifalias", "")) for link in network.all_links())
    names.update(alias[1] for alias in aliases if alias)
    names.update(name for _, name in network.all_tables())
    return sorted(name for name in names if NETWORK_NAME.fullmatch(name))


def sweep(prefix: str, wait_s: float = 1) -> dict[str, list[str]]:
    """Remove every network whose name starts with `prefix`, however little of it there is: name → what was removed.

    Raises PrimetimeError when a living command still holds one of them (`ex_lock`) after so many seconds.
    """
    removed = {}
    for name in networks():
        if name.startswith(prefix):
            swept = Network(name)
            with lock.held(swept.command_lock, f"sweeping {name}", wait_s), swept.changing("sweeping it"):
                before = find(name)
                network.destroy(swept)
                after = find(name)
            removed[name] = [sentence for sentence in before if sentence not in after]
    return removed


def _name(one: Network | None) -> str:
    return f"{one.name}/" if one else ""


def _processes(one: Network | None) -> Iterator[str]:
    group = one.cgroup() if one else "primetime"
    for pid in sorted(cgroup.processes(group)):
        with contextlib.suppress(OSError):  # it ended meanwhile
            command = Path(f"/proc/{pid}/comm").read_text().strip()
            where = next(
                iter(re.findall(r"/primetime/([^/\n]+/[^/\n]+)", Path(f"/proc/{pid}/cgroup").read_text())), group
            )
            yield f"process {pid} ({command}) of {where} runs"
    for pid in ssh.masters(one.run if one else RUN):
        yield f"process {pid} (ssh) keeps a shared connection open"


def _mounts(one: Network | None) -> Iterator[str]:
    """Mounts of our folders in any mount namespace: a host's are not in this process's own."""
    ours = re.compile(rf"{STATE}/{_name(one)}[^ ,]*")
    namespaces: set[Path] = set()
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            namespace = (process / "ns/mnt").readlink()
            if namespace in namespaces:
                continue
            namespaces.add(namespace)
            mounted = {found[0] for line in (process / "mountinfo").open() if (found := ours.search(line))}
            yield from (f"{path} is mounted, as process {process.name} sees it" for path in sorted(mounted))


def _links(one: Network | None) -> Iterator[str]:
    digest = one.digest if one else _ANY_DIGEST
    ours = re.compile(f"(pt-{digest}|(vb|td)-{digest}-[0-9]+)")
    for link in network.all_links():
        if ours.fullmatch(link["ifname"]):
            yield f"network link {link['ifname']} exists"


def _tables(one: Network | None) -> Iterator[str]:
    for table, _ in network.all_tables():
        if one is None or table.endswith(f" {one.table}"):
            yield f"nft table {table} exists"


def _cgroups(one: Network | None) -> Iterator[str]:
    for folder in cgroup.folders(one.cgroup() if one else "primetime"):
        yield f"control group {folder} exists"


def _sysctls(one: Network | None) -> Iterator[str]:
    """They go back with the last network, so with another one alive they are not this one's to answer for."""
    if one is None or not set(state.recorded()) - {one.name}:
        for key, was in network.changed_sysctls().items():
            yield f"sysctl {key.replace('/', '.')} is not {was}, as it was before"


def _files(one: Network | None) -> Iterator[str]:
    found = [one.folder, one.going, one.run] if one else [*STATE.glob("*"), *RUN.glob("*/")]
    locks = [one.command_lock, one.lock] if one else [path for path in RUN.glob("*") if path.is_file()]
    for path in (*found, *(path for path in locks if not lock.is_held(path))):
        if path.exists():
            yield f"{path} exists"
    for folder in () if one else (STATE, RUN):
        if folder.is_dir() and not any(folder.iterdir()):
            yield f"{folder} exists"
