"""Shipper: its knobs, and what it exposes: metrics, made of its state, /run/primetime-shipper/status.json."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint


@dataclass(frozen=True)
class Shipper:
    """Reads the spool, feeds HBase and Redis; at least once, with idempotent keys."""

    group: ClassVar[str] = "shipper"
    services: ClassVar[tuple[str, ...]] = ("primetime-shipper",)
    packages: ClassVar[tuple[str, ...]] = ("python3",)
    packages_on: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "jammy": ("python3.11",)
    }  # its own is 3.10, without tomllib
    needs: ClassVar[tuple[str, ...]] = ("hbase",)  # not redis: its lanes wait for that, and the others go on

    hbase_lanes: int = 2  # processes that feed HBase; the collector's workers are shared out among them
    hbase_batch_events: int = 15_000  # in one put: a call of 3.5 MB, and a third of the syncs that 5,000 take
    hbase_timeout_s: float = 60.0  # a RegionServer's death holds a put for its ZooKeeper session and a replay
    dead_letters: int = 10_000  # a source keeps; somebody who fills more than this is not helped by more rows
    redis_lanes: int = 2  # processes that count in Redis, shared out likewise; one alone prepares while Redis waits
    redis_batch_events: int = 5000  # Redis answers nobody else meanwhile: 15 ms
    redis_grace_s: float = 600.0  # how long a segment waits for Redis; then counts are recomputed from HBase
    poll_active_ms: int = 20
    poll_idle_ms: int = 100
    nice: int = 10  # it never takes the CPU that accepting needs
    redis_nice: int = 19  # nor counting in Redis what storing for good needs
    redis_waits_s: float = 10.0  # and waits for so long while HBase is behind: nice does not reach across hosts
    redis_share: float = 0.1  # of the time, once it has waited for so long and HBase is behind all the same
    cpu_weight: int = 20  # the same between control groups; systemd's default is 100
    metrics_port: int = 9146

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint(
                "metrics",
                self.metrics_port,
                open_to=["monitoring", "controller"],
                protocol="http",
                scrape="/metrics",
            ),
        ]


SETTINGS = (Shipper,)
