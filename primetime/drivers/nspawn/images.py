"""Debian images for hosts: built once from this machine's own apt sources, then the lower layer of every host.

Called by driver. An image is `$PRIMETIME_CACHE/images/<release>-<hash of its recipe>-<day>/` with root/ and image.json.
It is built beside its place and renamed, so it is there whole or not at all.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from primetime.children import bound
from primetime.drivers.nspawn import commands, lock, sources, state
from primetime.drivers.nspawn.recipe import Recipe
from primetime.drivers.nspawn.state import Network
from primetime.errors import PrimetimeError, UsageError
from primetime.paths import cache

RELEASES = ("bookworm", "trixie")
BUILD_TIMEOUT_S = 900  # a slow mirror; another process may be building the same image meanwhile
# Namespaces that end with it, so that no mount and no process outlives it.
_ALONE = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "--propagation", "slave")
_FRESH_S = 7 * 86_400  # older package lists name versions that mirrors have dropped
Progress = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """A built image."""

    folder: Path
    release: str
    built_s: float
    bytes: int

    @property
    def root(self) -> Path:
        return self.folder / "root"


def built(release: str, recipe: Recipe | None = None) -> list[Image]:
    """The images of a release, or only those of one recipe, that are in the cache, newest first."""
    found = []
    for path in _place().glob(f"{release}-{recipe.digest if recipe else '*'}-*/image.json"):
        record = state.read_json(path)
        if record and (path.parent / "root").is_dir():
            found.append(Image(path.parent, release, float(str(record["built_s"])), int(str(record["bytes"]))))
    return sorted(found, key=lambda image: image.built_s, reverse=True)


def ensure(release: str, progress: Progress | None = None) -> Image:
    """The image of a release, built when there is none of today's recipe. Raises PrimetimeError."""
    tell = progress or (lambda line: None)
    if release not in RELEASES:
        raise UsageError(f"There is no image {release}: choose {' or '.join(RELEASES)}")
    recipe = Recipe.of(release)
    if found := _current(release, recipe):
        return found
    with lock.held(_place() / f"{release}.lock", f"building {release}", BUILD_TIMEOUT_S) as fd:
        if found := _current(release, recipe):  # another process built it while this one waited
            return found
        older = built(release, recipe) or _alike(release, recipe)
        try:
            if older and not sources.mirror_answers(recipe.sources):
                raise PrimetimeError("This machine's Debian mirror does not answer")
            return _build(release, recipe, tell, fd)
        except PrimetimeError as error:
            if not older:
                raise
            age_days = (time.time() - older[0].built_s) / 86_400
            tell(f"{error}: going on with the {release} image of the cache, {age_days:.0f} days old")
            return older[0]


def _alike(release: str, recipe: Recipe) -> list[Image]:
    """Images of the same content, brought in a cache from a machine with other sources; newest first."""
    images = built(release)
    return [image for image in images if _record(image.folder).get("content") == recipe.content]


def _record(folder: Path) -> dict[str, object]:
    return state.read_json(folder / "image.json") or {}


def _place() -> Path:
    return cache() / "images"


def _current(release: str, recipe: Recipe) -> Image | None:
    fresh = [image for image in built(release, recipe) if time.time() - image.built_s < _FRESH_S]
    return fresh[0] if fresh else None


def _build(release: str, recipe: Recipe, tell: Progress, lock_fd: int) -> Image:
    """Build under the lock. mmdebstrap inherits the lock: should this process die, the next builder waits for it."""
    for stale in _place().glob(f".{release}-*"):
        shutil.rmtree(stale)
    tell(f"building the {release} image, once, from this machine's apt sources")
    name = f"{release}-{recipe.digest}-{time.strftime('%Y%m%d')}"
    temporary = _place() / f".{name}"
    temporary.mkdir()
    try:
        _debootstrap(release, recipe, temporary, tell, lock_fd)
        (temporary / "sources.list").unlink()
        _adapt(temporary / "root", recipe)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)  # it may be what fills the disk
        raise
    size = sum(path.lstat().st_size for path in (temporary / "root").rglob("*") if not path.is_dir())
    record = {"release": release, "content": recipe.content, "built_s": time.time(), "bytes": size}
    state.write_json(temporary / "image.json", record)
    shutil.rmtree(_place() / name, ignore_errors=True)  # one that lost a part: the cache may be deleted at any time
    temporary.rename(_place() / name)
    _prune(release)
    return built(release)[0]


def _debootstrap(release: str, recipe: Recipe, folder: Path, tell: Progress, lock_fd: int) -> None:
    """mmdebstrap into folder/root, telling its stages."""
    (folder / "sources.list").write_text("".join(f"{line}\n" for line in recipe.sources))
    command = [*_ALONE, "mmdebstrap", "--mode=root", "--format=directory"]
    command += ["--variant=minbase", f"--include={','.join(recipe.packages)}"]
    command += [f"--dpkgopt={option}" for option in recipe.dpkg]
    command += [f"--aptopt={option.rstrip(';')}" for option in recipe.apt]
    command += ["--skip=cleanup/apt/lists"]  # so that `apt-get install` in a host needs no update first
    command += [release, str(folder / "root"), str(folder / "sources.list")]
    log = []
    with subprocess.Popen(
        bound(command),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "TMPDIR": str(folder)},
        pass_fds=[lock_fd],
    ) as process:
        for line in process.stdout or ():
            log.append(line)
            if line.startswith("I: "):
                tell(line.removeprefix("I: ").strip())
    if process.returncode != 0:
        raise PrimetimeError(f"Building the {release} image failed: {commands.last_words(''.join(log), 8)}")


def _adapt(root: Path, recipe: Recipe) -> None:
    """From a Debian to a host's lower layer: no identity of its own, no unit that a test host does not need."""
    for path in (*root.glob("etc/ssh/ssh_host_*"), *(root / name for name in ("etc/hostname", "etc/resolv.conf"))):
        path.unlink(missing_ok=True)
    for name, text in recipe.files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    units = root / "etc/systemd/system"
    for unit in recipe.masked:
        (units / unit).parent.mkdir(exist_ok=True)
        (units / unit).unlink(missing_ok=True)
        (units / unit).symlink_to("/dev/null")
    commands.run("systemctl", f"--root={root}", "enable", *recipe.enabled)
    authorities = root / "usr/local/share/ca-certificates"
    for name, text in recipe.authorities.items():
        (authorities / name).write_text(text)
    commands.run("chroot", root, "update-ca-certificates")


def _prune(release: str) -> None:
    """Remove images whose package lists are old, that have been replaced, and that no node stands on."""
    used = {record.image_folder for name in state.recorded() for record in Network(name).records()}
    for image in built(release)[1:]:
        if str(image.folder) not in used and time.time() - image.built_s > _FRESH_S:
            shutil.rmtree(image.folder)
