"""One host: start it, see whether it runs, stop it, kill it.

Called by driver and leftovers. A host lives in a session and a mount namespace of its own: it outlives the command
that started it, and its mounts go with its last process, however that one dies.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

from primetime.drivers.nspawn import cgroup, commands
from primetime.drivers.nspawn.state import Network, NodeRecord
from primetime.errors import PrimetimeError

STOP_TIMEOUT_S = 8  # one host of fifty was seen to hang on its way down
START_TIMEOUT_S = 10
LOCK_TIMEOUT_S = 60
CONSOLE_LIMIT = 1 << 20  # bytes of console log kept from one start to the next
TAIL_LINES = 15

# The host's first process. It joins its cgroups and says who it is before it does anything else, so that there is never
# a process of a host that nobody can find. It stays, because nspawn leaves a reboot from within to its caller (133).
# The image's path may hold the commas and colons that overlayfs splits at, and all options together are one page: so
# it is bound to a short one, and layers are named as seen from their folder.
# /run is covered: nspawn leaves folders in /run/systemd behind otherwise.
_FIRST_PROCESS = """
node=$1 image=$2 groups=$3 layers=$4
shift 4
join() { for group in $groups; do echo 0 > "$group/$1/cgroup.procs"; done; }
join first
read -r boot < /proc/sys/kernel/random/boot_id
read -r stat < /proc/$$/stat
echo "$boot $stat" > "$node/leader"
mount -t tmpfs tmpfs /run
mkdir /run/image
mount --bind "$image/root" /run/image
if [ "$layers" ]; then cd "$node/../../layers"; fi
mount -t overlay overlay -o "lowerdir=$layers/run/image,upperdir=$node/upper,workdir=$node/work" "$node/root"
cd /
code=133
while [ $code = 133 ]; do
    code=0
    (join host; exec systemd-nspawn --directory="$node/root" "$@") || code=$?
done
exit $code
"""
_NSPAWN = (
    "--boot",
    "--register=no",  # there may be no systemd on this machine to register with
    "--keep-unit",
    "--resolv-conf=off",
    "--timezone=off",
    "--link-journal=no",
    "--console=read-only",
)
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "dumb",  # no colours in the console log
    "SYSTEMD_SECCOMP": "0",
    "SYSTEMD_NSPAWN_TMPFS_TMP": "0",  # /tmp on disk, as Debian 12 has it: a tmpfs would count against the memory cap
}


def leader(folder: Path) -> int | None:
    """The pid of a node's first process, if that very process is alive."""
    recorded = _recorded(folder)
    if recorded is None:
        return None
    boot, pid, started = recorded
    same_boot = boot == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    living = _parent_and_start(pid)
    return pid if same_boot and living is not None and living[1] == started else None


def _recorded(folder: Path) -> tuple[str, int, str] | None:
    """(boot id, pid, start time in ticks) that a first process wrote; None before it has."""
    try:
        boot, stat = (folder / "leader").read_text().split(" ", 1)
        return boot, int(stat.split(" ", 1)[0]), stat.rpartition(")")[2].split()[19]
    except (OSError, ValueError, IndexError):
        return None


def _parent_and_start(pid: int) -> tuple[int, str] | None:
    """(parent, start time in ticks) of a living process; None when there is none, or only a zombie."""
    try:
        state, parent, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if state in "ZX" else (int(parent), fields[17])


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep others from starting, stopping or removing this node meanwhile. The lock is on the node's folder itself."""
    gone = PrimetimeError(f"{folder.name} is gone: another command has destroyed it")
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        raise gone from None
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    try:
        while True:
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            if time.monotonic() > deadline:
                raise PrimetimeError(f"{folder.name} is held by another command: repeat when that has ended")
            time.sleep(0.01)
        if not folder.exists() or not os.path.samestat(os.fstat(fd), folder.stat()):
            raise gone
        yield
    finally:
        os.close(fd)


def start(network: Network, record: NodeRecord) -> None:
    """Start a node that is not running; returns when its first process is there, long before ssh answers."""
    folder, image = network.node(record.name), Path(record.image_folder)
    if not (image / "root").is_dir():
        raise PrimetimeError(f"{record.name}: its image {image} is gone: destroy the node and create it again")
    kill(network, record)  # whatever a start or stop that died has left
    (folder / "leader").unlink(missing_ok=True)
    groups = cgroup.make(network.cgroup(record.name), record.memory_mb, record.cpus, record.cpu_weight)
    arguments = [
        f"--network-bridge={network.bridge}",
        f"--machine={network.machine(record.address)}",
        f"--hostname={record.name}",
    ]
    layers = "".join(f"{layer}:" for layer in reversed(record.layers))
    command = ["setsid", "--fork", "unshare", "--mount", "--propagation", "slave", "sh", "-ec", _FIRST_PROCESS]
    command += ["primetime-host", str(folder), str(image), " ".join(map(str, groups)), layers, *_NSPAWN, *arguments]
    with _console(folder).open("ab") as console:
        subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=console, env=_ENVIRONMENT, cwd="/", check=True
        )
    _wait_for_leader(folder)


def _console(folder: Path) -> Path:
    """The console log, cut to its end when it has grown. It is only ever appended to, so cutting it is safe."""
    path = folder / "console.log"
    if path.exists() and path.stat().st_size > CONSOLE_LIMIT:
        path.write_bytes(path.read_bytes()[-CONSOLE_LIMIT // 16 :])
    return path


def _wait_for_leader(folder: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while _recorded(folder) is None:
        if time.monotonic() > deadline:
            raise PrimetimeError(f"{folder.name} did not start within {START_TIMEOUT_S} s: {console_tail(folder)}")
        time.sleep(0.002)


def stop(network: Network, record: NodeRecord) -> None:
    """Shut a host down: SIGTERM to nspawn, which asks its systemd; SIGKILL when that takes too long."""
    folder = network.node(record.name)
    first = leader(folder)
    if first is not None:
        for pid in cgroup.processes(network.cgroup(record.name)):
            if (_parent_and_start(pid) or (0,))[0] == first:
                cgroup.signal_member(pid, network.cgroup(record.name), signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while leader(folder) == first and time.monotonic() < deadline:
            time.sleep(0.02)
    kill(network, record)


def kill(network: Network, record: NodeRecord) -> None:
    """SIGKILL all of a host at once; its data stay. Nothing of it runs, and its link is gone, when this returns."""
    group = network.cgroup(record.name)
    cgroup.kill(group)
    cgroup.remove(group)
    # The kernel removes a dead host's link some time later; a restart would find the name taken.
    link = network.link(record.address)
    if Path("/sys/class/net", link).exists():
        commands.attempt("ip", "link", "delete", link)


def console_tail(folder: Path) -> str:
    """The end of a node's console log, for an error's reader."""
    path = folder / "console.log"
    try:
        lines = [line.rstrip() for line in path.read_text(errors="replace").splitlines() if line.strip()]
    except OSError:
        lines = []
    shown = "\n".join(f"    {line}" for line in lines[-TAIL_LINES:]) or "    (empty)"
    return f"{path} ends:\n{shown}"
