"""Files that the machine that converges has and hosts are to get: each is the one whose digest is declared."""

from __future__ import annotations

import hashlib
from pathlib import Path

from primetime.errors import UsageError


def local(setting: str, path: str, sha256: str) -> str:
    """`path`; UsageError when there is no such file, or not with the digest that `<setting>_sha256` says."""
    if not Path(path).is_file():
        raise UsageError(f"{setting}: there is no file {path} on this machine")
    with Path(path).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        raise UsageError(f"{setting}: {path} has sha256 {found}, and {setting}_sha256 says {sha256 or 'nothing'}")
    return path
