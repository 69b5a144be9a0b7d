"""Debian packages for hosts: fetched once on the machine that converges, so that no host needs a route to a mirror.

A set is what one host's roles ask for and its image does not have yet, with an index, in one tar:
`$PRIMETIME_CACHE/debs/<image>/debs-<version>.tar`, its digest beside it. apt resolves it against the image's own state
and checks signatures and digests; it is made anew with each new image. Called by primetime.artifacts; the operation
`install_debs` puts it onto hosts.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from primetime.children import bound
from primetime.drivers.nspawn import lock
from primetime.errors import PrimetimeError
from primetime.paths import cache

FETCH_TIMEOUT_S = 900  # a slow mirror; another process may be fetching the same set meanwhile
_ANSWER_S = 15  # how long a mirror may be silent
_ARCHIVES = "archives"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class DebSet:
    """What `packages` need on top of an image, whose root file system is the folder `root`."""

    packages: tuple[str, ...]
    root: Path

    @classmethod
    def of(cls, packages: Iterable[str], image_root: str | Path) -> DebSet:
        """The set of these packages, in whatever order."""
        return cls(tuple(sorted(set(packages))), Path(image_root))

    @property
    def folder(self) -> Path:
        return cache() / "debs" / self.root.parent.name

    @property
    def tar(self) -> Path:
        version = hashlib.sha256("\n".join([self.root.parent.name, *self.packages]).encode()).hexdigest()[:12]
        return self.folder / f"debs-{version}.tar"

    @property
    def digest(self) -> Path:
        return self.tar.with_suffix(".sha256")


def ensure(wanted: DebSet, progress: Progress = lambda _: None, *, check: bool = False) -> Path:
    """The tar of a set; fetched where it is not in the cache or, with `check`, where it is damaged.

    PrimetimeError when that takes the mirror and the mirror does not answer.
    """
    if _there(wanted, check):
        return wanted.tar
    with lock.held(wanted.folder / ".lock", f"fetching {', '.join(wanted.packages)}", FETCH_TIMEOUT_S):
        if not _there(wanted, check):
            _prune(wanted)
            progress(f"fetching packages for hosts: {', '.join(wanted.packages)}")
            with tempfile.TemporaryDirectory(prefix=".new-", dir=wanted.folder) as making:
                _make(wanted, Path(making))
    return wanted.tar


def _there(wanted: DebSet, check: bool) -> bool:
    if not (wanted.tar.is_file() and wanted.digest.is_file()):
        return False
    return not check or wanted.digest.read_text().strip() == _sha256(wanted.tar)


def _prune(wanted: DebSet) -> None:
    """Remove what a killed process left of this image's, and the sets of images that are gone."""
    stale = [folder for folder in wanted.folder.parent.glob("*") if not (cache() / "images" / folder.name).is_dir()]
    for folder in (*wanted.folder.glob(".new-*"), *stale):
        shutil.rmtree(folder)


def _make(wanted: DebSet, making: Path) -> None:
    """The tar, then its digest: a set without one is not there."""
    _fetch(wanted, making)
    fetched = sorted((making / _ARCHIVES).glob("*.deb"))
    index, release = making / "Packages", making / "Release"
    index.write_text("\n".join(stanza(deb) for deb in fetched))
    release.write_text(f"Origin: primetime\nSHA256:\n {_sha256(index)} {index.stat().st_size} Packages\n")
    tar = making / wanted.tar.name
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in (release, index, *fetched):
            archive.add(path, _plain(path.name))
    wanted.digest.unlink(missing_ok=True)
    tar.rename(wanted.tar)
    draft = making / wanted.digest.name
    draft.write_text(_sha256(wanted.tar) + "\n")
    draft.rename(wanted.digest)


def _fetch(wanted: DebSet, making: Path) -> None:
    """Every archive that apt would bring onto the image, into `making`/archives.

    With the image's own lists; where the mirror has dropped a version that they name, with new ones.
    """
    (making / _ARCHIVES / "partial").mkdir(parents=True)
    lists = wanted.root / "var/lib/apt/lists"
    download = ["install", "--download-only", "-y", *wanted.packages]
    first = _apt(wanted, making, lists, download)
    if first.returncode == 0:
        return
    fresh = making / "lists"
    shutil.copytree(lists, fresh, ignore=shutil.ignore_patterns("lock"))
    if _apt(wanted, making, fresh, ["update", "--error-on=any"]).returncode == 0:
        first = _apt(wanted, making, fresh, download)
    if first.returncode != 0:
        raise PrimetimeError(
            f"The packages {', '.join(wanted.packages)} are not in {wanted.folder} and could not be fetched: let this "
            f"machine reach its Debian mirror once, or bring a filled cache (docs/offline.md). apt said: "
            + "; ".join(_errors(first.stderr))
        )


def _apt(wanted: DebSet, making: Path, lists: Path, words: list[str]) -> subprocess.CompletedProcess[str]:
    """This machine's apt-get, as if it were the image's, which is only read: hosts stand on it."""
    configuration = making / "apt.conf"
    settings = {
        "Dir": wanted.root,
        "Dir::State::status": wanted.root / "var/lib/dpkg/status",
        "Dir::State::lists": lists,
        "Dir::Cache": making,
        "Dir::Log": making,
        "Dir::Bin::Methods": "/usr/lib/apt/methods",
        "Debug::NoLocking": "true",
        "APT::Install-Recommends": "false",  # roles name what they need; hosts have the same line
        "APT::Sandbox::User": "root",  # the cache may lie where nobody else can look
        "Acquire::Retries": "1",
        "Acquire::http::Timeout": _ANSWER_S,
        "Acquire::https::Timeout": _ANSWER_S,
    }
    configuration.write_text("".join(f'{key} "{value}";\n' for key, value in settings.items()))
    environment = {**os.environ, "APT_CONFIG": str(configuration), "LC_ALL": "C"}
    command = ["apt-get", "-q", *words]
    return subprocess.run(bound(command), env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


def _errors(said: str) -> Iterator[str]:
    lines = [line.removeprefix("E: ") for line in said.splitlines() if line.startswith("E: ")]
    yield from lines[:3] or ["nothing"]


def stanza(deb: Path) -> str:
    """A package's paragraph of an index: its control fields, and where it lies, how long it is, its digest."""
    done = subprocess.run(["dpkg-deb", "--field", deb], capture_output=True, text=True, check=True)
    where = {"Filename": f"./{_plain(deb.name)}", "Size": deb.stat().st_size, "SHA256": _sha256(deb)}
    return done.stdout + "".join(f"{key}: {value}\n" for key, value in where.items())


def _plain(name: str) -> str:
    """apt writes an epoch's colon as %3a into a file's name, and reads it back as a colon."""
    return name.replace("%3a", "-")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
