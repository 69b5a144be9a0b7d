"""What is on disk of a network and its nodes, so that any process can list and destroy them.

    /var/lib/primetime/<network>/network.json       name and cidr
                                 ssh/               the network's key pair
                                 ssh_config, known_hosts
                                 layers/, snapshots/    see snapshots.py
                                 nodes/<name>/      node.json, upper, work, root, console.log, leader
    /var/lib/primetime/.gone-<network>/             the same, while it is being removed
    /run/primetime/<network>/                       ssh control sockets
    /run/primetime/<network>.lock, .command         locks, while they are held

A node's folder is filled under another name (`.new-...`) and then renamed, so it is there whole or not at all; on the
way out it is renamed first (`.gone-...`). Nothing here says whether a node runs: machine.leader looks.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from primetime.drivers.nspawn import lock
from primetime.errors import PrimetimeError, UsageError
from primetime.paths import RUN, STATE

# Long enough for people; short enough for a control socket's path (108 bytes) and a host name's label.
NETWORK_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,30}")
NODE_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?")
DEFAULT_WEIGHT = 100  # of the CPU, when it is short: systemd's and the kernel's own
LOCK_TIMEOUT_S = 60  # the longest holder removes every file of a network's nodes


@dataclass(frozen=True)
class NodeRecord:
    """One node as it was asked for."""

    name: str
    address: str
    memory_mb: int  # 0: no cap
    cpus: float | None  # None: no cap
    image: str
    image_folder: str
    labels: Mapping[str, str] = field(default_factory=dict)
    cpu_weight: int = DEFAULT_WEIGHT
    layers: Sequence[str] = ()  # of snapshots, oldest first, between the image and the node's own folder


@dataclass(frozen=True)
class Network:
    """The names of everything that belongs to one network."""

    name: str

    def __post_init__(self) -> None:
        if not NETWORK_NAME.fullmatch(self.name):
            raise UsageError(f"Network {self.name!r}: write at most 31 small letters, digits and dashes")

    @property
    def digest(self) -> str:
        """Eight hex digits for names that the kernel keeps short."""
        return sha256(self.name.encode()).hexdigest()[:8]

    @property
    def bridge(self) -> str:
        return f"pt-{self.digest}"

    @property
    def table(self) -> str:
        return f"primetime_{self.digest}"

    def machine(self, address: str) -> str:
        """nspawn's name for a host: its link to the bridge is `vb-` and this, at most 15 characters."""
        return f"{self.digest}-{address.rpartition('.')[2]}"

    def link(self, address: str) -> str:
        return f"vb-{self.machine(address)}"

    def tap(self, address: str) -> str:
        """The port that takes the place of a host's link in the bridge while its cable is slow."""
        return f"td-{self.machine(address)}"

    def cgroup(self, node: str = "") -> str:
        return f"primetime/{self.name}/{node}".rstrip("/")

    @property
    def folder(self) -> Path:
        return STATE / self.name

    @property
    def going(self) -> Path:
        """The folder's name once it is being removed: a `down` cut short leaves no half of a network to go on with."""
        return STATE / f".gone-{self.name}"

    @property
    def nodes(self) -> Path:
        return self.folder / "nodes"

    def node(self, name: str) -> Path:
        return self.nodes / name

    @property
    def layers(self) -> Path:
        return self.folder / "layers"

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    def uppers(self, record: NodeRecord) -> list[Path]:
        """The folders that a node's disk is made of above its image, its own first, then older and older layers."""
        return [self.node(record.name) / "upper", *(self.layers / layer for layer in reversed(record.layers))]

    @property
    def key(self) -> Path:
        return self.folder / "ssh" / "id_ed25519"

    @property
    def ssh_config(self) -> Path:
        return self.folder / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        return self.folder / "known_hosts"

    @property
    def run(self) -> Path:
        return RUN / self.name

    @property
    def command_lock(self) -> Path:
        return RUN / f"{self.name}.command"

    @property
    def lock(self) -> Path:
        return RUN / f"{self.name}.lock"

    @contextlib.contextmanager
    def changing(self, what: str) -> Iterator[None]:
        """Keep others from changing this network's files meanwhile."""
        with lock.held(self.lock, f"{self.name}: {what}", LOCK_TIMEOUT_S):
            yield

    def cidr(self) -> IPv4Network | None:
        """The network's addresses; None when it is not made, or was never finished."""
        record = read_json(self.folder / "network.json")
        return IPv4Network(record["cidr"]) if record else None

    def remember(self, cidr: IPv4Network) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        write_json(self.folder / "network.json", {"name": self.name, "cidr": str(cidr)})

    def records(self) -> list[NodeRecord]:
        """The nodes that are wholly made, in order of name."""
        found = []
        for path in sorted(self.nodes.glob("[!.]*/node.json")):
            record = read_json(path)
            if record:
                found.append(NodeRecord(**record))
        return found

    def record(self, name: str) -> NodeRecord:
        """One node; PrimetimeError when there is none of that name."""
        record = read_json(self.node(name) / "node.json")
        if not record:
            known = ", ".join(record.name for record in self.records()) or "none"
            raise PrimetimeError(f"{self.name} has no node {name}: its nodes are {known}")
        return NodeRecord(**record)

    def free_address(self, name: str, wanted: str | None) -> str:
        """`wanted` if it is free, or else the first free one from a place that only the name decides.

        So a node that is made again under its name has its address again. Call under `changing`.
        """
        cidr = self.cidr()
        if cidr is None:
            raise PrimetimeError(f"{self.name} has no network yet: make it first")
        taken = {record.address: record.name for record in self.records()}
        hosts = [str(host) for host in cidr.hosts()][9:]  # .1 is the gateway; .2 to .9 are for fixtures on the bridge
        if wanted is None:
            start = int(sha256(name.encode()).hexdigest(), 16) % len(hosts)
            free = [host for host in hosts[start:] + hosts[:start] if host not in taken]
            if not free:
                raise PrimetimeError(f"{self.name}: no address of {cidr} is free: destroy a node first")
            return free[0]
        if wanted in taken:
            raise PrimetimeError(f"{self.name}: {wanted} is {taken[wanted]}'s address: choose another for {name}")
        if wanted not in hosts:
            raise PrimetimeError(f"{self.name}: {wanted} is no host of {cidr}: choose {hosts[0]} to {hosts[-1]}")
        return wanted

    def add(self, record: NodeRecord, files: Mapping[str, tuple[str, int]]) -> None:
        """Make a node's folder, `files` (path in the host → text, mode) over its image. Call under `changing`."""
        new = self.nodes / f".new-{record.name}"
        shutil.rmtree(new, ignore_errors=True)  # half-made by a process that died
        try:
            for folder in ("upper", "work", "root"):
                (new / folder).mkdir(parents=True)
            for path, (text, mode) in files.items():
                target = new / "upper" / path
                target.parent.mkdir(parents=True, exist_ok=True)
                target.touch(mode=0o600)
                target.write_text(text)
                target.chmod(mode)
            write_json(new / "node.json", asdict(record))
        except OSError:  # a full disk
            shutil.rmtree(new, ignore_errors=True)
            raise
        new.rename(self.node(record.name))

    def rewrite(self, record: NodeRecord) -> None:
        """Replace what is recorded of a node. Call under `changing`."""
        write_json(self.node(record.name) / "node.json", asdict(record))

    def drop(self, name: str) -> None:
        """Remove a node's folder; its host must be dead."""
        gone = self.nodes / f".gone-{name}"
        shutil.rmtree(gone, ignore_errors=True)
        with contextlib.suppress(FileNotFoundError):
            self.node(name).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)


def recorded() -> list[str]:
    """The networks that have a folder in /var/lib/primetime, finished or not."""
    return sorted(path.name for path in STATE.glob("*") if path.is_dir() and NETWORK_NAME.fullmatch(path.name))


def write_text(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file as a whole: a reader, or a crash, sees the old text or the new one."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        new.touch(mode=0o600)
        new.chmod(mode)
        with new.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.rename(path)
    except OSError:  # a full disk
        new.unlink(missing_ok=True)
        raise


def write_json(path: Path, value: Mapping[str, object]) -> None:
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> dict[str, Any] | None:
    """The object in a file; None when there is no such file, or none that can be read as one."""
    try:
        value = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
