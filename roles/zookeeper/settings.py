"""ZooKeeper: its knobs, and what it exposes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint


@dataclass(frozen=True)
class Zookeeper:
    """A member of the ensemble; all hosts of the group form one."""

    group: ClassVar[str] = "zookeeper"
    services: ClassVar[tuple[str, ...]] = ("primetime-zookeeper",)
    packages: ClassVar[tuple[str, ...]] = ("default-jre-headless",)  # 17 on bookworm, 21 on trixie and noble
    packages_on: ClassVar[Mapping[str, tuple[str, ...]]] = {"jammy": ("openjdk-17-jre-headless",)}  # its own is 11
    heap_weight: ClassVar[int] = 1
    quorum: ClassVar[bool] = True

    client_port: int = 2181
    peer_port: int = 2888  # followers to the leader, who alone listens there
    election_port: int = 3888
    tick_ms: int = 2000  # sessions last 2 to 20 ticks: this must admit HBase's session_timeout_ms
    init_ticks: int = 10  # for a follower to catch up with its leader when it joins
    sync_ticks: int = 5  # behind the leader by more: the follower is dropped

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("client", self.client_port, open_to=["zookeeper", "hbase", "monitoring"], protocol="zookeeper"),
            Endpoint("peer", self.peer_port, open_to=["zookeeper"], leader_only=True),
            Endpoint("election", self.election_port, open_to=["zookeeper"]),
        ]


@dataclass(frozen=True)
class ZookeeperExporter:
    """What ZooKeeper says of itself, for Prometheus: beside each member as soon as a topology has monitoring."""

    group: ClassVar[str] = "zookeeper_exporter"
    watches: ClassVar[str] = "zookeeper"
    services: ClassVar[tuple[str, ...]] = ("primetime-zookeeper-exporter",)
    packages: ClassVar[tuple[str, ...]] = ("python3",)

    port: int = 9141

    def exposes(self) -> list[Endpoint]:
        return [Endpoint("http", self.port, open_to=["monitoring"], protocol="http", scrape="/metrics")]


SETTINGS = (Zookeeper, ZookeeperExporter)
