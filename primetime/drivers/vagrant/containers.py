"""What only LXC has, where vagrant-lxc has no word for it: thawing, killing, cables, snapshots, and what is left.

Called by driver and primetime.machines. A container is `primetime_<topology>_<machine>` (vagrant/topology.rb), in LXC's
own folder.
"""

from __future__ import annotations

import contextlib
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from primetime.drivers.nspawn import commands
from primetime.errors import PrimetimeError

PREFIX = "primetime_"
_HIERARCHIES = Path("/sys/fs/cgroup")
_LINKS = Path("/sys/class/net")
IFF_UP = 1  # of an interface's flags


def folder() -> Path:
    """Where LXC keeps containers."""
    settings = Path("/etc/lxc/lxc.conf")
    said = re.search(r"^\s*lxc\.lxcpath\s*=\s*(\S+)", settings.read_text(), re.MULTILINE) if settings.exists() else None
    return Path(said[1] if said else "/var/lib/lxc")


def states(ids: Mapping[str, str]) -> dict[str, str]:
    """Machine → the state of its container, in LXC's word in small letters; empty when there is no such container."""
    return {machine: _says(container, "State").lower() for machine, container in ids.items()}


def run(container: str, script: str, *words: str) -> subprocess.CompletedProcess[str]:
    """A shell script in a container that runs, with `words` from $0 on."""
    return commands.attempt("lxc-attach", "--clear-env", "--name", container, "--", "sh", "-c", script, *words)


def is_frozen(container: str) -> bool:
    return _says(container, "State") == "FROZEN"


def thaw(container: str) -> None:
    """Let a frozen container run on."""
    commands.run("lxc-unfreeze", "--name", container)


def kill(container: str) -> None:
    """SIGKILL all of a container that runs."""
    if _says(container, "State") == "RUNNING":
        commands.run("lxc-stop", "--kill", "--name", container)


def set_link(container: str, *, up: bool) -> None:
    """Plug a container's cable in, or pull it; of one that does not run there is none."""
    if link := _says(container, "Link"):
        commands.run("ip", "link", "set", link, "up" if up else "down")


def is_linked(container: str) -> bool:
    """Whether the cable of a container that runs is plugged in."""
    with contextlib.suppress(OSError):
        return bool(int((_LINKS / _says(container, "Link") / "flags").read_text(), 16) & IFF_UP)
    return True


def _says(container: str, what: str) -> str:
    """What LXC says of a container, by its own word for it; empty when it says nothing."""
    said = commands.attempt("lxc-info", "--name", container).stdout
    found = re.search(rf"^{what}:\s*(\S+)$", said, re.MULTILINE)
    return found[1] if found else ""


def named(topology: str) -> list[str]:
    """The containers that bear a topology's name, whether vagrant knows them or not."""
    return sorted(path.name for path in folder().glob(f"{PREFIX}{topology}_*") if (path / "config").exists())


def topologies() -> list[str]:
    """The topologies that containers bear the names of."""
    names = (path.parent.name.split("_") for path in folder().glob(f"{PREFIX}*_*/config"))
    return sorted({name[1] for name in names})


def sweep(prefix: str) -> list[str]:
    """Remove the containers of every topology whose name starts with `prefix`; what was removed."""
    removed = []
    for topology in topologies():
        for container in named(topology) if topology.startswith(prefix) else ():
            remove(container)
            removed.append(f"container {container}")
    return removed


def remove(container: str) -> None:
    """Stop and remove a container, its snapshots too, whoever made it."""
    commands.attempt("lxc-stop", "--kill", "--name", container)
    commands.run("lxc-destroy", "--force", "--snapshots", "--name", container)


def snapshots(container: str) -> dict[str, str]:
    """Our name of a snapshot → LXC's."""
    found = {}
    for comment in sorted((folder() / container / "snaps").glob("*/comment")):
        with contextlib.suppress(OSError):
            found[comment.read_text().strip()] = comment.parent.name
    return found


def snapshot(container: str, name: str) -> None:
    """Keep a stopped container's disk under a name."""
    if name in snapshots(container):
        raise PrimetimeError(f"{container} has a snapshot {name} already: give it another name")
    with tempfile.NamedTemporaryFile("w", prefix="primetime-") as comment:
        comment.write(name)
        comment.flush()
        commands.run("lxc-snapshot", "--name", container, "--comment", comment.name)


def restore(container: str, name: str) -> None:
    """Put a stopped container's disk back to what it was."""
    found = snapshots(container)
    if name not in found:
        known = ", ".join(found) or "none"
        raise PrimetimeError(f"{container} has no snapshot {name}: its snapshots are {known}")
    commands.run("lxc-snapshot", "--name", container, "--restore", found[name])


def forget_snapshots(container: str) -> None:
    """Remove all of a container's snapshots: LXC destroys none that has some."""
    for name in snapshots(container).values():
        commands.attempt("lxc-snapshot", "--name", container, "--destroy", name)


def left(topology: str) -> Iterator[str]:
    """A sentence for each container and control group that bears a topology's name."""
    for container in named(topology):
        yield f"container {container} exists"
    for path in sorted(_HIERARCHIES.glob(f"*/lxc.*.{PREFIX}{topology}_*")):
        yield f"control group {path} exists"
