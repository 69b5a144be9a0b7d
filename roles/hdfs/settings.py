"""HDFS: its knobs, and what its daemons expose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint

METRICS = "/prom"
WEB = ("hdfs", "hbase", "controller", "monitoring")


@dataclass(frozen=True)
class Hdfs:
    """What holds for the file system as a whole. Both numbers are capped by how many DataNodes there are."""

    group: ClassVar[str] = "hdfs"
    packages: ClassVar[tuple[str, ...]] = ("default-jre-headless",)  # 17 on bookworm, 21 on trixie and noble
    packages_on: ClassVar[Mapping[str, tuple[str, ...]]] = {"jammy": ("openjdk-17-jre-headless",)}  # its own is 11

    replication: int = 3
    min_replication: int = 2  # HBase's log refuses writes below this: no acknowledged event is on one disk only


@dataclass(frozen=True)
class HdfsNamenode:
    """Which file is where. There is one: it is asked when a file opens or closes, not for every write."""

    group: ClassVar[str] = "hdfs_namenode"
    services: ClassVar[tuple[str, ...]] = ("primetime-hdfs-namenode",)
    single: ClassVar[bool] = True
    heap_weight: ClassVar[int] = 2

    rpc_port: int = 8020
    http_port: int = 9870
    handlers: int = 10  # 20 a DataNode's worth of HBase is the rule of thumb from 3 DataNodes on
    safemode_extension_ms: int = 2000  # after the last missing block is reported; 30 s of standstill otherwise
    dead_datanode_recheck_ms: int = (
        15_000  # silent for twice this and 10 heartbeats, a DataNode is dead; 10 min otherwise
    )

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("rpc", self.rpc_port, open_to=["hdfs", "hbase"], protocol="hadoop"),
            Endpoint("http", self.http_port, open_to=WEB, protocol="http", scrape=METRICS),
        ]


@dataclass(frozen=True)
class HdfsDatanode:
    """The blocks. One on each RegionServer's host, so that reads stay local."""

    group: ClassVar[str] = "hdfs_datanode"
    services: ClassVar[tuple[str, ...]] = ("primetime-hdfs-datanode",)
    sysctls: ClassVar[Mapping[str, int]] = {"vm.swappiness": 1}  # a heap on disk makes collections last for seconds
    needs: ClassVar[tuple[str, ...]] = ("hdfs_namenode",)
    heap_weight: ClassVar[int] = 2

    data_port: int = 9866
    ipc_port: int = 9867
    http_port: int = 9864
    heartbeat_s: int = 1  # recoveries are ordered in the answer to a heartbeat: 3 s each otherwise
    reserved_disk_mb: int = 1024  # left for logs and the system: a full disk must refuse blocks, not stop the host

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("data", self.data_port, open_to=["hdfs", "hbase"], protocol="hadoop"),
            Endpoint("ipc", self.ipc_port, open_to=["hdfs", "hbase"], protocol="hadoop"),
            Endpoint("http", self.http_port, open_to=WEB, protocol="http", scrape=METRICS),
        ]


SETTINGS = (Hdfs, HdfsNamenode, HdfsDatanode)
