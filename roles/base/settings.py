"""Base: what every host has, whatever it runs."""

from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint


@dataclass(frozen=True)
class Base:
    """Every host is in this group."""

    group: ClassVar[str] = "base"
    services: ClassVar[tuple[str, ...]] = ("ssh", "primetime-firewall")
    packages: ClassVar[tuple[str, ...]] = ("nftables",)

    ssh_port: int = 22
    package_ports: tuple[int, ...] = (80, 443)  # to mirrors outside the cluster's network; nothing else leaves it
    apt_wait_s: int = 120  # the apt of a converge that was killed goes on for as long as its largest package
    free_disk_mb: int = 200  # an upgrade of a large package, twice: below, apt is left half done and segments refused
    journal_max_mb: int = 64  # a test host's disk is its controlling machine's; a day's warnings fit in this
    journal_burst: int = 5000  # lines of one unit in half a minute: several stack traces of a JVM; the rest are counted

    def exposes(self) -> list[Endpoint]:
        return [Endpoint("ssh", self.ssh_port, open_to=["controller"], protocol="ssh")]


@dataclass(frozen=True)
class BaseExporter:
    """What a host's kernel says of it, for Prometheus: on every host as soon as a topology has monitoring."""

    group: ClassVar[str] = "base_exporter"
    watches: ClassVar[str] = "base"
    services: ClassVar[tuple[str, ...]] = ("primetime-base-exporter",)
    packages: ClassVar[tuple[str, ...]] = ("prometheus-node-exporter",)

    port: int = 9100
    # only what alerts and consoles show: a scrape then takes a few milliseconds, on whatever host
    collectors: tuple[str, ...] = (
        "cpu",
        "diskstats",
        "filesystem",
        "loadavg",
        "meminfo",
        "netdev",
        "pressure",
        "textfile",
        "uname",
    )

    def exposes(self) -> list[Endpoint]:
        return [Endpoint("http", self.port, open_to=["monitoring"], protocol="http", scrape="/metrics")]


SETTINGS = (Base, BaseExporter)
