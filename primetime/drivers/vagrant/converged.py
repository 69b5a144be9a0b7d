"""Boxes with roles: a container that was converged and proved, without who it was and what it knew.

Called by primetime.baking. Such a box is `<plain box>.<its roles>.box` beside the plain one that its container was made
of; the Vagrantfile takes it for machines of the same roles. Converging on top of it brings what differs: addresses,
secrets, data. By itself it starts nothing of ours.

Run as a program, in namespaces of its own, it does the work; what it is told, secrets too, comes by standard input.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path

from primetime.children import bound
from primetime.cloud import cleaning
from primetime.drivers.nspawn import commands
from primetime.drivers.vagrant import boxes, containers
from primetime.errors import PrimetimeError

Progress = Callable[[str], None]
_DATA = re.compile(r"^ReadWritePaths=(.*)$", re.MULTILINE)
_ROOT = re.compile(r"^lxc\.rootfs\.path\s*=\s*(?:(overlay|dir):)?(.+)$", re.MULTILINE)


def box_of(plain: Path, roles: Sequence[str]) -> Path:
    """Where the box of machines with these roles, as a topology file has them, is or will be (vagrant/topology.rb)."""
    return plain.with_name(f"{plain.stem}.{sha256(' '.join(roles).encode()).hexdigest()[:8]}.box")


def make(container: str, box: Path, values: Sequence[bytes], progress: Progress = lambda _: None) -> None:
    """A stopped container as a box, whole or not at all; in no file of it is any of `values`. Raises PrimetimeError."""
    progress(f"making the box {box.name}")
    with tempfile.TemporaryDirectory(prefix=".new-", dir=box.parent) as folder:
        order = {
            "config": str(containers.folder() / container / "config"),
            "folder": folder,
            "key": boxes.first_key().read_text(),
            "values": [value.decode() for value in values],
        }
        command = bound([*boxes.ALONE, sys.executable, "-m", __name__])
        done = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True)
        if done.returncode != 0:
            raise PrimetimeError(
                f"Making {box.name} failed: {commands.last_words(done.stderr, 8)}: mend it, then repeat"
            )
        boxes.pack(Path(folder), box)


def strip(root: Path, key: str, values: Sequence[bytes]) -> None:
    """Take out identity, data and secrets, start nothing of ours, and let vagrant's first key in."""
    units = [unit.read_text() for unit in sorted((root / "etc/systemd/system").glob("primetime-*.service"))]
    for folder in {folder for text in units for folder in _data(text)}:
        _empty(root / folder.lstrip("/"))
    for wanted in (root / "etc/systemd/system").glob("*.wants/primetime-*"):
        wanted.unlink()
    found = cleaning.clean(root, values)
    if left := list(cleaning.holding(root, values)):
        raise PrimetimeError(f"Secrets are left in {', '.join(map(str, left))}")
    for path in found:
        print(f"removed {path}: it held a secret", file=sys.stderr)
    (root / "home/vagrant/.ssh/authorized_keys").write_text(key)


def _data(unit: str) -> Iterator[str]:
    """The folders that a unit keeps data in."""
    for words in _DATA.findall(unit):
        yield from (word for word in words.split() if word.startswith("/var/"))


def _empty(folder: Path) -> None:
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()


def _mount(config: Path, folder: Path) -> Path:
    """The container's root as it is, with what is changed of it in the folder; a copy of its own is changed itself."""
    root, upper, work = (folder / name for name in ("rootfs", "upper", "work"))
    for path in (root, upper, work):
        path.mkdir()
    found = _ROOT.search(config.read_text())
    if found is None:
        raise PrimetimeError(f"{config} names no root")
    if found[1] == "overlay":
        lower, _, delta = found[2].partition(":")
        options = f"lowerdir={delta}:{lower},upperdir={upper},workdir={work}"
        commands.run("mount", "-t", "overlay", "overlay", "-o", options, root)
    else:
        commands.run("mount", "--bind", found[2], root)
    return root


def main() -> int:
    order = json.load(sys.stdin)
    folder = Path(order["folder"])
    try:
        root = _mount(Path(order["config"]), folder)
        strip(root, order["key"], [value.encode() for value in order["values"]])
    except PrimetimeError as error:
        print(error, file=sys.stderr)
        return 1
    with (folder / "rootfs.tar.gz").open("wb") as file:
        tar = subprocess.Popen(["tar", "--numeric-owner", "-C", folder, "-c", "rootfs"], stdout=subprocess.PIPE)
        packed = subprocess.run(["gzip", "-1"], stdin=tar.stdout, stdout=file)
    return tar.wait() or packed.returncode


if __name__ == "__main__":
    sys.exit(main())
