"""A collector's spool on a small disk of its own, which can be full without harm to this machine: filled, and undone.

Called by hands.py, for hosts of nspawn. The disk is an ext4 in a file in the host's folder, through a loop device that
goes with its last mount. Segments are small meanwhile, or what is reserved for them would take a burst before the disk
is felt. A host that boots meanwhile has no spool until `detach`: its units would begin on the folder below.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

from libcloud.compute.base import Node

from primetime.errors import PrimetimeError

SIZE_MB = 96
SEGMENT_BYTES = 1 << 19  # two of the largest bodies
BALLAST = "ballast"
UNITS = ("primetime-shipper", "primetime-collector")  # in the order in which they are stopped
CONFIG = "/etc/primetime/collector/lua/collector/config.lua"
_KEPT = "/root/collector-config.lua"
_ASIDE = "/mnt/primetime-spool"
_DROPIN = "/etc/systemd/system/{unit}.service.d/small-disk.conf"

Run = Callable[[str], str]  # a shell script on the host → its output


def image_of(node: Node) -> Path:
    """The small disk's file, in the folder of a host that the nspawn driver has."""
    return Path(str(node.extra["console"])).with_name("spool-disk.img")


class SpoolDisk:
    """The small disk of one host. `image`: its file on this machine; `run`: a script there; `spool`: its folder."""

    def __init__(self, image: Path, run: Run, spool: str) -> None:
        self._image, self._run, self._spool = image, run, spool

    def attach(self) -> None:
        """The spool is on it, and the collector takes traffic there. What was in the spool is still in it."""
        needed_mb = SIZE_MB + 2 * int(self._run(f"du -sm {self._spool} | cut -f1"))
        with self._image.open("wb") as file:
            file.truncate(needed_mb << 20)
        _command("mkfs.ext4", "-q", "-m", "0", "-E", "lazy_itable_init=0,lazy_journal_init=0", str(self._image))
        device = _command("losetup", "--find", "--show", str(self._image))
        try:
            self._run(self._moves_in(device))
        finally:
            _attempt("losetup", "--detach", device)  # in use, it goes with its last mount

    def fill(self) -> None:
        """All that is left of it."""
        self._run(f"cat /dev/zero > {self._spool}/{BALLAST} 2> /dev/null || true")

    def detach(self) -> None:
        """The spool is where it was, with all that is in it; a disk that is not there, or half there, is as well."""
        if not self._image.exists():
            return
        device = _attempt("losetup", "--list", "--noheadings", "--output", "NAME", "--associated", str(self._image))
        device = device or _command("losetup", "--find", "--show", str(self._image))
        try:
            self._run(self._moves_out(device))
        finally:
            _attempt("losetup", "--detach", device)
        self._image.unlink()

    def _moves_in(self, device: str) -> str:
        dropins = "\n".join(
            f"mkdir -p $(dirname {file}); printf '[Unit]\\nConditionPathIsMountPoint={self._spool}\\n' > {file}"
            for file in map(_dropin, UNITS)
        )
        return f"""
            {_mounted(device)}
            systemctl stop {" ".join(UNITS)}
            cp -a {self._spool}/. {_ASIDE}/
            rmdir {_ASIDE}/lost+found
            {dropins}
            mount {device} {self._spool}
            umount {_ASIDE}
            cp -a {CONFIG} {_KEPT}
            sed -i 's/segment_bytes = [^,]*/segment_bytes = {SEGMENT_BYTES}/' {CONFIG}
            {_started()}
        """

    def _moves_out(self, device: str) -> str:
        """What is on the disk replaces the folder below as a whole: cut short, it can be done again.

        It is full until the collector stands still: what it took in between, nobody would have counted.
        A disk that was never mounted as the spool (without its drop-ins) has nothing that the folder has not.
        """
        spool = self._spool
        return f"""
            if [ -e {_dropin(UNITS[-1])} ]; then
                systemctl stop {" ".join(UNITS)}
                if [ -e {spool}.small-disk ] && [ ! -e {spool} ]; then mv {spool}.small-disk {spool}; fi
                mountpoint -q {_ASIDE} || {{ {_mounted(device)} }}
                mountpoint -q {spool} && umount {spool}
                rm -f {_ASIDE}/{BALLAST}
                if [ -e {_ASIDE}/spool.ulid ]; then
                    rm -rf {spool}.small-disk
                    mkdir {spool}.small-disk
                    cp -a {_ASIDE}/. {spool}.small-disk/
                    rm -rf {spool}.small-disk/lost+found {spool}
                    mv {spool}.small-disk {spool}
                fi
            fi
            if [ -e {_KEPT} ]; then mv {_KEPT} {CONFIG}; fi
            mountpoint -q {_ASIDE} && umount {_ASIDE}
            rm -rf {_ASIDE} {device} {" ".join(map(_dropin, UNITS))}
            for unit in {" ".join(UNITS)}; do rmdir /etc/systemd/system/$unit.service.d || true; done
            {_started()}
        """


def _dropin(unit: str) -> str:
    return _DROPIN.format(unit=unit)


def _mounted(device: str) -> str:
    number = device.removeprefix("/dev/loop")
    return f"test -b {device} || mknod {device} b 7 {number}; mkdir -p {_ASIDE}; mount {device} {_ASIDE};"


def _started() -> str:
    return f"systemctl daemon-reload; systemctl start {' '.join(reversed(UNITS))}"


def _command(*words: str) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise PrimetimeError(f"{words[0]} failed: {done.stderr.strip()[-200:] or done.returncode}")
    return done.stdout.strip()


def _attempt(*words: str) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()
