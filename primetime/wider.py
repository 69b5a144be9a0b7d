"""A topology with one collector more than declared: a file beside the stage's, which every command takes by `-t`.

Called by the stage, which adds a collector to a live cluster and takes it away again, and by `demo reset`. The file
has the topology's own name, so its machines are in the same network; only the count of its collectors differs.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from primetime.drivers.nspawn import state
from primetime.errors import UsageError
from primetime.paths import home
from primetime.topology import Topology

ROLE = "collector"


def path(name: str) -> Path:
    """Where the wider topology of this name is, while it is needed."""
    return home() / "stage" / f"{name}-wider.yml"


def further(topology: Topology) -> str:
    """The name of the host that the wider topology has more. UsageError when the topology has no collectors."""
    hosts = topology.in_group(ROLE)
    if not hosts:
        raise UsageError(f"{topology.name} has no collectors, so it can have no further one")
    group, _, number = hosts[-1].name.rpartition("-")
    return f"{group}-{int(number) + 1}"


def write(topology: Topology) -> Path:
    """Write the wider topology. UsageError where its file cannot be widened."""
    group = further(topology).rpartition("-")[0]
    text = Path(topology.file).read_text()
    declared = _child(_child(yaml.compose(text), "groups"), group)
    if _child(declared, "addresses") is not None:
        raise UsageError(f"{topology.given}: group {group} declares its addresses, so it can have no further host")
    count = _child(declared, "count")
    if count is None:
        raise UsageError(f"{topology.given}: the count of group {group} is not written there: write it below the group")
    file = path(topology.name)
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    wider = text[: count.start_mark.index] + str(int(count.value) + 1) + text[count.end_mark.index :]
    state.write_text(file, wider, 0o600)
    return file


def forget(name: str) -> None:
    """The wider topology is not needed any more."""
    path(name).unlink(missing_ok=True)


def _child(node: yaml.Node | None, name: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for key, value in pairs if key.value == name), None)
