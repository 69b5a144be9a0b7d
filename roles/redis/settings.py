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
    # Half of the smallest host: while its file is written anew, each page that changes is there twice, and a burst
    # changes all of them. Five bursts of a million by the same million users within 40 minutes fit, three million by as
    # many users do (a user's last vote in a poll is kept). Full: counting waits, storing does not.
    maxmemory_mb: int = 112
    appendfsync: str = "everysec"  # counts are recomputed from HBase when a crash loses their last second

    def exposes(self) -> list[Endpoint]:
        return [Endpoint("redis", self.port, open_to=["shipper", "monitoring", "controller"], protocol="redis")]


SETTINGS = (Redis,)
