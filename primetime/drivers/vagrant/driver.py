"""The libcloud driver: its verbs, in libcloud's words, over one topology's machines by vagrant.

Called by primetime.providers and by anything that speaks libcloud:
`get_driver("vagrant")("demo", ex_provider="lxc", ex_topology="inventories/demo.yml")`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from ipaddress import IPv4Network
from pathlib import Path

from libcloud.compute.base import Node, NodeAuthPassword, NodeAuthSSHKey, NodeDriver, NodeImage, NodeLocation, NodeSize
from libcloud.compute.types import NodeState

from primetime.drivers.nspawn import images, lock, network, ssh
from primetime.drivers.nspawn.state import Network
from primetime.drivers.vagrant import PROVIDERS, boxes, containers, project, way_in
from primetime.drivers.vagrant.commands import vagrant
from primetime.drivers.vagrant.driver_faults import FaultVerbs
from primetime.drivers.vagrant.errors import HypervisorSilent, ProviderMissing
from primetime.drivers.vagrant.project import Project
from primetime.drivers.vagrant.rows import by_target
from primetime.errors import PrimetimeError, UsageError
from primetime.topology import load

Progress = Callable[[str], None]
# The only private one that VirtualBox allows without being told; vagrant/topology.rb has it too.
NETWORK = IPv4Network("192.168.56.0/24")
# Vagrant's words for a machine's state, by any provider.
STATES = {
    "running": NodeState.RUNNING,
    "stopped": NodeState.STOPPED,
    "poweroff": NodeState.STOPPED,
    "aborted": NodeState.STOPPED,
    "shutoff": NodeState.STOPPED,
    "not_running": NodeState.STOPPED,
    "saved": NodeState.SUSPENDED,
    "suspended": NodeState.SUSPENDED,
    "pmsuspended": NodeState.SUSPENDED,
    "paused": NodeState.PAUSED,
    "frozen": NodeState.PAUSED,
}
_GONE = ("not_created", "")
_COMMAND_GRACE_S = 0.2  # a look at the lock by another process holds it for an instant


class VagrantNodeDriver(FaultVerbs, NodeDriver):
    """Machines by vagrant. The key is a topology's name; its file says which machines there may be, and their sizes."""

    name = "vagrant"
    api_name = "vagrant"
    type = "vagrant"
    website = "https://www.vagrantup.com"
    ex_takes_many = True  # ex_create_nodes and ex_destroy_nodes: vagrant does many machines in one call

    def __init__(
        self,
        key: str,
        ex_provider: str = "lxc",
        ex_topology: str | Path = "",
        ex_cidr: str | None = None,
        **kwargs: object,
    ) -> None:
        """`ex_topology`: the file, needed to make machines; `ex_cidr`: its network, or any where left out."""
        super().__init__(key, **kwargs)  # type: ignore[no-untyped-call]
        if ex_provider not in PROVIDERS:
            raise UsageError(f"vagrant:{ex_provider} is no provider: write one of {', '.join(PROVIDERS)}")
        self._provider = ex_provider
        self._file = str(ex_topology)
        self._cidr = IPv4Network(ex_cidr) if ex_cidr else None
        self._network = Network(key)

    @property
    def _project(self) -> Project:
        return project.of(self._network.name, self._provider)

    @property
    def _contained(self) -> bool:
        return self._provider == "lxc"

    def list_images(self, location: object = None) -> list[NodeImage]:
        """The releases that machines can be made of."""
        return [self._image(release) for release in images.RELEASES]

    def ex_ensure_image(self, release: str, progress: Progress | None = None) -> NodeImage:
        """Make our box of a release where containers need it; other providers fetch theirs when they make a machine."""
        if not self._contained:
            return self._image(release)
        box = boxes.ensure(release, progress or (lambda _: None))
        for each in box.parent.glob(f"{box.stem}*.box"):  # those with roles, too
            boxes.mend(Path(self._project.home), each)
        return self._image(release, box)

    def _image(self, release: str, box: Path | None = None) -> NodeImage:
        root = boxes.image_root(box.stem) if box else None
        extra = {"root": str(root)} if root else {}
        return NodeImage(id=release, name=f"Debian {release}", driver=self, extra=extra)

    def list_sizes(self, location: object = None) -> list[NodeSize]:
        """None in advance: a machine has the size that the topology gives it."""
        return []

    def ex_size(self, memory_mb: int, cpus: float | None = None, cpu_weight: int = 100) -> NodeSize:
        """A size as topologies give it."""
        name = f"{memory_mb}mb"
        extra = {"cpus": cpus, "cpu_weight": cpu_weight}
        return NodeSize(id=name, name=name, ram=memory_mb, disk=0, bandwidth=0, price=0, driver=self, extra=extra)

    def list_nodes(self) -> list[Node]:
        """The machines that vagrant finds, as it finds them now; one that is gone behind its back is not listed."""
        made = project.recorded(self._network.name)
        if made is None:
            return []
        ids = made.ids()
        # LXC says of all in a moment what vagrant takes a second or two to say, and each verb asks several times.
        states = containers.states(ids) if self._contained else by_target(vagrant(made, "status"), "state")
        found = {name: state for name, state in states.items() if state not in _GONE}
        addresses = made.addresses()
        return [self._node(made, name, state, addresses[name], ids.get(name, "")) for name, state in found.items()]

    def _node(self, made: Project, name: str, word: str, address: str, container: str) -> Node:
        box, state = made.box(name), STATES.get(word, NodeState.UNKNOWN)
        extra = {
            "address": address,
            "ssh_key": str(self._network.key),
            "known_hosts": str(self._network.known_hosts),
            "ssh_config": str(self._network.ssh_config),
            "image_root": str(boxes.image_root(box) or "") if self._contained else "",
            "box": box,
            "provider": made.provider,
            "state": word,  # in vagrant's own
            "faults": self._faults(name, state, container),
        }
        return Node(
            id=f"{self._network.name}/{name}",
            name=name,
            state=state,
            public_ips=[],
            private_ips=[address],
            driver=self,
            extra=extra,
        )

    def create_node(
        self,
        name: str,
        size: NodeSize | None = None,
        image: NodeImage | None = None,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
    ) -> Node:
        """Make and start a machine of the topology; size, image and address are the topology's own."""
        self.ex_create_nodes([name])
        return self._one(name)

    def _one(self, name: str) -> Node:
        return next(node for node in self.list_nodes() if node.name == name)

    def ex_create_nodes(self, names: Sequence[str], progress: Progress | None = None) -> None:
        """Make, or start, machines of the topology in one call, and open them to our key. Raises VagrantError."""
        self.ex_create_network()
        made = self._project
        self._thaw(made, names)
        try:
            vagrant(made, "up", *names, f"--provider={made.provider}", "--parallel", progress=progress)
        except (ProviderMissing, HypervisorSilent):
            self._forget_beginning(made)
            raise
        way_in.admit(made, list(names), made.addresses())

    def _forget_beginning(self, made: Project) -> None:
        """A topology of which no machine could be made is not up by that provider: another one may be tried."""
        if not made.ids():
            with self._network.changing("forgetting what was begun"):
                network.destroy(self._network)

    def _thaw(self, made: Project, names: Sequence[str]) -> None:
        """vagrant-lxc waits in vain for a frozen container to boot."""
        for name, container in made.ids().items() if self._contained else ():
            if name in names and containers.is_frozen(container):
                containers.thaw(container)

    def ex_wait_for_ssh(self, nodes: Sequence[Node], timeout_s: float = 60) -> None:
        """Until each is open to our key; vagrant has waited for their ssh."""
        made = self._project
        lacking = sorted({node.name for node in nodes} - way_in.known(made))
        if lacking:
            way_in.admit(made, lacking, made.addresses())

    def start_node(self, node: Node) -> bool:
        """Start a stopped machine, or let a suspended one run on."""
        self.ex_create_nodes([node.name])
        return True

    def stop_node(self, node: Node) -> bool:
        """Shut a machine down; its data stay."""
        self.ex_stop_nodes([node])
        return True

    def ex_stop_nodes(self, nodes: Sequence[Node], progress: Progress | None = None) -> None:
        """Shut machines down in one call."""
        for node in nodes:
            self._close(node)
        vagrant(self._project, "halt", *(node.name for node in nodes), progress=progress)

    def ex_container(self, node: Node) -> str:
        """What LXC calls a machine."""
        return self._project.ids()[node.name]

    def _close(self, node: Node) -> None:
        ssh.close_master(self._network, str(node.extra["address"]))

    def reboot_node(self, node: Node) -> bool:
        """Stop and start."""
        return self.stop_node(node) and self.start_node(node)

    def destroy_node(self, node: Node) -> bool:
        """Remove a machine and all of it, data and snapshots included."""
        self.ex_destroy_nodes([node])
        return True

    def ex_destroy_nodes(self, nodes: Sequence[Node], progress: Progress | None = None) -> None:
        """Remove machines in one call."""
        made = self._project
        for node in nodes:
            self._close(node)
        if self._contained:
            ids = made.ids()
            for node in nodes:
                containers.forget_snapshots(ids.get(node.name, ""))
        if nodes:
            names = [node.name for node in nodes]
            vagrant(made, "destroy", "--force", "--parallel", *names, progress=progress)

    def ex_snapshot(self, node: Node, name: str) -> bool:
        """Keep a machine's disk under a name; a container that runs is stopped meanwhile."""
        if not self._contained:
            vagrant(self._project, "snapshot", "save", node.name, name)
            return True
        self._while_stopped(node, lambda container: containers.snapshot(container, name))
        return True

    def ex_restore(self, node: Node, name: str) -> bool:
        """Put a machine's disk back to what it was."""
        if not self._contained:
            vagrant(self._project, "snapshot", "restore", node.name, name, "--no-provision")
            return True
        self._while_stopped(node, lambda container: containers.restore(container, name))
        return True

    def _while_stopped(self, node: Node, do: Callable[[str], None]) -> None:
        running = self._one(node.name).state == NodeState.RUNNING
        if running:
            self.stop_node(node)
        try:
            do(self.ex_container(node))
        finally:
            if running:
                self.start_node(node)

    def ex_ssh_config(self, node: Node) -> str:
        """Vagrant's own way to a running machine, as a block of ssh's configuration."""
        return way_in.vagrants_own(self._project, [node.name])[node.name]

    def ex_create_network(self) -> dict[str, str]:
        """The network's record, keys and, for containers, its bridge; and the topology as its file is now."""
        if self._contained:
            network.ensure(self._network, self._cidr)
        else:
            self._remember_network()
        made = self._project
        self._take_topology(made)
        found = self.ex_network()
        if found is None or not made.made:
            raise PrimetimeError(f"{self._network.name} has no topology file: name it with -t, and repeat")
        return found

    def _take_topology(self, made: Project) -> None:
        """Vagrant goes by the topology as its file is now, unless it would no longer know a machine that is there."""
        if self._file and Path(self._file) != made.topology:
            ids = made.ids()
            if not ids or set(ids) <= {node.name for node in load(self._file).nodes}:
                made.remember(self._file)

    def _remember_network(self) -> None:
        """Of machines whose provider makes their network itself."""
        cidr = self._network.cidr()
        if cidr and self._cidr and cidr != self._cidr:
            raise PrimetimeError(
                f"{self._network.name} is made with {cidr}, not {self._cidr}: take it down, then make it again"
            )
        self._network.run.mkdir(parents=True, exist_ok=True)
        self._network.remember(cidr or self._cidr or NETWORK)
        ssh.make_network_key(self._network)

    def ex_network(self) -> dict[str, str] | None:
        """The network's names and addresses; None when it is not made."""
        cidr = self._network.cidr()
        if cidr is None:
            return None
        return {
            "name": self._network.name,
            "bridge": self._network.bridge if self._contained else "",
            "cidr": str(cidr),
            "gateway": str(cidr[1]),
        }

    def ex_destroy_network(self) -> bool:
        """Remove every machine, known to vagrant or not, and the network."""
        self.ex_destroy_nodes(self.list_nodes())
        if self._contained:
            for container in containers.named(self._network.name):
                containers.remove(container)
        with self._network.changing("destroying it"):
            network.destroy(self._network)
        return True

    @contextlib.contextmanager
    def ex_lock(self, command: str) -> Iterator[None]:
        """Keep two commands on this network apart; the later one gets a PrimetimeError naming the earlier."""
        with lock.held(self._network.command_lock, command, _COMMAND_GRACE_S):
            yield

    def ex_at_work(self) -> str | None:
        """The command that holds `ex_lock` now, its pid and since when; None when none does."""
        return lock.holder(self._network.command_lock)
