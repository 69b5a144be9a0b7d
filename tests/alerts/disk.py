"""A small disk of a host that fills: an ext4 in a file of this machine, through a loop device."""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.conftest import Bench
from tests.fault.volume import run

NODE = "redis-1"
PLACE = "/srv/filling"
IMAGE = Path(tempfile.gettempdir()) / "primetime-filling"
# more than half full at once, then for five minutes
FILL = f"head -c 150M /dev/zero > {PLACE}/log; while head -c 300K /dev/zero >> {PLACE}/log; do sleep 1; done"


def fill(bench: Bench) -> None:
    with IMAGE.open("wb") as file:
        file.truncate(256 << 20)
    run("mkfs.ext4", "-q", "-F", "-m", "0", IMAGE)
    device = run("losetup", "--find", "--show", IMAGE)
    number = device.removeprefix("/dev/loop")
    script = f"mkdir -p {PLACE}; test -b {device} || mknod {device} b 7 {number}; mount {device} {PLACE}"
    bench.ssh(NODE, "sh", "-c", script)
    bench.ssh(NODE, "systemd-run", "-q", "--unit=filling", "sh", "-c", FILL)


def make_room(bench: Bench) -> None:
    """What fills it is found, ended and removed."""
    bench.ssh(NODE, "sh", "-c", f"systemctl stop filling; rm {PLACE}/log")


def take_away(bench: Bench) -> None:
    bench.ssh(NODE, "sh", "-c", f"systemctl stop filling; umount {PLACE}; rm -f /dev/loop*")
    for line in run("losetup", "--associated", IMAGE).splitlines():
        run("losetup", "--detach", line.partition(":")[0])
    IMAGE.unlink(missing_ok=True)
