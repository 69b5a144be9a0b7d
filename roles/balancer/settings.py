"""Balancer: its knobs, and what it exposes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint


@dataclass(frozen=True)
class Balancer:
    """HAProxy passes phones' connections on to collectors that are ready, without looking into them."""

    group: ClassVar[str] = "balancer"
    services: ClassVar[tuple[str, ...]] = ("primetime-balancer",)
    packages: ClassVar[tuple[str, ...]] = ("haproxy",)
    # as the collector's: a burst's connections wait here until a thread takes them
    sysctls: ClassVar[Mapping[str, int]] = {"net.core.somaxconn": 4096, "net.ipv4.tcp_max_syn_backlog": 4096}

    port: int = 80
    metrics_port: int = 8405
    threads: int = 2
    max_connections: int = 24_000  # each takes two files, and 34 KiB of buffers while bytes pass
    open_files: int = 49_152
    check_every_ms: int = 1000  # of /ready; a collector leaves after two that fail, and is back after two that do not
    connect_timeout_ms: int = 1000  # then the connection goes to another collector
    idle_timeout_s: int = 90  # longer than the collector's keep-alive, so that it is the collector that ends one

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("http", self.port, open_to=["public", "controller"], protocol="http"),
            Endpoint(
                "metrics",
                self.metrics_port,
                open_to=["monitoring", "controller"],
                protocol="http",
                scrape="/metrics",
            ),
        ]


SETTINGS = (Balancer,)
