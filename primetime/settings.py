"""Typed settings of a role: defaults in its dataclass, overrides as flat `<group>_<field>` keys.

A settings class is a frozen dataclass with `group: ClassVar[str]` (its inventory group: `redis`, `hdfs_namenode`),
`packages` when it needs any of Debian 12's and `packages_on` where another release's have
other names, `sysctls` when it needs the kernel set so, `exposes()` when it opens
ports, `heap_weight: ClassVar[int]` if it is a JVM,
`needs: ClassVar[tuple[str, ...]]` when it cannot work without other roles or daemons, `quorum: ClassVar[bool]` when an
even number of its hosts is a waste, and `single: ClassVar[bool]` when there can be only one. `watches: ClassVar[str]`
makes a daemon that no topology has to name: it is on each host of that group as soon as there is a monitoring host, or
one of the role that `watched_for: ClassVar[str]` names. `reaches_as: ClassVar[str]` lets a role into all that is open
to another one.
`roles/<role>/settings.py` lists its classes in `SETTINGS`. Inventories check every override before any host is touched;
roles read theirs back with `from_data`.
"""

from __future__ import annotations

import difflib
import importlib
import re
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from functools import cache
from typing import Any, ClassVar, Protocol, TypeVar

from primetime.endpoints import Endpoint
from primetime.errors import UsageError
from primetime.paths import REPO


class Settings(Protocol):
    """What every settings class has."""

    group: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]


S = TypeVar("S", bound=Settings)


@cache
def known() -> Mapping[str, type[Settings]]:
    """Every settings class of every role, by group."""
    classes: dict[str, type[Settings]] = {}
    for path in sorted((REPO / "roles").glob("*/settings.py")):
        module = importlib.import_module(f"roles.{path.parent.name}.settings")
        for cls in module.SETTINGS:
            classes[cls.group] = cls
    return classes


def exposes(settings: object) -> list[Endpoint]:
    """The endpoints of one settings object; none when it opens no port."""
    declared = getattr(settings, "exposes", None)
    return list(declared()) if declared else []


def packages(groups: Iterable[str], release: str) -> tuple[str, ...]:
    """The packages that the roles of these groups ask for on a release, each once."""
    classes = (known()[group] for group in groups if group in known())
    return tuple(dict.fromkeys(name for cls in classes for name in packages_of(cls, release)))


def packages_of(cls: object, release: str) -> tuple[str, ...]:
    """The packages that one settings class asks for on a release: Debian 12's, unless it names others for it."""
    elsewhere: Mapping[str, tuple[str, ...]] = getattr(cls, "packages_on", {})
    return tuple(elsewhere.get(release, getattr(cls, "packages", ())))


def sysctls(groups: Iterable[str]) -> dict[str, int]:
    """The kernel settings that the roles of these groups ask for; a test sees to it that no two disagree."""
    classes = (known()[group] for group in groups if group in known())
    return {key: value for cls in classes for key, value in getattr(cls, "sysctls", {}).items()}


def from_data(cls: type[S], data: Mapping[str, Any] | Any) -> S:
    """`cls` with the overrides found in `data` (a mapping, or pyinfra's host.data) under `<group>_<field>`."""
    get = data.get if hasattr(data, "get") else lambda key: getattr(data, key, None)
    given = {}
    for field in fields(cls):
        value = get(f"{cls.group}_{field.name}")
        if value is not None:
            given[field.name] = _checked(cls, field, value)
    return cls(**given)


def problems(data: Mapping[str, Any], where: str, classes: Iterable[type[Settings]] | None = None) -> list[str]:
    """What is wrong with the flat keys of `data`, each a sentence; keys of no role's prefix are not ours to judge."""
    by_group = {cls.group: cls for cls in (known().values() if classes is None else classes)}
    found = []
    for key, value in data.items():
        owners = [group for group in by_group if key.startswith(f"{group}_")]
        if not owners:
            continue
        cls = by_group[max(owners, key=len)]
        name = key.removeprefix(f"{cls.group}_")
        names = {field.name: field for field in fields(cls)}
        if name not in names:
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(names) or 'none'}"
            found.append(f"{where}: {key}: {cls.__name__} has no such setting ({hint})")
            continue
        try:
            _checked(cls, names[name], value)
        except UsageError as error:
            found.append(f"{where}: {error}")
    return found


def _checked(cls: type[Settings], field: Field[Any], value: Any) -> Any:
    wanted = typing.get_type_hints(cls)[field.name]
    if _fits(wanted, value):
        for item in value if "pattern" in field.metadata else ():
            if not re.fullmatch(field.metadata["pattern"], item):
                raise UsageError(f"{cls.group}_{field.name}: {item!r}: write {field.metadata['like']}")
        return tuple(value) if typing.get_origin(wanted) is tuple else value
    default = "" if field.default is MISSING else f", for example {field.default!r}"
    shown = getattr(wanted, "__name__", None) if not typing.get_args(wanted) else None
    raise UsageError(
        f"{cls.group}_{field.name}: {value!r} is {type(value).__name__}, not {shown or wanted}: write one{default}"
    )


def _fits(wanted: Any, value: Any) -> bool:
    origin, args = typing.get_origin(wanted), typing.get_args(wanted)
    if origin in (typing.Union, types.UnionType):
        return any(_fits(arg, value) for arg in args)
    if origin is typing.Literal:
        return value in args
    if origin in (tuple, list):
        return isinstance(value, (list, tuple)) and all(_fits(args[0], item) for item in value)
    if origin is dict:
        return isinstance(value, dict)
    if wanted is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if wanted is Any:
        return True
    return isinstance(value, wanted)
