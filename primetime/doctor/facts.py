"""What this machine is like now, as far as a topology asks: gathered once, judged by checks.

`gather(topology, quick=True)` leaves out what takes another command: for verbs that check before they begin.
"""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path

from primetime import bundle, distributions, jars, machines, preflight, space
from primetime.artifacts import KINDS
from primetime.doctor import host, leftover
from primetime.drivers.nspawn import cgroup, images, network
from primetime.drivers.nspawn.state import Network
from primetime.errors import PrimetimeError
from primetime.inventory import heap_mb
from primetime.paths import REPO, STATE, cache, home
from primetime.providers import driver_for, provider_of
from primetime.topology import NodeSpec, Topology

# MB on disk, measured with Debian 12's packages of today and rounded up
IMAGE_MB = 500  # 263 when built; while it is, the packages it is made of too
DEBS_MB = 150  # 65 in all tars of the demo, and the packages they are made of
JARS_MB = 400  # 91 in the tar, 157 in Maven's repository, and the copy that is checked
BUNDLE_MB = 60
HOST_MB = 250  # packages, the collector's first segments, logs
JVM_HOST_MB = 500  # Java, the jars, and a first rehearsal's data beside that
RUN_MB = 20  # a rehearsal's record: a byte a request, and its certificate
NEW_FILES_MB = 50  # so that what is free is not free to the last byte

INSTANCES_EACH, WATCHES_EACH = 6, 100  # inotify, of a booted host
INSTANCES_SELF, WATCHES_SELF = 32, 1000  # of this machine's own services
SHORT_INSTANCES, SHORT_WATCHES = 8192, 65536  # what to set when there are too few


@dataclass(frozen=True)
class Place:
    """A folder that primetime writes to, and how much more it will write there; `variable` moves it elsewhere."""

    path: Path
    device: int
    free_mb: int
    needed_mb: int
    variable: str = ""


@dataclass(frozen=True)
class Facts:
    """See the fields' names; `None` means that it could not be looked at (no root, or nobody says)."""

    topology: str
    topology_file: str
    root: bool
    architecture: str
    missing_packages: list[str]
    cut_short: bool  # dpkg was interrupted on this machine
    memory_available_mb: int
    memory_mb: int  # caps of the hosts that do not run yet
    places: list[Place]
    subnet: str
    subnet_problem: str
    subnet_is_made: bool
    ip_forward: bool
    sysctls_writable: bool
    dropping_chains: list[str]  # `family table chain`
    inotify_instances: int
    inotify_watches: int
    needed_instances: int
    needed_watches: int
    now_s: float
    built_s: float
    synchronised: bool | None
    controllers: frozenset[str]
    overlay_known: bool
    overlay_problem: str | None
    namespace_problem: str | None
    at_work: str | None
    leftovers: list[tuple[str, str]] = field(default_factory=list)  # (what, the command that removes it)

    def by_file_system(self) -> Iterator[list[Place]]:
        for device in dict.fromkeys(place.device for place in self.places):
            yield [place for place in self.places if place.device == device]


def gather(topology: Topology, named: str, quick: bool = False) -> Facts:
    """The facts for a topology; `named` is what the person calls it (a name or a path)."""
    running = [name for name, state in machines.found(topology).items() if state == "running"]
    to_start = [node for node in topology.nodes if node.name not in running]
    is_root = os.geteuid() == 0
    subnet, problem = _subnet(topology)
    deep = is_root and not quick
    return Facts(
        topology=named,
        topology_file=named if named.endswith((".yml", ".yaml")) else f"inventories/{named}.yml",
        root=is_root,
        architecture=platform.machine(),
        missing_packages=preflight.missing_for(provider_of(topology)),
        cut_short=is_root and preflight.cut_short(),
        memory_available_mb=host.memory_available_mb(Path("/proc/meminfo").read_text()),
        memory_mb=sum(node.memory_mb for node in to_start),
        places=places(topology, to_start),
        subnet=subnet,
        subnet_problem=problem,
        subnet_is_made=Network(topology.name).cidr() is not None,
        ip_forward=Path("/proc/sys/net/ipv4/ip_forward").read_text().strip() == "1",
        sysctls_writable=host.writable(Path("/proc/sys")),
        dropping_chains=host.dropping_chains() if deep else [],
        inotify_instances=int(Path("/proc/sys/fs/inotify/max_user_instances").read_text()),
        inotify_watches=int(Path("/proc/sys/fs/inotify/max_user_watches").read_text()),
        needed_instances=INSTANCES_SELF + INSTANCES_EACH * len(topology.nodes),
        needed_watches=WATCHES_SELF + WATCHES_EACH * len(topology.nodes),
        now_s=time.time(),
        built_s=host.built_s(REPO),
        synchronised=None if quick else host.synchronised(),
        controllers=_controllers(),
        overlay_known="\toverlay\n" in Path("/proc/filesystems").read_text(),
        overlay_problem=host.overlay_problem(STATE) if deep else None,
        namespace_problem=host.namespace_problem() if deep else None,
        at_work=driver_for(topology).ex_at_work(),
        leftovers=[] if quick else leftover.found(topology.name, named),
    )


def places(topology: Topology, to_start: list[NodeSpec]) -> list[Place]:
    """Where primetime writes, and what is still to come there."""
    wanted = {kind for kind, (roles, _) in KINDS.items() if set(roles) & set(topology.all_groups())}
    in_cache = NEW_FILES_MB
    if to_start and not images.built(topology.image):
        in_cache += IMAGE_MB + DEBS_MB
    if "jars" in wanted and not (cache() / "jars" / jars.version(jars.SOURCE)).is_dir():
        in_cache += JARS_MB
    python = distributions.python(topology.image)
    for each in (bundle.SHIPPER, bundle.GUARD):
        if each.name in wanted and not each.path(python).is_file():
            in_cache += BUNDLE_MB
    made = {record.name for record in Network(topology.name).records()}
    hosts = sum(JVM_HOST_MB if heap_mb(node) else HOST_MB for node in to_start if node.name not in made)
    return [
        _place(cache(), in_cache, "PRIMETIME_CACHE"),
        _place(STATE, hosts + NEW_FILES_MB, ""),
        _place(home(), RUN_MB, "PRIMETIME_HOME"),
    ]


def _place(path: Path, needed_mb: int, variable: str) -> Place:
    there = next(folder for folder in (path, *path.parents) if folder.exists())
    return Place(path, there.stat().st_dev, space.free_mb(path), needed_mb, variable)


def _subnet(topology: Topology) -> tuple[str, str]:
    """(the network that the topology has or would get, what is wrong with it)."""
    try:
        wanted = IPv4Network(topology.network) if topology.network else None
        return str(network.offered(Network(topology.name), wanted)), ""
    except (PrimetimeError, OSError, subprocess.SubprocessError) as error:
        return "", str(error)


def _controllers() -> frozenset[str]:
    found: set[str] = set()
    for hierarchy in cgroup.hierarchies():
        listed = hierarchy.root / "cgroup.controllers"
        found |= hierarchy.controllers | set(listed.read_text().split() if listed.is_file() else ())
    return frozenset(found)
