"""Jenkins' plugins: pinned by plugins.lock, brought by the machine that converges, checked.

A line of the lock is a name, a version and the SHA-256 of the archive. After a change of ROOTS, or for newer ones:
`python -m roles.jenkins.plugins UPDATE-CENTER.json` writes it anew from an update center's index, a URL or a file.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
import tarfile
import tempfile
import urllib.request
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyinfra import host, state
from pyinfra.api import FileUploadCommand, StringCommand, operation
from pyinfra.api.state import StateStage
from pyinfra.facts.server import Command

from primetime.errors import PrimetimeError
from primetime.paths import REPO, cache

LOCK = "roles/jenkins/plugins.lock"
# What jenkins.yaml and the jobs speak of; the rest of the lock is what these need.
ROOTS = ("configuration-as-code", "git", "job-dsl", "junit", "matrix-auth", "timestamper", "workflow-aggregator")
ANSWER_S = 60


@dataclass(frozen=True)
class Plugin:
    """One archive."""

    name: str
    version: str
    sha256: str

    @property
    def file(self) -> str:
        """Its name in Jenkins' home."""
        return f"{self.name}.jpi"


def locked(lock: str) -> list[Plugin]:
    """What a lock says, a file of the repository or of this machine; none without a lock."""
    if not lock:
        return []
    lines = (REPO / lock).read_text().splitlines()
    return [Plugin(*line.split()) for line in lines if line and not line.startswith("#")]


def ensure(plugins: Iterable[Plugin], place: str) -> Path:
    """A tar of plugins, each fetched from `place`/NAME/VERSION/NAME.hpi where the cache has not got it.

    PrimetimeError for one that is not to be had, or is not what the lock says.
    """
    wanted = list(plugins)
    folder = cache() / "jenkins-plugins"
    folder.mkdir(parents=True, exist_ok=True)
    tar = folder / f"{version(wanted)}.tar"
    if not tar.exists():
        with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as making:
            with tarfile.open(new := Path(making) / "tar", "w", format=tarfile.USTAR_FORMAT) as archive:
                for plugin in wanted:
                    member = tarfile.TarInfo(plugin.file)
                    kept = _kept(plugin, place, folder)
                    member.size, member.mode = kept.stat().st_size, 0o644
                    with kept.open("rb") as content:
                        archive.addfile(member, content)
            new.rename(tar)
    return tar


def version(plugins: list[Plugin]) -> str:
    """What names one set of plugins."""
    return hashlib.sha256(repr(plugins).encode()).hexdigest()[:12]


def _kept(plugin: Plugin, place: str, folder: Path) -> Path:
    kept = folder / f"{plugin.name}-{plugin.sha256}"
    if not kept.exists():
        url = f"{place.rstrip('/')}/{plugin.name}/{plugin.version}/{plugin.name}.hpi"
        try:
            with urllib.request.urlopen(url, timeout=ANSWER_S) as answer:
                content = bytes(answer.read())
        except OSError as error:
            raise PrimetimeError(
                f"jenkins_plugins: {url} could not be fetched ({error}): let this machine reach it once, name a mirror "
                "in jenkins_plugins_from, or bring a filled cache (docs/offline.md)"
            ) from None
        found = hashlib.sha256(content).hexdigest()
        if found != plugin.sha256:
            raise PrimetimeError(
                f"jenkins_plugins: {url} has sha256 {found}, and the lock says {plugin.sha256}: "
                "find out why before you use it"
            )
        arriving = kept.with_suffix(".new")
        arriving.write_bytes(content)
        arriving.rename(kept)
    return kept


@operation()
def plugins_in(home: str, lock: str, place: str) -> Generator[StringCommand | FileUploadCommand]:
    """Have the plugins of a lock in Jenkins' home. Others are left: Jenkins unpacks some of its own by itself."""
    wanted = locked(lock)
    found = sums(str(host.get_fact(Command, command=f"{look(home)} || true") or ""))
    if all(found.get(plugin.file) == plugin.sha256 for plugin in wanted):
        host.noop("each is there")
        return
    tar = cache() / "jenkins-plugins" / f"{version(wanted)}.tar"
    if state.current_stage == StateStage.Execute:  # a dry run fetches nothing
        tar = ensure(wanted, place)
    arriving, folder = f"{home}/plugins.tar", f"{home}/plugins"
    yield StringCommand("install", "-d", "-o", "jenkins", "-g", "jenkins", "-m", "750", folder)
    yield FileUploadCommand(str(tar), arriving, remote_temp_filename=arriving)
    # as new, whatever their age: Jenkins unpacks an archive again when its time is another one
    yield StringCommand("tar", "-xmf", arriving, "-C", folder, "--no-same-owner")
    yield StringCommand("chown", "jenkins:jenkins", f"{folder}/*.jpi", "&&", "rm", arriving)


def look(home: str) -> str:
    """The command that prints the digests of the plugins in a home, for `sums`."""
    return f"cd {home}/plugins 2>/dev/null && sha256sum *.jpi 2>/dev/null"


def sums(printed: str) -> dict[str, str]:
    """File → digest, of what `look` prints."""
    return {file: sha256 for sha256, file in map(str.split, printed.splitlines())}


def resolved(index: Mapping[str, Any], roots: Iterable[str]) -> list[Plugin]:
    """The roots and all that they need, themselves or by way of others, as an update center's index has them."""
    offered, found, waiting = index["plugins"], dict[str, Plugin](), list(roots)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        if name not in offered:
            raise PrimetimeError(f"the update center has no plugin {name}: ROOTS, or what needs it, is older than it")
        each = offered[name]
        found[name] = Plugin(name, each["version"], base64.b64decode(each["sha256"]).hex())
        waiting += [needed["name"] for needed in each["dependencies"] if not needed["optional"]]
    return [found[name] for name in sorted(found)]


def write_lock(index: str, lock: Path) -> None:
    """Lock what the index at a URL or in a file has now."""
    text = Path(index).read_text() if Path(index).is_file() else urllib.request.urlopen(index, timeout=ANSWER_S).read()
    plugins = resolved(json.loads(text), ROOTS)
    lock.write_text("".join(f"{plugin.name} {plugin.version} {plugin.sha256}\n" for plugin in plugins))


if __name__ == "__main__":
    write_lock(sys.argv[1], REPO / LOCK)
