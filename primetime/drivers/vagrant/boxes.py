"""Boxes for containers, made of the image that local hosts stand on: built once, kept in the cache.

Called by driver. A box is `$PRIMETIME_CACHE/boxes/<image>-<recipe>.box`, whole or not at all. It names this machine's
own package sources and authorities.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

from primetime import debs
from primetime.children import bound
from primetime.drivers.nspawn import commands, images, lock, network
from primetime.drivers.nspawn.images import Image
from primetime.errors import PrimetimeError
from primetime.paths import REPO, cache

Progress = Callable[[str], None]
BUILD_TIMEOUT_S = 300  # another process may be at work on the same box
PACKAGES = ("sudo", "rsync")  # vagrant's own commands in a machine go through sudo; its folders come by rsync

PARTS = ("metadata.json", "lxc-config", "lxc-template", "rootfs.tar.gz")
TEMPLATE = REPO / "vagrant" / "lxc-template"
METADATA = {"provider": "lxc", "version": "1.0.0", "template-opts": {"--strip-components": "1"}}
CONFIG = """lxc.include = /usr/share/lxc/config/common.conf
lxc.apparmor.profile = unconfined
lxc.signal.halt = SIGRTMIN+4
"""
# $1 the image's root, $2 a folder to work in, $3 the public key that vagrant first comes with, $4 what to strip
_BUILD = """
set -eu
cd "$2"
mkdir upper work rootfs
mount -t tmpfs tmpfs /run
mkdir /run/image
mount --bind "$1" /run/image
mount -t overlay overlay -o lowerdir=/run/image,upperdir=upper,workdir=work rootfs
mkdir rootfs/var/cache/debs
tar -xf debs.tar -C rootfs/var/cache/debs
DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 chroot rootfs sh -c 'dpkg -i /var/cache/debs/*.deb' >&2
rm -r rootfs/var/cache/debs
chroot rootfs useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' > rootfs/etc/sudoers.d/vagrant
chmod 440 rootfs/etc/sudoers.d/vagrant
install -d -m 700 rootfs/home/vagrant/.ssh
install -m 600 "$3" rootfs/home/vagrant/.ssh/authorized_keys
chroot rootfs chown -R vagrant:vagrant /home/vagrant/.ssh
cp -a files/. rootfs/
chroot rootfs systemctl enable ssh-host-key.service >&2
for path in $4; do rm -rf "rootfs$path"; done
tar --numeric-owner -C "$2" -c rootfs | gzip -1 > rootfs.tar.gz
"""
# Namespaces that end with it, so that no mount outlives it.
ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "slave")
_HOST_KEY_UNIT = """[Unit]
Description=A host key of this machine's own
Before=ssh.service
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
[Service]
Type=oneshot
ExecStart=/usr/bin/ssh-keygen -q -t ed25519 -N "" -f /etc/ssh/ssh_host_ed25519_key
[Install]
WantedBy=ssh.service
"""


def box_of(image: Image) -> Path:
    """Where the box of an image is, or will be: its name has all that decides what is in it."""
    recipe = json.dumps([METADATA, CONFIG, PACKAGES, _BUILD, _HOST_KEY_UNIT, TEMPLATE.read_text()])
    return cache() / "boxes" / f"{image.folder.name}-{sha256(recipe.encode()).hexdigest()[:8]}.box"


def image_root(box: str) -> Path | None:
    """The root of the image that a box of ours (its name, with or without `primetime/`) was made of, if it is here."""
    image = "-".join(box.rpartition("/")[2].split("-")[:3])
    root = cache() / "images" / image / "root"
    return root if image and root.is_dir() else None


def ensure(release: str, progress: Progress = lambda _: None) -> Path:
    """The box of a release's image of today, made where it is not in the cache. Raises PrimetimeError."""
    image = images.ensure(release, progress)
    box = box_of(image)
    if not box.is_file():
        with lock.held(box.parent / ".lock", f"making {box.name}", BUILD_TIMEOUT_S):
            if not box.is_file():
                _prune(box.parent)
                progress(f"making the box {box.name}, once")
                _make(image, box, strip=(), files=_machine_files(), progress=progress)
    return box


def mend(home: Path, box: Path) -> None:
    """Put back what vagrant's own copy of a box lacks; what containers stand on stays where it is."""
    there = home / "boxes" / f"primetime-VAGRANTSLASH-{box.stem}" / "0" / "lxc"
    lacking = [name for name in PARTS if not (there / name).is_file()]
    if there.exists() and lacking:
        with tarfile.open(box) as archive:
            for name in lacking:
                archive.extract(name, there)


def _machine_files() -> dict[str, str]:
    return {"etc/resolv.conf": network.host_resolv_conf()}


def _prune(folder: Path) -> None:
    """Remove what a killed process left, and the boxes of images that are gone."""
    for path in folder.glob(".new-*"):
        shutil.rmtree(path)
    for box in folder.glob("*.box"):
        if image_root(box.stem) is None:
            box.unlink()


def _make(image: Image, box: Path, strip: tuple[str, ...], files: dict[str, str], progress: Progress) -> None:
    box.parent.mkdir(parents=True, exist_ok=True)
    wanted = debs.DebSet.of(PACKAGES, image.root)
    with tempfile.TemporaryDirectory(prefix=".new-", dir=box.parent) as folder:
        making = Path(folder)
        shutil.copyfile(debs.ensure(wanted, progress, check=True), making / "debs.tar")
        own = {**files, "etc/systemd/system/ssh-host-key.service": _HOST_KEY_UNIT}
        for name, text in own.items():
            (making / "files" / name).parent.mkdir(parents=True, exist_ok=True)
            (making / "files" / name).write_text(text)
        words = ["sh", "-c", _BUILD, "sh", str(image.root), folder, str(first_key()), " ".join(strip)]
        done = subprocess.run(bound([*ALONE, *words]), capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise PrimetimeError(
                f"Making {box.name} failed: {commands.last_words(done.stderr, 8)}: mend it, then repeat"
            )
        pack(making, box)


def pack(making: Path, box: Path) -> None:
    """A box of the root that is packed in a folder."""
    (making / "metadata.json").write_text(json.dumps(METADATA))
    (making / "lxc-config").write_text(CONFIG)
    shutil.copy(TEMPLATE, making)
    draft = making / box.name
    with tarfile.open(draft, "w") as archive:
        for name in PARTS:
            archive.add(making / name, name)
    draft.replace(box)


def first_key() -> Path:
    """The public key that vagrant opens a new machine with; it puts another in its place at once."""
    listed = commands.run("dpkg", "-L", "vagrant").splitlines() if shutil.which("vagrant") else []
    found = [Path(line) for line in listed if line.endswith("/keys/vagrant.pub")]
    if not found:
        raise PrimetimeError("vagrant's first key is not on this machine: apt-get install -y vagrant")
    return found[0]
