"""The driver's verbs for snapshots: of one node, and of all of a network at one point."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from libcloud.compute.base import Node

from primetime.drivers.nspawn import machine, snapshots
from primetime.drivers.nspawn.driver_faults import FaultVerbs
from primetime.drivers.nspawn.snapshots import NodeSnapshot
from primetime.drivers.nspawn.state import NodeRecord
from primetime.errors import PrimetimeError

_AT_ONCE = 8  # hosts stopped or started at a time


class SnapshotVerbs(FaultVerbs):
    """A part of NspawnNodeDriver."""

    def ex_snapshot(self, node: Node, name: str) -> NodeSnapshot:
        """Keep a node's disk as it is. A running node is shut down for it, and started again."""
        record = self._network.record(node.name)
        snapshots.check_new(self._network, record.name, name)  # before anything is stopped
        runs = self._halt([record], machine.stop)
        try:
            return self._take(record, name)
        finally:
            self._run(runs)

    def ex_reset(self, node: Node, name: str) -> bool:
        """Put a node's disk back to a snapshot of its own, and heal its cable. A running node runs again."""
        record = self._network.record(node.name)
        snapshots.get(self._network, record.name, name)
        runs = self._halt([record], machine.kill)
        self.ex_heal(node)
        self._put_back(record, name)
        self._run(runs)
        return True

    def ex_list_snapshots(self, node: Node | None = None) -> list[NodeSnapshot]:
        """The snapshots of a node, or of all nodes, oldest first."""
        return snapshots.of(self._network, node.name if node else None)

    def ex_delete_snapshot(self, node: Node, name: str) -> bool:
        """Forget a snapshot. Nodes that were made from it, or reset to it, stay as they are."""
        snapshots.delete(self._network, node.name, name)
        return True

    def ex_snapshot_network(self, name: str) -> list[NodeSnapshot]:
        """Keep the disks of all nodes at one point: all are stopped, then kept, then those that ran are started."""
        records = self._network.records()
        for record in records:
            snapshots.check_new(self._network, record.name, name)
        runs = self._halt(records, machine.stop)
        try:
            return [self._take(record, name) for record in records]
        finally:
            self._run(runs)

    def ex_reset_network(self, name: str) -> bool:
        """Put all nodes back to the snapshot of that name, heal every cable, and start them all."""
        records = self._network.records()
        for record in records:
            snapshots.get(self._network, record.name, name)
        self._halt(records, machine.kill)
        self.ex_heal()
        for record in records:
            self._put_back(record, name)
        self._run(records)
        return True

    def _take(self, record: NodeRecord, name: str) -> NodeSnapshot:
        with machine.alone(self._network.node(record.name)):
            return snapshots.take(self._network, self._still(record), name)

    def _put_back(self, record: NodeRecord, name: str) -> None:
        with machine.alone(self._network.node(record.name)):
            snapshots.reset(self._network, self._still(record), name)

    def _still(self, record: NodeRecord) -> NodeRecord:
        """The record as it is now, of a node that nobody has started meanwhile. Call under machine.alone."""
        if machine.leader(self._network.node(record.name)) is not None:
            raise PrimetimeError(f"{self._network.name}: another command has started {record.name} meanwhile: repeat")
        return self._network.record(record.name)

    def _halt(self, records: list[NodeRecord], end: Callable[..., None]) -> list[NodeRecord]:
        """End hosts, all at once; those that ran."""
        runs = [record for record in records if machine.leader(self._network.node(record.name)) is not None]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda record: self._end(record, end), records))
        return runs

    def _run(self, records: list[NodeRecord]) -> None:
        if records:
            self.ex_create_network()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda record: self._start(self._network.record(record.name)), records))
