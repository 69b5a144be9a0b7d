#!/usr/bin/python3
# Managed by primetime (roles/guard); edits are lost
"""adopt-spool: mounts the volumes that the guard asks for, has what is on them shipped, and says what became of each.

Run as root by primetime-adopt.service when there is a file in WANTED: its name is a volume and the time at which it was
attached here. A file of that name in RESULTS is the answer: `shipped`, or why what is left cannot be shipped; then the
volume is no longer mounted. Whatever else happens, it ends with 1 and is started again: all of it may be done twice.
"""

import grp
import os
import pwd
import re
import subprocess
import sys
from pathlib import Path

WANTED = Path("/run/primetime-guard/wanted")
RESULTS = Path("/run/primetime-adopt")
CONFIG = Path("/etc/primetime/shipper/shipper.toml")
SPOOL_VOLUME = "/opt/primetime/bin/spool-volume"
REQUEST = re.compile(r"(vol-[0-9a-f]{8,17})\.[0-9]{1,12}")
NEVER_USED, REFUSED = (
    4,
    "nothing was written to it",
)  # an exit code of SPOOL_VOLUME, and what it says of what is no spool
UNSHIPPABLE = 3  # the shipper's, when it drains
OWNER, GROUP = "collector", "primetime-spool"


class Unfinished(Exception):
    """To be tried again."""


def spool_path() -> Path:
    """This host's own spool."""
    found = re.search(r'^spool = "(.*)"$', CONFIG.read_text(), re.MULTILINE)
    if not found:
        raise Unfinished(f"{CONFIG} names no spool: converge this host")
    return Path(found[1])


def config_of(volume: str, folder: Path) -> str:
    """The shipper's configuration for another spool: everything else is the same, and one tells metrics already."""
    text = CONFIG.read_text()
    for name, value in (("spool", folder), ("run", f"/run/primetime-adopted/{volume}"), ("metrics_address", "")):
        text = re.sub(rf"^{name} = .*$", f'{name} = "{value}"', text, flags=re.MULTILINE)
    return text


def shipped(volume: str) -> int:
    """Run the shipper on a volume's spool until nothing is left that can go; its exit code."""
    unit = f"primetime-shipper@{volume}.service"
    done = subprocess.run(["systemctl", "start", unit])
    if done.returncode == 0:
        return 0
    said = subprocess.run(["systemctl", "show", "-P", "ExecMainStatus", unit], capture_output=True, text=True).stdout
    subprocess.run(["systemctl", "reset-failed", unit])
    return int(said.strip() or 1)


def give_to_collector(folder: Path) -> None:
    """Users have other numbers on other hosts. Where a link leads is nobody's business here."""
    user, group = pwd.getpwnam(OWNER).pw_uid, grp.getgrnam(GROUP).gr_gid
    for path in (folder, *folder.iterdir()):
        os.chown(path, user, group, follow_symlinks=False)
    folder.chmod(0o2770)


def is_own(volume: str, own: Path) -> bool:
    """Whether this is the volume that this host's own spool is on."""
    device = Path(f"/dev/disk/by-id/nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}")
    return device.exists() and own.is_dir() and device.stat().st_rdev == own.stat().st_dev


def adopt(volume: str) -> str:
    """What becomes of one volume's spool."""
    own = spool_path()
    if is_own(volume, own):
        return "it is this host's own spool"
    folder = own.with_name(f"{own.name}-adopted") / volume
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([SPOOL_VOLUME, "--there", volume, str(folder)], capture_output=True, text=True)
    if done.returncode == NEVER_USED:
        folder.rmdir()
        return "shipped"
    said = " ".join(done.stderr.split())
    if done.returncode and REFUSED in said:
        folder.rmdir()
        return said
    if done.returncode:
        raise Unfinished(f"{volume}: {said}")
    give_to_collector(folder)
    (RESULTS / f"{volume}.toml").write_text(config_of(volume, folder))
    code = shipped(volume)
    if code not in (0, UNSHIPPABLE):
        raise Unfinished(f"{volume}: its shipper ended with {code}: see journalctl -u primetime-shipper@{volume}")
    left = sorted(each.stem for each in folder.iterdir() if each.suffix in (".open", ".sealed"))
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()
    (RESULTS / f"{volume}.toml").unlink()
    return f"cannot be shipped: {', '.join(left)}" if code or left else "shipped"


def main() -> int:
    troubles = 0
    for asked in sorted(each.name for each in WANTED.iterdir()) if WANTED.is_dir() else []:
        if not (found := REQUEST.fullmatch(asked)):
            print(f"{asked!r} in {WANTED} is no request: remove it", flush=True)
            continue
        try:
            result = adopt(found[1])
        except (Unfinished, OSError, subprocess.CalledProcessError) as error:
            print(f"trying again: {error}", flush=True)
            troubles += 1
            continue
        print(f"{found[1]}: {result}", flush=True)
        draft = RESULTS / f".{asked}"
        draft.write_text(f"{result}\n")
        draft.rename(RESULTS / asked)
        (WANTED / asked).unlink()
    return 1 if troubles else 0


if __name__ == "__main__":
    sys.exit(main())
