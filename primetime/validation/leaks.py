"""Secrets that a role's host, or what its verbs said, has where others may read them. Called by case.

The host's disk is looked at from outside, its journal with it: all that was written since it was made. A file that
nobody but its owner may read is where a secret belongs.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from primetime.drivers.nspawn.state import Network
from primetime.secrets.keys import Key
from primetime.secrets.store import Store

OTHERS = stat.S_IRWXG | stat.S_IRWXO


def values(home: Path, network: str) -> dict[bytes, str]:
    """Value → name of every secret that a topology keeps in a PRIMETIME_HOME."""
    store = Store(home / "secrets" / f"{network}.secrets", Key(home / "keys" / f"{network}.key"))
    found = {name: store.get(name) for name in store.entries()}
    return {value.text.strip().encode(): name for name, value in found.items() if value}


def find(network: str, secrets: Mapping[bytes, str], said: Path) -> list[str]:
    """A sentence for each place that a value is in; `said` is the file with all that the verbs said."""
    if not secrets:
        return []
    leaks = [f"{name} is in what the verbs said" for name in _names(said, secrets)]
    for record in Network(network).records():
        disk = Network(network).node(record.name) / "upper"
        for path in _readable(disk):
            where = f"{record.name}: /{path.relative_to(disk)}"
            leaks += [f"{name} is in {where}, which others may read" for name in _names(path, secrets)]
    return leaks


def _readable(disk: Path) -> Iterator[Path]:
    """The regular files below a folder that not only their owner may read."""
    for folder, _, names in os.walk(disk):
        for name in sorted(names):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode) and mode & OTHERS:
                yield path


def _names(path: Path, secrets: Mapping[bytes, str]) -> list[str]:
    content = path.read_bytes()
    return sorted(name for value, name in secrets.items() if value in content)
