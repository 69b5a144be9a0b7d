"""HBase: its knobs, and what its daemons expose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint

METRICS = "/prometheus"


@dataclass(frozen=True)
class Hbase:
    """What holds for the store as a whole."""

    group: ClassVar[str] = "hbase"
    packages: ClassVar[tuple[str, ...]] = ("default-jre-headless",)  # 17 on bookworm, 21 on trixie and noble
    packages_on: ClassVar[Mapping[str, tuple[str, ...]]] = {"jammy": ("openjdk-17-jre-headless",)}  # its own is 11

    session_timeout_ms: int = 10_000  # a RegionServer silent for longer is dead; well above its JVM's longest pause
    regions_per_server: int = 8  # of `events`: enough to spread over cores and to move, few enough for large files
    message_interval_ms: int = 1000  # RegionServers to the master: it also decides how soon a new one is seen


@dataclass(frozen=True)
class HbaseMaster:
    """Assigns regions; writes go on without it. More than one: the others stand by."""

    group: ClassVar[str] = "hbase_master"
    services: ClassVar[tuple[str, ...]] = ("primetime-hbase-master",)
    needs: ClassVar[tuple[str, ...]] = ("zookeeper", "hdfs")
    heap_weight: ClassVar[int] = 3

    port: int = 16000
    http_port: int = 16010
    balancer_period_ms: int = 60_000  # how long a restarted RegionServer stands empty beside full ones; 5 min otherwise

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("rpc", self.port, open_to=["hbase"], protocol="hbase"),
            Endpoint("http", self.http_port, open_to=["controller", "monitoring"], protocol="http", scrape=METRICS),
        ]


@dataclass(frozen=True)
class HbaseRegionserver:
    """Takes the writes; its CPU is what limits how fast a burst is stored."""

    group: ClassVar[str] = "hbase_regionserver"
    services: ClassVar[tuple[str, ...]] = ("primetime-hbase-regionserver",)
    sysctls: ClassVar[Mapping[str, int]] = {"vm.swappiness": 1}  # a heap on disk makes collections last for seconds
    needs: ClassVar[tuple[str, ...]] = ("zookeeper", "hdfs", "hbase_master")
    heap_weight: ClassVar[int] = 16

    port: int = 16020
    http_port: int = 16030
    handlers: int = 30
    memstore_share: float = 0.5  # of the heap: in 700 MiB, a million events of 150 bytes before it must write
    # Of the heap: with the memstores it must fit into what young objects leave (deploy.py).
    block_cache_share: float = 0.1
    # What a burst left in memory goes to disk soon after: the next one finds room, and a crash has little to replay.
    flush_after_s: int = 20
    flush_spread_s: int = 5  # the regions of a server take turns within this
    log_wait_s: int = 60  # how long it waits for a DataNode to write its log to: one is back within ten
    # Compacting competes with a burst for CPU and disk: seldom, and slowly unless files pile up.
    compaction_files: int = 10
    compaction_mb_per_s: int = 5

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("rpc", self.port, open_to=["hbase", "shipper"], protocol="hbase"),
            Endpoint("http", self.http_port, open_to=["controller", "monitoring"], protocol="http", scrape=METRICS),
        ]


@dataclass(frozen=True)
class HbaseThrift:
    """The way in for whoever is not Java: Thrift2, binary, unframed. Stateless: have as many as there are shippers."""

    group: ClassVar[str] = "hbase_thrift"
    services: ClassVar[tuple[str, ...]] = ("primetime-hbase-thrift",)
    needs: ClassVar[tuple[str, ...]] = ("zookeeper", "hbase_master", "hbase_regionserver")
    heap_weight: ClassVar[int] = 4

    port: int = 9090
    http_port: int = 9095
    idle_timeout_ms: int = 120_000  # a quiet shipper keeps its connection; one thread each is what it costs

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("thrift", self.port, open_to=["shipper", "controller", "hbase"], protocol="thrift"),
            Endpoint("http", self.http_port, open_to=["controller", "monitoring"], protocol="http", scrape=METRICS),
        ]


SETTINGS = (Hbase, HbaseMaster, HbaseRegionserver, HbaseThrift)
