"""What roles need of each other: `needs: ClassVar[tuple[str, ...]]` of their settings, in daemons.

A need names a role (`hdfs`: each of its daemons) or a daemon (`hbase_thrift`). Called by the topology's check, which
wants every need declared, and by converge, which does not touch what needs something that failed.
"""

from __future__ import annotations

from collections.abc import Iterable

from primetime.settings import known


def role(group: str) -> str:
    """The role of a daemon's group: `hdfs_namenode` → `hdfs`."""
    return group.partition("_")[0]


def label(group: str) -> str:
    """A group as a topology writes it: `hdfs_namenode` → `hdfs/namenode`."""
    return group.replace("_", "/", 1)


def daemons(name: str) -> list[str]:
    """The groups of a role or daemon that run something for others; `hdfs` → `hdfs_namenode`, `hdfs_datanode`."""
    return [
        group
        for group, cls in known().items()
        if name in (group, role(group)) and getattr(cls, "services", None) and not hasattr(cls, "watches")
    ]


def needs(group: str) -> list[str]:
    """The daemons that a daemon needs itself."""
    return list(dict.fromkeys(need for name in getattr(known()[group], "needs", ()) for need in daemons(name)))


def needing(failed: str, parts: Iterable[str]) -> set[str]:
    """Which of `parts` need `failed`, themselves or by way of others.

    A part is a daemon, or what is done for a role once its daemons run (`hbase_tables`) and so needs all of them.
    """
    every, found = list(parts), set[str]()
    waiting = [failed]
    while waiting:
        gone = waiting.pop()
        more = {part for part in every if part not in found | {failed} and _needs_directly(part, gone)}
        found |= more
        waiting += sorted(more)
    return found


def _needs_directly(part: str, other: str) -> bool:
    names = getattr(known()[part], "needs", ()) if part in known() else daemons(role(part))
    return any(name in (other, role(other)) for name in names)


def missing(groups: Iterable[str]) -> dict[str, list[str]]:
    """Daemon → the daemons that it needs and that are not among `groups`; those that lack nothing are left out."""
    there = list(groups)
    lacking = {group: [need for need in needs(group) if need not in there] for group in there if group in known()}
    return {group: names for group, names in lacking.items() if names}
