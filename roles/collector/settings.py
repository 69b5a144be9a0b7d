"""Collector: its knobs, and what it exposes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from primetime.endpoints import Endpoint

ORIGIN = {"pattern": r"\*|https?://[a-z0-9.-]+(:[0-9]+)?", "like": "an origin like https://vote.example.org, or *"}


@dataclass(frozen=True)
class Collector:
    """nginx with a Lua handler: 204 means written and fdatasynced here."""

    group: ClassVar[str] = "collector"
    services: ClassVar[tuple[str, ...]] = ("primetime-collector",)
    # libluajit2 by name: apt may otherwise choose a LuaJIT that this Lua module does not work with
    packages: ClassVar[tuple[str, ...]] = (
        *("nginx", "libnginx-mod-http-lua", "lua-resty-core", "libluajit2-5.1-2"),
        "e2fsprogs",  # makes the file system of a spool that is a volume
    )
    # there OpenResty's LuaJIT has taken the other one's place and name
    packages_on: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "trixie": ("nginx", "libnginx-mod-http-lua", "lua-resty-core", "libluajit-5.1-2", "e2fsprogs"),
    }

    # a burst's connections wait here until a worker takes them; below nginx's own backlog the kernel would cut that
    sysctls: ClassVar[Mapping[str, int]] = {"net.core.somaxconn": 4096, "net.ipv4.tcp_max_syn_backlog": 4096}

    port: int = 8080
    metrics_port: int = 9145
    workers: int = 2  # one per core that accepting may have; 0: as many as the host has
    worker_connections: int = 16_384  # 20,000 phones fit into two workers, shared unevenly too
    open_files: int = 65_536  # a container may clamp this to 20,000; one worker's connections still fit
    body_max_kb: int = 256  # the contract's limit of a request
    client_timeout_s: int = 10  # how long a client may say nothing within a request
    body_deadline_s: int = 30  # for a whole body, however it trickles: 256 KiB at 70 kbit/s
    keepalive_timeout_s: int = 75
    retry_after_s: int = 1
    # web pages of these may send events and read the answers; "*": any page
    origins: tuple[str, ...] = field(default=(), metadata=ORIGIN)
    commit_deadline_ms: int = 2000  # the longest that a request waits for the disk
    # a group of fewer requests than this waits for more, until so long after the last commit began; 0: never
    commit_small: int = 16
    commit_rest_ms: int = 2
    shutdown_timeout_s: int = 10  # what a graceful stop gives requests that are still coming in

    spool_path: str = "/var/spool/primetime"
    spool_budget_mb: int = 4096  # 27 million events of 150 bytes, for as long as the shipper stands still
    segment_mb: int = 64
    # of each, with zeros ahead of time, so that a sync has nothing but the events to write; as much as the last one
    # took, when that is more; 0: none, for file systems that copy on write
    segment_filled_mb: int = 16
    segment_fill_ms: int = 500  # at most, on a disk that is slow: a burst must not wait for its next segment
    segment_age_s: int = 10

    nice: int = -5  # accepting goes before what drains the spool
    cpu_weight: int = 1000  # the same between control groups; systemd's default is 100

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("http", self.port, open_to=["public", "balancer", "controller"], protocol="http"),
            Endpoint(
                "metrics",
                self.metrics_port,
                open_to=["monitoring", "controller"],
                protocol="http",
                scrape="/metrics",
            ),
        ]


SETTINGS = (Collector,)
