"""Overrides in group_data/: read as pyinfra itself reads them, for whoever must know a setting before pyinfra runs."""

from __future__ import annotations

import runpy
from collections.abc import Iterable, Mapping
from functools import cache
from types import ModuleType
from typing import Any

from primetime.paths import REPO


@cache
def group_data() -> Mapping[str, Mapping[str, Any]]:
    """Group → its overrides in group_data/<group>.py."""
    return {
        path.stem: {
            name: value
            for name, value in runpy.run_path(str(path)).items()
            if not name.startswith("_") and not isinstance(value, ModuleType)
        }
        for path in sorted((REPO / "group_data").glob("*.py"))
    }


def overrides(groups: Iterable[str], own: Mapping[str, Any]) -> dict[str, Any]:
    """Every override that holds on a host in `groups`: group_data, then the topology's own."""
    merged: dict[str, Any] = {}
    for group in ("all", *groups):
        merged.update(group_data().get(group, {}))
    return {**merged, **own}
