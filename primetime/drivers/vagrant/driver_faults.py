"""The driver's verbs for faults, which containers alone have: a killed machine, a pulled cable.

A cable is a container's own, and new whenever it starts: a machine that was stopped comes back with a whole one.
"""

from __future__ import annotations

from libcloud.compute.base import Node
from libcloud.compute.types import NodeState

from primetime.drivers.nspawn.faults import Fault
from primetime.drivers.vagrant import containers
from primetime.errors import PrimetimeError


class FaultVerbs:
    """A part of VagrantNodeDriver."""

    _provider: str

    @property
    def ex_breaks(self) -> bool:
        """Whether there are verbs for faults here."""
        return self._provider == "lxc"

    def list_nodes(self) -> list[Node]:
        raise NotImplementedError

    def ex_container(self, node: Node) -> str:
        raise NotImplementedError

    def _close(self, node: Node) -> None:
        raise NotImplementedError

    def ex_kill(self, node: Node) -> bool:
        """SIGKILL a whole machine, without a shutdown; its data stay."""
        self._require_containers(node)
        self._close(node)
        containers.kill(self.ex_container(node))
        return True

    def ex_link_down(self, node: Node) -> bool:
        """Pull the machine's cable: nothing passes, and its own end has no carrier."""
        self._require_containers(node)
        containers.set_link(self.ex_container(node), up=False)
        return True

    def ex_link_up(self, node: Node) -> bool:
        """Plug it in again."""
        if self.ex_breaks:
            containers.set_link(self.ex_container(node), up=True)
        return True

    def ex_heal(self, node: Node | None = None) -> bool:
        """Plug every cable in again, or one node's."""
        for each in [node] if node else self.list_nodes():
            self.ex_link_up(each)
        return True

    def _faults(self, name: str, state: NodeState, container: str) -> list[Fault]:
        """What is wrong with a machine's cable."""
        cut = self.ex_breaks and state == NodeState.RUNNING and not containers.is_linked(container)
        return [Fault("down", name)] if cut else []

    def _require_containers(self, node: Node) -> None:
        if not self.ex_breaks:
            raise PrimetimeError(
                f"{node.name} is by vagrant:{self._provider}: machines of nspawn and vagrant:lxc alone can be broken "
                "from here, so break it by that provider's own means"
            )
