"""The bundles of the programs of ours that hosts run: code and locked wheels in one tar, built where one converges.

Hosts need no package index and no compiler: a role unpacks the tar and runs it with the host's Python. Called by
primetime.artifacts. The same input gives the same bytes, and the bundle's name is their version.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from primetime import distributions
from primetime.children import bound
from primetime.errors import PrimetimeError
from primetime.paths import REPO, cache

PYTHON = distributions.python(distributions.DEFAULT)
PLATFORMS = ("manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64")

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Bundle:
    """A program's wheels by their lock, and its code: files and folders of this package."""

    name: str
    lock: Path
    code: tuple[str, ...]

    def path(self, python: str = PYTHON) -> Path:
        """Where its tar for a version of Python is, or will be."""
        return cache() / "bundles" / f"{self.name}-{self.version(python)}.tar"

    def ensure(self, progress: Progress = lambda _: None, python: str = PYTHON) -> Path:
        """The tar for a version of Python; built where it is not in the cache. PrimetimeError when pip fails."""
        tar = self.path(python)
        folder = tar.parent
        if tar.is_file():
            return tar
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not tar.is_file():
                for killed in folder.glob(".new-*"):
                    shutil.rmtree(killed)
                progress(f"building the {self.name}'s bundle for Python {python}")
                with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as making:
                    self._build(Path(making) / "tree", Path(making) / tar.name, python)
                    (Path(making) / tar.name).rename(tar)
        return tar

    def version(self, python: str = PYTHON) -> str:
        """It changes with the lock, the code and the Python it is for."""
        digest = hashlib.sha256(python.encode() + self.lock.read_bytes())
        for path in self._sources():
            digest.update(str(path.relative_to(REPO)).encode() + b"\0" + path.read_bytes())
        return digest.hexdigest()[:12]

    def _build(self, tree: Path, tar: Path, python: str) -> None:
        shutil.copytree(wheels(self.lock, python), tree)
        for path in self._sources():
            target = tree / "primetime" / path.relative_to(REPO / "primetime")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        pack(tree, tar)

    def _sources(self) -> Iterator[Path]:
        for name in self.code:
            top = REPO / "primetime" / name
            paths = [top] if top.is_file() else sorted(top.rglob("*"))
            yield from (path for path in paths if path.is_file() and "__pycache__" not in path.parts)


_LOCKS = REPO / "requirements"
SHIPPER = Bundle("shipper", _LOCKS / "shipper.lock", ("__init__.py", "errors.py", "event.py", "shipper", "hbase"))
GUARD = Bundle(
    "guard",
    _LOCKS / "guard.lock",
    (
        *("__init__.py", "errors.py", "event.py", "guard", "shipper"),
        *("drivers/__init__.py", "drivers/autoscaling.py", "drivers/balancing.py", "drivers/volumes.py", "drivers/aws"),
    ),
)


def wheels(lock: Path, python: str = PYTHON) -> Path:
    """The wheels of a lock, unpacked; kept by themselves, since our code changes without them, also offline."""
    folder = cache() / "wheels" / hashlib.sha256(python.encode() + lock.read_bytes()).hexdigest()[:12]
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        for killed in folder.parent.glob(".new-*"):
            shutil.rmtree(killed)
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as making:
            _install_wheels(Path(making) / "tree", lock, python)
            (Path(making) / "tree").rename(folder)
    return folder


def _install_wheels(tree: Path, lock: Path, python: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    command += ["--require-hashes", "--only-binary=:all:", "--target", str(tree), "--python-version", python]
    command += [word for platform in PLATFORMS for word in ("--platform", platform)]
    done = subprocess.run(
        bound([*command, "-r", str(lock)]),
        env={**os.environ, "TMPDIR": str(tree.parent)},  # so that a pip that is killed leaves nothing elsewhere
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        _refuse_other_bytes(done.stderr, lock)
        said = "\n".join(done.stderr.splitlines()[-5:])
        raise PrimetimeError(f"pip could not bring the wheels of {lock}; mend this, then run again. It said:\n{said}")


def _refuse_other_bytes(said: str, lock: Path) -> None:
    """PrimetimeError when pip says that a wheel is not the locked one."""
    expected = re.findall(r"Expected(?: +or| sha256) ([0-9a-f]{64})", said)
    got, wheel = re.search(r"Got +([0-9a-f]{64})", said), re.search(r"([\w.+-]+\.whl)", said)
    if expected and got:
        raise PrimetimeError(
            f"{wheel[1] if wheel else 'a wheel'}: {lock} wants sha256 {' or '.join(expected)}, pip brought {got[1]}: "
            f"empty pip's cache ({sys.executable} -m pip cache purge) and run again; if it still differs, "
            "the registry does not serve what was locked, so find out why before you use it"
        )


def pack(tree: Path, tar: Path) -> None:
    """Order, times and owners are fixed, so that the same files are the same bytes."""
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(tree.rglob("*")):
            if not path.is_file() or "bin" in path.relative_to(tree).parts[:1]:
                continue  # scripts of the wheels name this machine's Python
            member = tarfile.TarInfo(str(path.relative_to(tree)))
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(member, content)
