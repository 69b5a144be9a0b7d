"""The classes that a JVM daemon loads as it starts, as an archive that it maps: half of what starting it computes.

An archive is of one build of Java, these very jars, and the order in which they stand; where it does not fit, Java
leaves it out. Boxes with roles have them (primetime.baking): a unit reads its own `.env`, which says that the process
is to write an archive as it ends, or to map the one that is there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from primetime.settings import known

FOLDER = "/opt/primetime/classes"
# In memory: it is the one place that every daemon may write to, whatever its sandbox.
_RECORD = """
mkdir -p {folder}
for unit in {units}; do
    echo "CLASSES=-XX:ArchiveClassesAtExit=/dev/shm/$unit.jsa" > {folder}/$unit.env
done
"""
_KEEP = """
systemctl stop {units}
for unit in {units}; do
    rm -f {folder}/$unit.env
    if test -s /dev/shm/$unit.jsa; then
        install -m 644 /dev/shm/$unit.jsa {folder}/
        echo "CLASSES=-XX:SharedArchiveFile={folder}/$unit.jsa" > {folder}/$unit.env
    fi
    rm -f /dev/shm/$unit.jsa
done
"""

Run = Callable[[str], str]  # a script on a host: what it prints


def units(groups: Iterable[str]) -> list[str]:
    """The units of the JVM daemons of a host with these groups."""
    daemons: list[Any] = [cls for group, cls in known().items() if group in groups and hasattr(cls, "heap_weight")]
    return [cls.services[0] for cls in daemons]


def record(groups: Iterable[str], run: Run) -> None:
    """Before a host is converged: have its daemons, once started, write an archive as they end."""
    if found := units(groups):
        run(_RECORD.format(folder=FOLDER, units=" ".join(found)))


def keep(groups: Iterable[str], run: Run) -> None:
    """End a host's daemons, and have them map what they wrote from their next start on."""
    if found := units(groups):
        run(_KEEP.format(folder=FOLDER, units=" ".join(found)))
