"""Takes out of a machine what its image must not have: who it is, and what it knows.

`python -m primetime.cloud.cleaning TOPOLOGY GROUP,GROUP`, run by boot on a machine that is baked, when it has proved
its roles. What holds a secret is found by looking for its bytes in every file, so no list of such files is too short.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from primetime.secrets import topology as secrets
from primetime.topology import load

# whose machine it was, and what it did: all of this is made anew by who is made of the image
IDENTITY = (
    *("etc/ssh/ssh_host_*", "root/.ssh", "root/.bash_history", "root/user-data", "var/lib/dbus/machine-id"),
    *("var/lib/cloud", "var/lib/systemd/random-seed", "var/lib/dhcp/*", "var/lib/primetime-configure"),
    *("var/log/journal", "var/log/*.log", "var/log/*/*.log", "var/cache/primetime/.new*", "opt/primetime/.new"),
    *("var/spool/primetime", "var/spool/primetime-adopted", "tmp/*", "var/tmp/*"),
)
EMPTIED = ("etc/machine-id",)  # empty, it is made at the first boot; missing, it is not
KEPT = "primetime-configure.log"  # boot's own, which it removes last
CHUNK = 1 << 20
# what would write again while the machine shuts down: its journal, named after its machine id, and its random seed
QUIETED = (("journalctl", "--relinquish-var"), ("systemctl", "stop", "systemd-random-seed.service"))


def clean(root: Path, values: Sequence[bytes]) -> list[Path]:
    """Remove identity and secrets under `root`; the files that held one of `values`."""
    for pattern in IDENTITY:
        for path in root.glob(pattern):
            if path.name != KEPT:
                _remove(path)
    for name in EMPTIED:
        (root / name).write_bytes(b"")
    found = list(holding(root, values))
    for path in found:
        _wipe(path)
    return found


def holding(root: Path, values: Sequence[bytes]) -> Iterator[Path]:
    """Files of this very file system that hold any of `values`."""
    device = root.stat().st_dev
    for folder, folders, names in os.walk(root):
        folders[:] = [each for each in folders if _is_on(Path(folder, each), device)]
        for name in names:
            path = Path(folder, name)
            if not path.is_symlink() and path.is_file() and _holds(path, values):
                yield path


def _is_on(path: Path, device: int) -> bool:
    return not path.is_symlink() and path.stat().st_dev == device


def _holds(path: Path, values: Sequence[bytes]) -> bool:
    longest = max(map(len, values), default=1)
    with path.open("rb") as file:
        before = b""
        while part := file.read(CHUNK):
            if any(value in before + part for value in values):
                return True
            before = part[-longest:]
    return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _wipe(path: Path) -> None:
    """Its bytes as well: an image has the blocks of what was removed."""
    with path.open("r+b") as file:
        file.write(bytes(path.stat().st_size))
        os.fsync(file.fileno())
    path.unlink()


def fill(root: Path) -> None:
    """Zeros where earlier versions of files lie: an image has those blocks too."""
    path = root / "var" / "tmp" / "zeros"
    with path.open("wb") as file:
        try:
            while True:
                file.write(bytes(CHUNK))
        except OSError:  # it is full
            pass
    os.sync()
    path.unlink()


def main() -> int:
    topology, groups = load(sys.argv[1]), sys.argv[2].split(",")
    values = [secrets.value(topology, name).text.encode() for name in secrets.readable(topology, groups)]
    for verb in ("stop", "disable"):  # what is made of the image starts nothing before it is converged
        subprocess.run(["bash", "-c", f"systemctl {verb} $(cd /etc/systemd/system && ls primetime-*.* | grep -v @)"])
    for command in QUIETED:
        subprocess.run(command)
    for path in clean(Path("/"), values):
        print(f"removed {path}: it held a secret", flush=True)
    if subprocess.run(["systemd-detect-virt", "--container"], stdout=subprocess.DEVNULL).returncode:
        fill(Path("/"))  # not where the disk is another machine's
    if left := list(holding(Path("/"), values)):
        print(f"secrets are left in {', '.join(map(str, left))}", flush=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
