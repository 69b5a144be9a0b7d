"""The libcloud driver: its verbs, in libcloud's words, over one network's hosts on this machine.

Called by primetime.providers and by anything that speaks libcloud: `get_driver("nspawn")("demo")`.
"""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from libcloud.compute.base import Node, NodeAuthPassword, NodeAuthSSHKey, NodeDriver, NodeImage, NodeLocation, NodeSize
from libcloud.compute.types import NodeState

from primetime.drivers.nspawn import commands, faults, images, lock, machine, network, snapshots, ssh
from primetime.drivers.nspawn.driver_snapshots import SnapshotVerbs
from primetime.drivers.nspawn.snapshots import NodeSnapshot
from primetime.drivers.nspawn.state import DEFAULT_WEIGHT, NODE_NAME, Network, NodeRecord
from primetime.errors import PrimetimeError, UsageError

_SIZES_MB = (256, 512, 1024, 2048, 4096)
_COMMAND_GRACE_S = 0.2  # a look at the lock by another process holds it for an instant


class NspawnNodeDriver(SnapshotVerbs, NodeDriver):
    """Hosts by systemd-nspawn on this machine. The key is the network's name: a topology's."""

    name = "systemd-nspawn"
    api_name = "nspawn"
    type = "nspawn"
    website = "https://www.freedesktop.org/software/systemd/man/systemd-nspawn.html"
    ex_breaks = True  # it has verbs for faults, and ex_heal, which undoes them
    ex_takes_many = False  # each host by a call of its own, from as many threads as there are

    def __init__(self, key: str, ex_cidr: str | None = None, **kwargs: Any) -> None:
        """`ex_cidr`: the network's addresses, private and from /24 to /28; a free /24 when left out."""
        super().__init__(key, **kwargs)  # type: ignore[no-untyped-call]
        self._network = Network(key)
        self._cidr = IPv4Network(ex_cidr) if ex_cidr else None
        self._made = False
        self._making = threading.Lock()
        self._ensured: dict[str, images.Image] = {}  # every host of a command stands on one, and is told of it once

    def list_images(self, location: object = None) -> list[NodeImage]:
        """The releases that hosts can be made of; each is built when it is first needed."""
        return [self._image(release) for release in images.RELEASES]

    def ex_ensure_image(self, release: str, progress: Callable[[str], None] | None = None) -> NodeImage:
        """Build the image of a release unless it is there; `progress` gets a line per stage."""
        commands.require()
        self._ensured[release] = images.ensure(release, progress)
        return self._image(release, [self._ensured[release]])

    def _image_of(self, release: str) -> images.Image:
        return self._ensured.get(release) or images.ensure(release)

    def _image(self, release: str, built: Sequence[images.Image] | None = None) -> NodeImage:
        built = images.built(release) if built is None else built
        extra = {"root": str(built[0].root), "size_mb": built[0].bytes >> 20} if built else {}
        return NodeImage(id=release, name=f"Debian {release}", driver=self, extra={"built": bool(built), **extra})

    def list_sizes(self, location: object = None) -> list[NodeSize]:
        """Common sizes; `ex_size` makes any other."""
        return [self.ex_size(memory_mb) for memory_mb in _SIZES_MB]

    def ex_size(self, memory_mb: int, cpus: float | None = None, cpu_weight: int = DEFAULT_WEIGHT) -> NodeSize:
        """Caps on memory (0: none) and CPU (`cpus` 0.5: half of one; None: none), and a weight from 1 to 10000.

        When the CPU is short, a host of weight 200 gets twice what one of 100 gets.
        """
        cap = "" if cpus is None else f"-{cpus:g}cpu"
        weight = "" if cpu_weight == DEFAULT_WEIGHT else f"-weight{cpu_weight}"
        size_id = f"{memory_mb}mb{cap}{weight}"
        extra = {"cpus": cpus, "cpu_weight": cpu_weight}
        return NodeSize(id=size_id, name=size_id, ram=memory_mb, disk=0, bandwidth=0, price=0, driver=self, extra=extra)

    def list_nodes(self) -> list[Node]:
        """The network's nodes; whether they run is looked up, never remembered."""
        return [self._node(record) for record in self._network.records()]

    def _node(self, record: NodeRecord) -> Node:
        folder = self._network.node(record.name)
        extra = {
            "address": record.address,
            "ssh_key": str(self._network.key),
            "known_hosts": str(self._network.known_hosts),
            "ssh_config": str(self._network.ssh_config),
            "console": str(folder / "console.log"),
            "memory_mb": record.memory_mb,
            "cpus": record.cpus,
            "cpu_weight": record.cpu_weight,
            "image": record.image,
            "image_root": str(Path(record.image_folder) / "root"),
            "labels": dict(record.labels),
            "bridge": self._network.bridge,
            "link": self._network.link(record.address),  # this machine's end of the host's cable
            "faults": faults.touching(faults.of(self._network), record.name),
        }
        return Node(
            id=f"{self._network.name}/{record.name}",
            name=record.name,
            state=NodeState.STOPPED if machine.leader(folder) is None else NodeState.RUNNING,
            public_ips=[],
            private_ips=[record.address],
            driver=self,
            size=self.ex_size(record.memory_mb, record.cpus, record.cpu_weight),
            image=self._image(record.image),
            extra=extra,
        )

    def create_node(
        self,
        name: str,
        size: NodeSize,
        image: NodeImage,
        location: NodeLocation | None = None,
        auth: NodeAuthSSHKey | NodeAuthPassword | None = None,
        ex_address: str | None = None,
        ex_labels: Mapping[str, str] | None = None,
        ex_snapshot: NodeSnapshot | None = None,
    ) -> Node:
        """Make and start a host; may be called from several threads. Returns before ssh answers: ex_wait_for_ssh.

        With `ex_snapshot` its disk begins as that snapshot, with a name, address, machine id and host key of its own.
        """
        if not NODE_NAME.fullmatch(name):
            raise UsageError(f"Node {name!r}: write at most 40 small letters, digits and dashes, no dash at an end")
        commands.require()
        if ex_snapshot is not None and ex_snapshot.image != image.id:
            raise UsageError(
                f"{name}: snapshot {ex_snapshot.name} is of {ex_snapshot.image}, not of {image.id}: name it"
            )
        folder = Path(ex_snapshot.image_folder) if ex_snapshot else self._image_of(image.id).folder
        self.ex_create_network()
        private, public = ssh.new_key(f"root@{name}")
        with self._network.changing(f"creating {name}"):
            if self._network.node(name).exists():
                raise PrimetimeError(f"{self._network.name} has a node {name} already: destroy it first, or start it")
            record = NodeRecord(
                name=name,
                address=self._network.free_address(name, ex_address),
                memory_mb=size.ram,
                cpus=(size.extra or {}).get("cpus"),
                cpu_weight=(size.extra or {}).get("cpu_weight", DEFAULT_WEIGHT),
                image=image.id,
                image_folder=str(folder),
                labels=dict(ex_labels or {}),
                layers=self._layers(ex_snapshot),
            )
            self._network.add(record, self._files(record, private, public))
            ssh.write_config(self._network)
        self._start(record)
        return self._node(record)

    def _layers(self, snapshot: NodeSnapshot | None) -> Sequence[str]:
        """What a new node stands on beside its image. Looked up again, since layers go with their last snapshot."""
        return () if snapshot is None else snapshots.get(self._network, snapshot.node, snapshot.name).layers

    def _files(self, record: NodeRecord, private: str, public: str) -> dict[str, tuple[str, int]]:
        """What a host has of its own before it boots: path → (text, mode)."""
        return {
            "etc/hostname": (f"{record.name}\n", 0o644),
            "etc/hosts": (f"127.0.0.1 localhost\n{record.address} {record.name}\n", 0o644),
            "etc/machine-id": (f"{uuid.uuid4().hex}\n", 0o444),
            "etc/resolv.conf": (network.host_resolv_conf(), 0o644),
            network.HOST_NETWORK_FILE: (network.host_network(self._network, record.address), 0o644),
            ssh.HOST_KEY: (private, 0o600),
            f"{ssh.HOST_KEY}.pub": (public, 0o644),
            "root/.ssh/authorized_keys": (self._network.key.with_suffix(".pub").read_text(), 0o600),
        }

    def ex_wait_for_ssh(self, nodes: Sequence[Node], timeout_s: float = 60) -> None:
        """Until every node answers ssh; PrimetimeError with the end of a console log when one does not."""
        ssh.wait(self._network, [self._network.record(node.name) for node in nodes], timeout_s)

    def start_node(self, node: Node) -> bool:
        """Start a stopped node, on its address and with its data; a running one is left alone."""
        self.ex_create_network()
        record = self._network.record(node.name)
        with self._network.changing(f"starting {node.name}"):
            ssh.write_config(self._network)  # whoever made the node may have died before writing how to reach it
        self._start(record)
        return True

    def _start(self, record: NodeRecord) -> None:
        folder = self._network.node(record.name)
        with machine.alone(folder):
            if machine.leader(folder) is None:
                snapshots.settle(self._network, record)
                machine.start(self._network, record)

    def stop_node(self, node: Node) -> bool:
        """Shut a node down; its data stay."""
        return self._end(self._network.record(node.name), machine.stop)

    def ex_kill(self, node: Node) -> bool:
        """SIGKILL a whole host, without a shutdown; its data stay. Peers see its connections close."""
        return self._end(self._network.record(node.name), machine.kill)

    def _end(self, record: NodeRecord, end: Callable[[Network, NodeRecord], None]) -> bool:
        ssh.close_master(self._network, record.address)
        with machine.alone(self._network.node(record.name)):
            end(self._network, record)
        return True

    def reboot_node(self, node: Node) -> bool:
        """Stop and start."""
        return self.stop_node(node) and self.start_node(node)

    def destroy_node(self, node: Node) -> bool:
        """Kill a node and remove all of it, data included."""
        return self._end(self._network.record(node.name), self._remove)

    def _remove(self, network: Network, record: NodeRecord) -> None:
        machine.kill(network, record)
        with network.changing(f"destroying {record.name}"):
            faults.forget(network, record.name)
            network.drop(record.name)
            snapshots.forget(network, record.name)
            ssh.write_config(network)

    def ex_create_network(self) -> dict[str, str]:
        """Make the network, or what is missing of it; create_node and start_node do so by themselves."""
        commands.require()
        with self._making:
            if not (self._made and network.bridge_exists(self._network)):
                network.ensure(self._network, self._cidr)
                self._made = True
        found = self.ex_network()
        if found is None:
            raise PrimetimeError(f"{self._network.name}: another command removed its network meanwhile: repeat")
        return found

    def ex_network(self) -> dict[str, str] | None:
        """The network's names and addresses; None when it is not made."""
        cidr = self._network.cidr()
        if cidr is None:
            return None
        return {
            "name": self._network.name,
            "bridge": self._network.bridge,
            "cidr": str(cidr),
            "gateway": str(cidr[1]),
            "table": self._network.table,
        }

    def ex_destroy_network(self) -> bool:
        """Destroy every node and the network; after the last network this machine is as it was before the first."""
        commands.require()
        with self._network.changing("destroying it"):
            network.destroy(self._network)
        self._made = False
        return True

    @contextlib.contextmanager
    def ex_lock(self, command: str) -> Iterator[None]:
        """Keep two commands on this network apart; the later one gets a PrimetimeError naming the earlier."""
        with lock.held(self._network.command_lock, command, _COMMAND_GRACE_S):
            yield

    def ex_at_work(self) -> str | None:
        """The command that holds `ex_lock` now, its pid and since when; None when none does."""
        return lock.holder(self._network.command_lock)
