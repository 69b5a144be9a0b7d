"""Jenkins' own Debian repository on a host: its key, its entry, what apt may take from it, and the package."""

from __future__ import annotations

import hashlib
import itertools
import os
import subprocess
import tempfile
import urllib.request
from collections.abc import Generator
from pathlib import Path
from urllib.parse import urlsplit

from pyinfra import host, state
from pyinfra.api import FileUploadCommand, StringCommand, operation
from pyinfra.api.operation import OperationMeta
from pyinfra.api.state import StateStage
from pyinfra.facts.files import Sha256File
from pyinfra.facts.server import Command
from pyinfra.operations import files

from primetime.errors import PrimetimeError
from primetime.paths import cache
from roles.jenkins.settings import Jenkins

SOURCES = "/etc/apt/sources.list.d/primetime-jenkins.sources"
PREFERENCES = "/etc/apt/preferences.d/primetime-jenkins"
KEY = "/etc/apt/keyrings/primetime-jenkins.asc"
WAR = "/usr/share/java/jenkins.war"  # as the package brings it
ANSWER_S = 20

# Lists of this repository alone: those of all others are large, and none of its business. SYSTEMD_OFFLINE: what is
# installed does not start before it is configured.
_INSTALL = (
    f"apt-get -q update --error-on=any -o Dir::Etc::SourceList={SOURCES} -o Dir::Etc::SourceParts=- "
    "-o APT::Get::List-Cleanup=false && "
    "DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 apt-get -q -y install --allow-downgrades "
    "-o DPkg::Options::=--force-confdef -o DPkg::Options::=--force-confold jenkins={version}"
)


def packaged(settings: Jenkins) -> OperationMeta:
    """Have Jenkins' package of the declared version, and no other package from its repository."""
    signing_key(
        name="Write the key of Jenkins' repository",
        location=settings.key,
        fingerprint=settings.key_fingerprint,
        dest=KEY,
    )
    files.template(
        name="Write the entry of Jenkins' repository",
        src="templates/jenkins/jenkins.sources.j2",
        dest=SOURCES,
        mode="644",
        jenkins=settings,
        key=KEY,
    )
    files.template(
        name="Let apt take this version of Jenkins from there, and nothing else",
        src="templates/jenkins/preferences.j2",
        dest=PREFERENCES,
        mode="644",
        jenkins=settings,
        origin=origin(settings),
    )
    return package(name="Install Jenkins", version=settings.version)


def origin(settings: Jenkins) -> str:
    """What apt calls the place that a package came from: the host's name, nothing for a folder of its own."""
    return urlsplit(settings.repository).hostname or ""


@operation()
def package(version: str) -> Generator[StringCommand]:
    """Have this version of package jenkins, from whatever repository the host may take it."""
    found = host.get_fact(
        Command, command="dpkg-query -W -f '${Version} ${db:Status-Status}' jenkins 2>/dev/null || true"
    )
    if found == f"{version} installed":
        host.noop(f"jenkins {version} is installed")
        return
    yield StringCommand(_INSTALL.format(version=version))


@operation()
def signing_key(location: str, fingerprint: str, dest: str) -> Generator[StringCommand | FileUploadCommand]:
    """Have the key that signs a repository in `dest`. apt selects by fingerprint what it takes from that file, too."""
    kept = key(location, fingerprint, fetch=state.current_stage == StateStage.Execute)  # a dry run fetches nothing
    if kept.is_file() and host.get_fact(Sha256File, path=dest) == hashlib.sha256(kept.read_bytes()).hexdigest():
        host.noop("it is there")
        return
    yield StringCommand("mkdir", "-p", str(Path(dest).parent))
    yield FileUploadCommand(str(kept), dest)
    yield StringCommand("chmod", "644", dest)


def key(location: str, fingerprint: str, fetch: bool) -> Path:
    """A file on this machine with the key of this fingerprint; PrimetimeError when what is at `location` is another.

    A file is taken as it stands, a URL once: then the cache has it. Without `fetch` it may not be there yet.
    """
    if "://" not in location:
        if not Path(location).is_file():
            raise PrimetimeError(f"jenkins_key: there is no file {location} on this machine")
        _check(Path(location), location, fingerprint)
        return Path(location)
    kept = cache() / "keys" / f"{fingerprint}.asc"
    if kept.is_file() or not fetch:
        return kept
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        arrived = Path(folder) / "key"
        arrived.write_bytes(_fetched(location))
        _check(arrived, location, fingerprint)
        arrived.rename(kept)
    return kept


def _fetched(location: str) -> bytes:
    try:
        with urllib.request.urlopen(location, timeout=ANSWER_S) as answer:
            return bytes(answer.read())
    except OSError as error:
        raise PrimetimeError(
            f"jenkins_key: {location} could not be fetched ({error}): let this machine reach it once, or write the "
            "path of a file that has the key"
        ) from None


def _check(file: Path, location: str, fingerprint: str) -> None:
    found = fingerprints(file)
    if fingerprint not in found:
        raise PrimetimeError(
            f"jenkins_key: {location} has {', '.join(found) or 'no key'}, and jenkins_key_fingerprint says "
            f"{fingerprint}: find out why before you trust it"
        )


def fingerprints(file: Path) -> list[str]:
    """The fingerprints of the primary keys in a file, as gpg sees them."""
    with tempfile.TemporaryDirectory() as home:
        command = ["gpg", "--homedir", home, "--batch", "--quiet", "--show-keys", "--with-colons", str(file)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
        except FileNotFoundError:
            raise PrimetimeError("gpg is not on this machine: apt install gpg") from None
    kinds = [line.split(":") for line in done.stdout.splitlines()]
    return [fields[9] for before, fields in itertools.pairwise(kinds) if (before[0], fields[0]) == ("pub", "fpr")]
