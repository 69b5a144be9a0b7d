"""The jars of ZooKeeper, HDFS and HBase: fetched once by Maven, checked, packed for the hosts.

`jars/pom.xml` pins every version and `jars/SHA256SUMS` every byte. Called by primetime.artifacts on the machine that
converges; primetime.java puts the tar onto hosts. After a change of the pom: `python -m primetime.jars` writes the lock.
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

from primetime.errors import PrimetimeError
from primetime.paths import REPO, cache

POM = REPO / "jars" / "pom.xml"
LOCK = REPO / "jars" / "SHA256SUMS"
TAR = "jars.tar"

Progress = Callable[[str], None]


def ensure(progress: Progress = lambda _: None) -> Path:
    """The folder whose name is the jars' version and whose jars.tar holds them; made where it is not in the cache.

    A folder is there only when all of it was checked. PrimetimeError when Maven fails or a jar is not the locked one.
    """
    folder = cache() / "jars" / version(POM, LOCK)
    if folder.is_dir():
        return folder
    with _alone(cache() / "jars"):
        if not folder.is_dir():
            for killed in folder.parent.glob(".new-*"):
                shutil.rmtree(killed)
            with tempfile.TemporaryDirectory(prefix=".new-", dir=folder.parent) as making:
                _make(Path(making), progress)
                (Path(making) / "made").rename(folder)
    return folder


def version(pom: Path, lock: Path) -> str:
    """What names one set of jars: it changes with the pom and with the lock."""
    return hashlib.sha256(pom.read_bytes() + lock.read_bytes()).hexdigest()[:12]


def check(jars: Path, lock: Path) -> None:
    """Compare a folder with a lock; PrimetimeError names the first jar that differs, is missing, or is not in the lock."""
    wanted = dict(reversed(line.split("  ", 1)) for line in lock.read_text().splitlines())
    found = {path.name: _sha256(path) for path in jars.glob("*.jar")}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise PrimetimeError(
                f"{name}: {lock} wants sha256 {wanted.get(name, 'nothing of this name')}, Maven brought "
                f"{found.get(name, 'none')}: remove it from {cache() / 'm2'} and run again; "
                f"if it still differs, the registry does not serve what was locked: do not use it"
            )


def pack(jars: Path, tar: Path) -> None:
    """All jars in one tar, the same bytes for the same jars: order, times and owners are fixed."""
    with tarfile.open(tar, "w", format=tarfile.USTAR_FORMAT) as archive:
        for path in sorted(jars.glob("*.jar")):
            member = tarfile.TarInfo(path.name)
            member.size, member.mode = path.stat().st_size, 0o644
            with path.open("rb") as content:
                archive.addfile(member, content)


def write_lock() -> None:
    """Lock what Maven brings now: for whoever changed the pom, who then reads the difference."""
    (cache() / "jars").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        _fetch(Path(folder))
        jars = sorted(Path(folder).glob("*.jar"))
        LOCK.write_text("".join(f"{_sha256(path)}  {path.name}\n" for path in jars))


def _make(folder: Path, progress: Progress) -> None:
    made = folder / "made"
    made.mkdir()
    progress("fetching the jars of ZooKeeper, HDFS and HBase with Maven")
    _fetch(folder / "lib")
    progress("checking the jars")
    check(folder / "lib", LOCK)
    pack(folder / "lib", made / TAR)


def _fetch(to: Path) -> None:
    if shutil.which("mvn") is None:
        raise PrimetimeError("mvn is not on this machine: apt install maven (bin/primetime doctor lists what is missing)")
    command = ["mvn", "-B", "-q", "-f", str(POM), f"-Dmaven.repo.local={cache() / 'm2'}"]
    command += ["dependency:copy-dependencies", f"-DoutputDirectory={to}"]
    done = subprocess.run(command, cwd=to.parent, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        said = re.sub(r"//[^/\s@]+@", "//", done.stdout + done.stderr)  # a mirror's address may carry a password
        errors = [line for line in said.splitlines() if line.startswith("[ERROR]")] or said.splitlines()
        raise PrimetimeError(
            f"Maven could not bring the jars of {POM} (exit {done.returncode}): check that it reaches its registry "
            f"(~/.m2/settings.xml), then run again. It said:\n" + "\n".join(errors[:5])
        )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time: Maven's repository is not made for two."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    write_lock()
