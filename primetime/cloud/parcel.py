"""The bundle that a machine configures itself from: this repository, its locked wheels, what its roles need, signed.

A version follows from what is in the repository and in the topology's file, so a plan can name it before anything is
built. Files are kept by their digest, so that what two versions share is there once; the manifest names them all and is
what is signed. Called by wanted (versions) and steps (upload).
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from primetime import bundle
from primetime.artifacts import KINDS
from primetime.paths import REPO
from primetime.paths import cache as cache_folder
from primetime.topology import Topology, inventory_groups

TREE = ("deploy.py", "group_data", "jars", "primetime", "requirements", "roles", "templates")
LOCK = REPO / "requirements" / "run.lock"
LEFT_OUT = {"__pycache__", ".mypy_cache"}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class File:
    """One file of a bundle: where it lies here, what it is called there, and whose it is.

    `cached`: it goes as it is to that name in the machine's cache; else it is a tar, unpacked into a folder of that
    name.
    """

    name: str
    path: Path
    groups: tuple[str, ...] = ()  # of all machines when empty
    cached: bool = False

    @property
    def sha256(self) -> str:
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def version(topology: Topology) -> str:
    """It changes with the repository's files, the topology's, and the Python that wheels are for."""
    return _version(topology.name, topology.file)


@cache
def _version(name: str, file: str) -> str:
    digest = hashlib.sha256(bundle.PYTHON.encode())
    for inside, path in _tree(name, file):
        digest.update(inside.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _tree(name: str, file: str) -> Iterator[tuple[str, Path]]:
    """(name in the bundle, file) of everything that runs there, in order of names within each part."""
    for top in TREE:
        paths = [REPO / top] if (REPO / top).is_file() else sorted((REPO / top).rglob("*"))
        for path in paths:
            if path.is_file() and not LEFT_OUT & set(path.parts) and path.suffix != ".pyc":
                yield str(path.relative_to(REPO)), path
    if Path(file).is_file():
        yield f"inventories/{name}.yml", Path(file)


def files(topology: Topology, making: Path, progress: Progress) -> list[File]:
    """All that machines of a topology need, built where it is not in the cache. PrimetimeError when that fails."""
    tree, wheels = making / "tree.tar", making / "wheels.tar"
    _pack_tree(topology, tree)
    progress("bringing the wheels that machines configure themselves with")
    bundle.pack(bundle.wheels(LOCK), wheels)
    found = [File("tree", tree), File("wheels", wheels)]
    assert topology.cloud
    here = {group for each in topology.cloud.groups for group in inventory_groups(list(each.roles))}
    for roles, make in KINDS.values():
        if here & set(roles):
            path = make(progress, topology.image)
            for file in [path] if path.is_file() else sorted(path.iterdir()):
                found.append(File(str(file.relative_to(cache_folder())), file, roles, cached=True))
    return found


def _pack_tree(topology: Topology, tar: Path) -> None:
    with tarfile.open(tar, "w", format=tarfile.PAX_FORMAT) as archive:
        for inside, path in _tree(topology.name, topology.file):
            content = path.read_bytes()
            member = tarfile.TarInfo(inside)
            member.size, member.mode = len(content), 0o644
            archive.addfile(member, io.BytesIO(content))


def manifest(topology: Topology, every: Iterable[File]) -> bytes:
    """What is signed: the same bytes for the same files."""
    content: dict[str, Any] = {
        "topology": topology.name,
        "version": version(topology),
        "files": [
            {"name": each.name, "sha256": each.sha256, "groups": list(each.groups), "cached": each.cached}
            for each in every
        ],
    }
    return json.dumps(content, indent=1, sort_keys=True).encode()
