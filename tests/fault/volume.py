"""A disk of a test's own under a folder of a host, as a volume in production: it can be frozen, and lose its power.

An ext4 in a file of this machine, through a loop device, mounted by the host itself. The units that use the folder wait
for it (a condition in a drop-in), so that a host that boots without it does not begin on the empty folder below.
"""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.fault.cluster import Cluster
from tests.waiting import wait_for

HANGAR = "/mnt/volume"
# EXT4_IOC_SHUTDOWN and EXT4_GOING_FLAGS_NOLOGFLUSH (linux/fs/ext4/ext4.h): from here on nothing reaches the disk, and
# what only the page cache and the journal in memory had is gone, as when the power goes.
SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2
WITNESS = "written-and-not-synced"
FROZEN = "begun-while-frozen"


class Volume:
    """`units` use `folder` of `node`, in the order in which they start."""

    def __init__(self, cluster: Cluster, node: str, folder: str, units: Sequence[str], size_mb: int) -> None:
        self._cluster, self.node, self.folder, self._units, self._size_mb = cluster, node, folder, units, size_mb
        self._image, self._device, self._held = Path(), "", -1

    def attach(self) -> None:
        """Move the folder's content onto the volume, and the volume into its place."""
        with tempfile.NamedTemporaryFile(prefix="primetime-volume-", delete=False) as file:
            self._image = Path(file.name)
            file.truncate(self._size_mb << 20)
        run("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", self._image)
        self._device = run("losetup", "--find", "--show", self._image)
        self._hold()
        self._stop()
        self._mount(HANGAR)
        # synced: held here, it is not written out when the host unmounts it
        self._ssh(f"rmdir {HANGAR}/lost+found; cp -a {self.folder}/. {HANGAR}/; sync -f {HANGAR}; umount {HANGAR}")
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
            f"find {self.folder} -mindepth 1 -delete; rm -f {HANGAR}/{WITNESS} {HANGAR}/{FROZEN}-*; "
            f"rmdir {HANGAR}/lost+found || true; cp -a {HANGAR}/. {self.folder}/; umount {HANGAR}"
        )
        for unit in self._units:
            dropin = f"/etc/systemd/system/{unit}.service.d"
            self._ssh(f"rm -f {dropin}/volume.conf; rmdir {dropin} || true")
        self._start()
        self._ssh(f"rm -f {self._device}")
        os.close(self._held)
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

    def lose_power(self) -> None:
        """Kill the host, then cut the disk off; a file that was written just before and not synced is the witness.

        In this order: a sync that is under way while ext4 is shut down may return as if it had succeeded (9 times in 30
        tries, where none of the 10,516 that had returned before was lost), and no disk without power answers anybody.
        What is held open here keeps the file system from being written out in between.
        """
        self._ssh(f"head -c 100000 /dev/zero > {self.folder}/{WITNESS}")
        self._cluster.driver.ex_kill(self._cluster.node(self.node))
        fcntl.ioctl(self._held, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(self._held)
        wait_for(lambda: not self._is_mounted(), f"{self._device} mounted by nobody")
        self._hold()

    def power_on(self) -> None:
        """Start the host, mount what its disk had, and let the units begin; a host and disk that are on stay so."""
        self._cluster.start(self.node)
        if not self._cluster.asked(self.node, f"mountpoint {self.folder}"):
            self._mount(self.folder)
            self._start()

    def lacks_witness(self) -> bool:
        """Whether what was written and not synced is gone."""
        found = self._ssh(f"stat -c %s {self.folder}/{WITNESS} 2> /dev/null || echo 0")
        return found.strip() == "0"

    def _hold(self) -> None:
        """Keep a folder of it open here: the host's death then does not unmount it."""
        with tempfile.TemporaryDirectory(prefix="primetime-volume-") as folder:
            run("mount", self._device, folder)
            self._held = os.open(folder, os.O_RDONLY)
            run("umount", "--lazy", folder)

    def _is_mounted(self) -> bool:
        return Path("/sys/fs/ext4", Path(self._device).name).exists()

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


def held(cluster: Cluster) -> Volume:
    """The volume that is there."""
    found = cluster.kept["volume"]
    assert isinstance(found, Volume)
    return found
