"""The four places primetime writes to, and nothing else."""

from __future__ import annotations

import os
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent

STATE = Path("/var/lib/primetime")  # nodes, keys to reach them, overlays; gone after the last `down`
RUN = Path("/run/primetime")  # locks, ssh control sockets; gone after the last `down`


def _from_env(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default).expanduser().absolute()


def cache() -> Path:
    """Images, jars, wheels, debs, Maven's repository, the virtual environment; safe to delete."""
    return _from_env("PRIMETIME_CACHE", "~/.cache/primetime")


def home() -> Path:
    """Secret keys, run records, certificates; kept."""
    return _from_env("PRIMETIME_HOME", "~/.primetime")
