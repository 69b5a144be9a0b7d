"""A disk of a test's own under a folder of a host, as a volume in production: it can be frozen.

An ext4 in a file of this machine, through a loop device, mounted by the host itself. The units that use the folder wait
for it (a condition in a drop-in), so that a host that boots without it does not begin on the empty folder below.
"""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fault.cluster import Cluster

HANGAR = "/mnt/volume"
FROZEN = "begun-while-frozen"


class Volume:
    """`units` use `folder` of `node`, in the order in which they start."""

    def __init__(self, cluster: Cluster, node: str, folder: str, units: Sequence[str], size_mb: int) -> None:
        self._cluster, self.node, self.folder, self._units, self._size_mb = cluster, node, folder, units, size_mb
        self._image, self._device = Path(), ""

    def attach(self) -> None:
        """Move the folder's content onto the volume, and the volume into its place."""
        with tempfile.NamedTemporaryFile(prefix="primetime-volume-", delete=False) as file:
            self._image = Path(file.name)
            file.truncate(self._size_mb << 20)
        run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", self._image)
        self._device = run("losetup", "--find", "--show", self._image)
        self._stop()
        self._mount(HANGAR)
        self._ssh(f"rmdir {HANGAR}/lost+found; cp -a {self.folder}/. {HANGAR}/; umount {HANGAR}")
        self._mount(self.folder)
        for unit in self._units:
            dropin = f"/etc/systemd/system/{unit}.service.d"
            condition = f"[Unit]\\nConditionPathIsMountPoint={self.folder}\\n"
            self._ssh(f"mkdir -p {dropin}; printf '{condition}' > {dropin}/volume.conf")
        self._start()

    def detach(self) -> None:
        """Everything back to where it was, whatever state the volume is in."""
        self._cluster.start(self.node)
        self.thaw()
        self._stop()
        self._ssh(f"mountpoint -q {self.folder} && umount {self.folder} || true")
        self._mount(HANGAR)
        self._ssh(
            f"find {self.folder} -mindepth 1 -delete; rm -f {HANGAR}/{FROZEN}-*; "
            f"rmdir {HANGAR}/lost+found || true; cp -a {HANGAR}/. {self.folder}/; umount {HANGAR}"
        )
        for unit in self._units:
            dropin = f"/etc/systemd/system/{unit}.service.d"
            self._ssh(f"rm -f {dropin}/volume.conf; rmdir {dropin} || true")
        self._start()
        self._ssh(f"rm -f {self._device}")
        run("losetup", "--detach", self._device)
        self._image.unlink()

    def freeze(self) -> None:
        self._ssh(f"fsfreeze --freeze {self.folder}")

    def thaw(self) -> None:
        self._cluster.asked(self.node, f"fsfreeze --unfreeze {self.folder} 2> /dev/null")

    def is_frozen(self) -> bool:
        """Whether a file that is begun now does not come to be. Its writer stays behind: nothing can end it."""
        file = f"{self.folder}/{FROZEN}-{time.monotonic_ns()}"
        return bool(
            self._cluster.asked(
                self.node, f"touch {file} > /dev/null 2>&1 < /dev/null & sleep 0.5; test ! -e {file}; echo yes"
            )
        )

    def _stop(self) -> None:
        for unit in reversed(self._units):
            self._ssh(f"systemctl stop {unit}")

    def _start(self) -> None:
        self._ssh(f"systemctl daemon-reload; systemctl start {' '.join(self._units)}")

    def _mount(self, where: str) -> None:
        number = self._device.removeprefix("/dev/loop")
        self._ssh(
            f"test -b {self._device} || mknod {self._device} b 7 {number}; mkdir -p {where}; "
            f"mount {self._device} {where}"
        )

    def _ssh(self, script: str) -> str:
        return self._cluster.ssh(self.node, script)


def run(*command: str | Path) -> str:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    assert done.returncode == 0, f"{command} exited {done.returncode}: {done.stderr}"
    return done.stdout.strip()


@contextmanager
def volume(cluster: Cluster, node: str, folder: str, units: Sequence[str], size_mb: int) -> Iterator[Volume]:
    """A volume under a folder while this lasts; `cluster.kept` has it for the fault's steps."""
    made = Volume(cluster, node, folder, units, size_mb)
    try:
        made.attach()
        cluster.kept["volume"] = made
        yield made
    finally:
        made.detach()
