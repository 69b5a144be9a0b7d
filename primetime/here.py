"""What a role's deploy may ask about the host it is running on, and about its neighbours.

Everything comes from the inventory (primetime/inventory.py put it into the host's data), so it is the same under
`bin/primetime`, plain `pyinfra`, and with a host limit.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from pyinfra import host

from primetime import distributions
from primetime.secrets import topology as secrets
from primetime.secrets.value import Value
from primetime.settings import Settings, from_data, packages_of
from primetime.topology import load

S = TypeVar("S", bound=Settings)


@dataclass(frozen=True)
class Peer:
    """A host of the cluster: node name (every host knows those that it may look for) and address."""

    name: str
    address: str


def mine(cls: type[S]) -> S:
    """This host's settings of one class: `mine(Redis).maxmemory_mb`."""
    return from_data(cls, host.data)


def peers(group: str) -> list[Peer]:
    """The hosts of a role (`zookeeper`) or daemon (`hdfs_namenode`), in order of name."""
    return [Peer(**peer) for peer in host.data.cluster.get(group, [])]


def named() -> list[Peer]:
    """The hosts that this one knows by name, itself among them."""
    return [Peer(**peer) for peer in host.data.named]


def address() -> str:
    """This host's own address: what daemons bind to."""
    return str(host.data.address)


def network() -> list[str]:
    """Whom daemons of the cluster talk to: its own network, and the machines that converge."""
    return [str(host.data.network), *map(str, host.data.controllers)]


def spool_volume() -> str:
    """The volume that this host's spool is on; empty where it is a folder of its disk."""
    return str(host.data.spool_volume)


def name() -> str:
    """This host's node name, which every host resolves."""
    return str(host.data.node_name)


def image_root() -> str:
    """The folder on the controlling machine that this host's file system began as; empty where there is none."""
    return str(host.data.image_root)


def release() -> str:
    """The release of the distribution that this host runs: `bookworm`."""
    return str(host.data.release)


def packages(cls: type[Settings]) -> list[str]:
    """The packages that a settings class asks for, by their names on this host's release."""
    return list(packages_of(cls, release()))


def python() -> str:
    """The interpreter of this host's release that the shipper's wheels are for."""
    return f"/usr/bin/python{distributions.python(release())}"


def heap_mb(group: str) -> int:
    """The heap of one JVM daemon here, from the size that the topology gives this host."""
    return int(host.data.heap_mb[group])


def memory() -> tuple[int, bool]:
    """What the topology gives this host in MiB, and whether JVMs have a share of it."""
    return int(host.data.memory_mb), bool(host.data.heap_mb)


def all_groups() -> list[str]:
    """Every inventory group that has a host."""
    return list(host.data.cluster)


def scrapes() -> list[dict[str, Any]]:
    """On a monitoring host: what Prometheus is to scrape of those that do not come and go (primetime/scraping.py)."""
    return list(host.data.scrapes)


def probes() -> list[dict[str, Any]]:
    """On a monitoring host: which endpoints are to be asked from outside whether they answer."""
    return list(host.data.probes)


def members() -> dict[str, Any]:
    """On a monitoring host: how it finds members of groups that scale (primetime/discovery.py)."""
    return dict(host.data.discovery)


def checks() -> list[dict[str, Any]]:
    """On a host of Nagios: what it asks of whom (primetime/scraping.py)."""
    return list(host.data.checks)


def showtimes() -> dict[str, Any]:
    """On a monitoring host: the shows that have a start (primetime/showtimes.py)."""
    return dict(host.data.showtimes)


def shows() -> list[str]:
    """The declared shows."""
    return list(host.data.shows)


def artifacts(kind: str) -> str:
    """Where the controlling machine keeps what it built for hosts (`jars`, `shipper`): a local folder or file."""
    return str(host.data.artifacts[kind])


def secrets_since() -> dict[str, datetime]:
    """The secrets that this host works with, and when each was set: no secret itself."""
    return secrets.since(load(host.data.topology), host.groups)


def secret(name: str) -> Value:
    """A secret's value. It comes from the store at this moment: the host's data, which pyinfra prints, has none."""
    return secrets.value(load(host.data.topology), name)
