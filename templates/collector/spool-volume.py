#!/usr/bin/python3
# Managed by primetime (roles/collector); edits are lost
"""spool-volume VOLUME FOLDER: mounts a volume of EC2's under a folder.

Its file system is made when there is nothing at all on it: what has data is never formatted, whatever that is.
`spool-volume --there VOLUME FOLDER` makes nothing: exit code 4 when the volume has never been used.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

BY_ID = "/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_"
WAIT_S = 60.0
LOOKED_AT = 16 << 20  # bytes at the beginning that are all zero on a volume that nobody has written to
NOTHING = 2  # what blkid says of a device that has no signature
NEVER_USED = 4


def device_of(volume: str) -> Path:
    """Where the kernel shows it, by its id; never by a name, which another volume may have."""
    path, until = Path(BY_ID + volume.replace("-", "")), time.monotonic() + WAIT_S
    while not path.exists():
        if time.monotonic() > until:
            sys.exit(
                f"{path} is not there after {WAIT_S:.0f} s: see that {volume} is attached here, and this a Nitro size"
            )
        time.sleep(0.5)
    return path.resolve()


def is_blank(device: Path) -> bool:
    """Whether it has nothing that anybody could miss; a signature that blkid does not know is no reason to write."""
    done = subprocess.run(["blkid", "-p", "-o", "value", "-s", "TYPE", str(device)], capture_output=True, text=True)
    if done.returncode not in (0, NOTHING):
        sys.exit(f"{device}: blkid cannot say what it holds ({done.stderr.strip()}): nothing was written to it")
    if done.returncode == 0:
        if done.stdout.strip() != "ext4":
            sys.exit(f"{device} holds {done.stdout.strip() or 'partitions'}, not a spool: nothing was written to it")
        return False
    with device.open("rb") as file:
        if file.read(LOOKED_AT).strip(b"\0"):
            sys.exit(f"{device} holds data in no file system: nothing was written to it: find out what it is")
    return True


def main() -> int:
    there, (volume, folder) = sys.argv[1] == "--there", sys.argv[-2:]
    place, device = Path(folder), device_of(volume)
    if os.path.ismount(folder):
        source = subprocess.run(["findmnt", "-n", "-o", "SOURCE", folder], capture_output=True, text=True).stdout
        if Path(source.strip()).resolve() == device:
            return 0
        sys.exit(f"{folder} has another volume mounted ({source.strip()}): unmount it first")
    if place.is_dir() and any(place.iterdir()):
        sys.exit(f"{folder} holds files, which {volume} would hide: move them onto the volume, then repeat")
    if is_blank(device):
        if there:
            return NEVER_USED
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-L", "primetime-spool", device], check=True)
        print(f"{volume}: file system made on {device}", flush=True)
    place.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "ext4", "-o", "noatime,nodev,nosuid,noexec", device, folder], check=True)
    print(f"{volume}: {device} is mounted under {folder}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
