"""Snapshots of nodes: layers that never change, each what a node had written since the one before.

    /var/lib/primetime/<network>/layers/<id>/                    one layer
                                 snapshots/<node>/<name>.json    the layers that a snapshot is made of, oldest first

Called by driver_snapshots and machine. A snapshot turns a stopped node's upper folder into a layer and gives it an
empty one above; a reset empties the upper folder and puts the node on the snapshot's layers. So both take no time
that grows with the data, and several nodes may stand on one layer. What a command that died has left half done is
finished by `settle`, at the node's next start.
"""

from __future__ import annotations

import contextlib
import shutil
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from primetime.drivers.nspawn import state
from primetime.drivers.nspawn.state import NODE_NAME, Network, NodeRecord
from primetime.errors import PrimetimeError, UsageError

MOST_LAYERS = 200  # overlayfs takes 500, and its options one page


@dataclass(frozen=True)
class NodeSnapshot:
    """A node's disk at one moment."""

    name: str
    node: str
    image: str
    image_folder: str
    layers: Sequence[str]
    made_s: float


def of(network: Network, node: str | None = None) -> list[NodeSnapshot]:
    """The snapshots of a node, or of all, oldest first."""
    paths = (network.snapshots / (node or "")).glob("*.json" if node else "*/*.json")
    records = [record for path in paths if (record := state.read_json(path))]
    return sorted((NodeSnapshot(**record) for record in records), key=lambda snapshot: snapshot.made_s)


def get(network: Network, node: str, name: str) -> NodeSnapshot:
    """One snapshot; PrimetimeError when there is none of that name."""
    there = {snapshot.name: snapshot for snapshot in of(network, node)}
    if name not in there:
        known = ", ".join(there) or "none"
        raise PrimetimeError(f"{network.name}: {node} has no snapshot {name}: its snapshots are {known}")
    return there[name]


def check_new(network: Network, node: str, name: str) -> None:
    """Raise when a snapshot cannot have this name, or the node no more of them."""
    if not NODE_NAME.fullmatch(name):
        raise UsageError(f"Snapshot {name!r}: write at most 40 small letters, digits and dashes, no dash at an end")
    if any(snapshot.name == name for snapshot in of(network, node)):
        raise PrimetimeError(f"{network.name}: {node} has a snapshot {name} already: delete it first")
    if len(network.record(node).layers) >= MOST_LAYERS:
        raise PrimetimeError(f"{network.name}: {node} stands on {MOST_LAYERS} snapshots: reset it to an earlier one")


def take(network: Network, record: NodeRecord, name: str) -> NodeSnapshot:
    """Snapshot a node that does not run."""
    with network.changing(f"taking a snapshot of {record.name}"):
        check_new(network, record.name, name)
        record = replace(record, layers=[*record.layers, uuid.uuid4().hex[:8]])
        network.rewrite(record)
        settle(network, record)
        snapshot = NodeSnapshot(name, record.name, record.image, record.image_folder, record.layers, time.time())
        (network.snapshots / record.name).mkdir(parents=True, exist_ok=True)
        state.write_json(network.snapshots / record.name / f"{name}.json", asdict(snapshot))
        return snapshot


def reset(network: Network, record: NodeRecord, name: str) -> None:
    """Put a node that does not run back to a snapshot; what it has written since is lost."""
    with network.changing(f"resetting {record.name}"):
        snapshot = get(network, record.name, name)
        folder = network.node(record.name)
        _discard_upper(network, record)
        record = replace(record, layers=snapshot.layers)
        network.rewrite(record)
        settle(network, record)
        shutil.rmtree(folder / ".upper-gone", ignore_errors=True)
        collect(network)


def _discard_upper(network: Network, record: NodeRecord) -> None:
    folder = network.node(record.name)
    settle(network, record)  # an upper folder that belongs to a snapshot is not to be discarded
    shutil.rmtree(folder / ".upper-gone", ignore_errors=True)
    (folder / "upper").rename(folder / ".upper-gone")


def delete(network: Network, node: str, name: str) -> None:
    """Forget a snapshot; nodes that stand on its layers keep them."""
    with network.changing(f"deleting a snapshot of {node}"):
        get(network, node, name)
        (network.snapshots / node / f"{name}.json").unlink()
        collect(network)


def forget(network: Network, node: str) -> None:
    """Remove the snapshots of a node that is destroyed. Call under `network.changing`."""
    shutil.rmtree(network.snapshots / node, ignore_errors=True)
    collect(network)


def settle(network: Network, record: NodeRecord) -> None:
    """Finish what was begun: the newest layer is in its place, and the node has an upper folder of its own."""
    upper, work = network.uppers(record)[0], network.node(record.name) / "work"
    newest = network.uppers(record)[1:2]
    for layer in newest:
        if not layer.exists() and upper.exists():
            layer.parent.mkdir(exist_ok=True)
            upper.rename(layer)
    if not upper.exists():
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir()
        made = upper.with_name(".upper-new")
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        for layer in newest:  # the host's / itself
            owner = layer.stat()
            shutil.chown(made, owner.st_uid, owner.st_gid)
            shutil.copystat(layer, made)
        made.rename(upper)


def collect(network: Network) -> None:
    """Remove the layers that no node and no snapshot stands on. Call under `network.changing`."""
    used = {layer for record in network.records() for layer in record.layers}
    used.update(layer for snapshot in of(network) for layer in snapshot.layers)
    for path in network.layers.glob("*"):
        if path.name not in used:
            shutil.rmtree(path, ignore_errors=True)
    with contextlib.suppress(OSError):  # there are others
        network.layers.rmdir()
