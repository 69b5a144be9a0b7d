"""Redis: its knobs, and what it exposes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint
from primetime.secrets.declared import Secret

RELOADED = "Redis loads its users anew, nobody restarts"


@dataclass(frozen=True)
class Redis:
    """Live counts of the show; never the only copy of anything."""

    group: ClassVar[str] = "redis"
    services: ClassVar[tuple[str, ...]] = ("primetime-redis",)
    packages: ClassVar[tuple[str, ...]] = ("redis-server",)
    # a rewrite of its file forks: without it the kernel refuses as soon as twice the memory is not free
    sysctls: ClassVar[Mapping[str, int]] = {"vm.overcommit_memory": 1}
    reserved_mb: ClassVar[int] = 224  # of a host that it shares with JVMs
    system_mb: ClassVar[int] = 32  # systemd, sshd and journald beside it

    secrets: ClassVar[tuple[Secret, ...]] = (
        Secret(
            "redis_shipper",
            "the shipper counts",
            f"{RELOADED}; the shipper logs in again and repeats its call",
            readers=("shipper",),
        ),
        Secret("redis_monitoring", "monitoring reads INFO", RELOADED),
        Secret("redis_controller", "the controlling machine reads and mends counts", RELOADED),
    )

    port: int = 6379
    open_files: int = 16_384  # its default of 10,000 clients, and its own files
    # 0: half of what its host has beside its system. Half, since while its file is written anew each page that changes
    # is there twice, and a burst changes all of them. In the demo's 112 MiB fit five bursts of a million by the same
    # million users within 40 minutes, or three million events by as many users (a user's last vote in a poll is kept).
    # Full: counting waits, storing does not.
    maxmemory_mb: int = 0
    appendfsync: str = "everysec"  # counts are recomputed from HBase when a crash loses their last second

    def bound_mb(self, host_mb: int, shared: bool) -> int:
        """What its data may take in MiB on a host of `host_mb`, `shared` with JVMs or its own."""
        return self.maxmemory_mb or (self.reserved_mb if shared else host_mb - self.system_mb) // 2

    def exposes(self) -> list[Endpoint]:
        return [Endpoint("redis", self.port, open_to=["shipper", "monitoring", "controller"], protocol="redis")]


@dataclass(frozen=True)
class RedisExporter:
    """What Redis says of itself, for Prometheus: beside each Redis as soon as a topology has monitoring."""

    group: ClassVar[str] = "redis_exporter"
    watches: ClassVar[str] = "redis"
    services: ClassVar[tuple[str, ...]] = ("primetime-redis-exporter",)
    packages: ClassVar[tuple[str, ...]] = ("prometheus-redis-exporter",)

    port: int = 9121

    def exposes(self) -> list[Endpoint]:
        return [Endpoint("http", self.port, open_to=["monitoring"], protocol="http", scrape="/metrics")]


SETTINGS = (Redis, RedisExporter)
