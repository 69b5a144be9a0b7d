"""Collectd: its knobs, and what it exposes."""

from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint


@dataclass(frozen=True)
class CollectdReceiver:
    """Takes what the agents of all hosts write, and shows the newest of it to Prometheus, which keeps it."""

    group: ClassVar[str] = "collectd_receiver"
    services: ClassVar[tuple[str, ...]] = ("primetime-collectd-receiver",)
    packages: ClassVar[tuple[str, ...]] = ("python3",)
    needs: ClassVar[tuple[str, ...]] = ("monitoring",)
    single: ClassVar[bool] = True

    port: int = 2003  # Graphite's: agents write in its language
    http_port: int = 9103
    keep_s: int = 60  # a figure that nobody renewed for so long is not shown any more
    most_figures: int = 20_000  # of all hosts together, some 10 MB; what comes beyond is counted and dropped

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("figures", self.port, open_to=["collectd_agent"]),
            Endpoint("http", self.http_port, open_to=["monitoring"], protocol="http", scrape="/metrics"),
        ]


@dataclass(frozen=True)
class CollectdAgent:
    """Writes what a host's kernel says of it: on every host as soon as a topology has a receiver."""

    group: ClassVar[str] = "collectd_agent"
    watches: ClassVar[str] = "base"
    watched_for: ClassVar[str] = "collectd/receiver"
    services: ClassVar[tuple[str, ...]] = ("primetime-collectd-agent",)
    packages: ClassVar[tuple[str, ...]] = ("collectd-core",)

    interval_s: int = 10  # between two figures of the same thing
    plugins: tuple[str, ...] = ("cpu", "df", "disk", "interface", "load", "memory", "swap", "uptime")
    queue: int = 5000  # figures that wait while the receiver is slow; further ones are dropped


SETTINGS = (CollectdReceiver, CollectdAgent)
