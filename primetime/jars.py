"""The jars of ZooKeeper, HDFS and HBase: fetched once by Maven, checked, packed for the hosts.

`jars/pom.xml` pins every version and `jars/SHA256SUMS` every byte. Called by primetime.artifacts on the machine that
converges; roles/java puts the tar onto hosts. After a change of the pom, `python -m primetime.jars` writes the lock.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from primetime.children import bound
from primetime.errors import PrimetimeError
from primetime.paths import REPO, cache

SOURCE = REPO / "jars"
POM = "pom.xml"
LOCK = "SHA256SUMS"
TAR = "jars.tar"
_ARCHIVES = "*.[jw]ar"

Progress = Callable[[str], None]


def ensure(progress: Progress = lambda _: None, source: Path = SOURCE) -> Path:
    """The folder whose name is the jars' version and whose jars.tar holds them; made where it is not in the cache.

    It appears whole, after every check. PrimetimeError when Maven fails or a jar is not the locked one.
    """
    folder = cache() / "jars" / version(source)
    if folder.is_dir():
        return folder
    with _alone(folder.parent):
        if not folder.is_dir():
            for killed in folder.parent.glob(".new-*"):
                shutil.rmtree(killed)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as making:
                made = _make(Path(making), source, progress)
                made.rename(folder)
    return folder


def version(source: Path) -> str:
    """What names one set of jars: it changes with the pom and with the lock."""
    return hashlib.sha256((source / POM).read_bytes() + (source / LOCK).read_bytes()).hexdigest()[:12]


def check(jars: Path, lock: Path) -> None:
    """Compare a folder with a lock; PrimetimeError names the first jar that differs, is missing or is not locked."""
    wanted = {name: sha256 for sha256, name in (line.split("  ", 1) for line in lock.read_text().splitlines())}
    found = _sums(jars)
    wrong = [name for name in sorted(wanted.keys() | found.keys()) if wanted.get(name) != found.get(name)]
    if wrong:
        name, repository = wrong[0], cache() / "m2"
        kept = next(iter(sorted(repository.rglob(name))), repository)
        others = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise PrimetimeError(
            f"{name}{others}: {lock} wants sha256 {wanted.get(name, 'of no such jar')}, Maven brought "
            f"{found.get(name, 'none')}: remove {kept} and run again; if it still differs, "
            f"the registry does not serve what was locked, so find out why before you use it"
        )


def pack(jars: Path, tar: Path) -> None:
    """All jars in one tar, the same bytes for the same jars: order, times, owners and modes are fixed."""
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(jars.glob(_ARCHIVES)):
            member = tarfile.TarInfo(path.name)
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(member, content)


def write_lock(source: Path = SOURCE) -> None:
    """Lock what Maven brings now: for whoever changed the pom, who then reads the difference."""
    with tempfile.TemporaryDirectory() as folder:
        _fetch(Path(folder), source)
        sums = _sums(Path(folder))
    (source / LOCK).write_text("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)))


def _make(folder: Path, source: Path, progress: Progress) -> Path:
    fetched, made = folder / "fetched", folder / "made"
    progress("fetching the jars of ZooKeeper, HDFS and HBase with Maven")
    _fetch(fetched, source)
    progress("checking the jars")
    check(fetched, source / LOCK)
    made.mkdir()
    pack(fetched, made / TAR)
    return made


def _fetch(to: Path, source: Path) -> None:
    if shutil.which("mvn") is None:
        raise PrimetimeError(
            "mvn is not on this machine: apt install maven (bin/primetime doctor lists what is missing)"
        )
    command = ["mvn", "-B", "-q", "-f", str(source / POM), f"-Dmaven.repo.local={cache() / 'm2'}"]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={to}"]
    done = subprocess.run(bound(command), cwd=to.parent, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = re.sub(r"//[^/\s@]+@", "//", done.stdout + done.stderr)  # a mirror's address may carry a password
        errors = [line for line in said.splitlines() if line.startswith("[ERROR]")] or said.splitlines()
        raise PrimetimeError(
            f"Maven could not bring the jars of {source / POM} (exit {done.returncode}): check that it reaches its "
            "registry (~/.m2/settings.xml), then run again. It said:\n" + "\n".join(errors[:5])
        )


def _sums(folder: Path) -> dict[str, str]:
    """File name → sha256 of every jar in a folder."""
    sums = {}
    for path in folder.glob(_ARCHIVES):
        with path.open("rb") as file:
            sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: Maven's repository is not made for two."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    write_lock()
