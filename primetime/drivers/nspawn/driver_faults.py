"""The driver's verbs for faults: cut, lossy and slow cables."""

from __future__ import annotations

from collections.abc import Callable

from libcloud.compute.base import Node

from primetime.drivers.nspawn import faults
from primetime.drivers.nspawn.state import Network, NodeRecord


class FaultVerbs:
    """A part of NspawnNodeDriver."""

    _network: Network

    def ex_create_network(self) -> dict[str, str]:
        raise NotImplementedError

    def _start(self, record: NodeRecord) -> None:
        raise NotImplementedError

    def _end(self, record: NodeRecord, end: Callable[[Network, NodeRecord], None]) -> bool:
        raise NotImplementedError

    def ex_link_down(self, node: Node) -> bool:
        """Pull the host's cable: nothing passes, and its own end has no carrier."""
        return self._put(faults.fault("down", node.name))

    def ex_link_up(self, node: Node) -> bool:
        """Plug it in again; a loss or delay of the cable stays."""
        faults.remove(self._network, lambda fault: fault.kind == "down" and fault.node == node.name)
        return True

    def ex_loss(self, node: Node, percent: float, to: Node | None = None) -> bool:
        """Lose so many of a hundred packets, both ways; with `to`, only between the two. 0 heals, 100 cuts."""
        return self._put(faults.fault("loss", node.name, to.name if to else None, percent=percent))

    def ex_delay(self, node: Node, ms: float, jitter_ms: float = 0, to: Node | None = None) -> bool:
        """Each packet `ms` late, and up to `jitter_ms` more, in each way: a round trip takes twice that. 0 heals.

        With `to`, only between the two. Packets keep their order. Whatever passes elsewhere is not slowed down.
        """
        return self._put(faults.fault("delay", node.name, to.name if to else None, ms=ms, jitter_ms=jitter_ms))

    def ex_heal(self, node: Node | None = None) -> bool:
        """Remove every fault that touches a node, or every fault of the network."""
        faults.remove(self._network, lambda fault: node is None or node.name in (fault.node, fault.to))
        return True

    def _put(self, fault: faults.Fault) -> bool:
        for name in (fault.node, fault.to):
            if name is not None:
                self._network.record(name)  # or an error with the names there are
        self.ex_create_network()
        faults.put(self._network, fault)
        return True
