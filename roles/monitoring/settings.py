"""Monitoring: its knobs, and what it exposes."""

from dataclasses import dataclass, field
from typing import Any, ClassVar

from primetime.endpoints import Endpoint


@dataclass(frozen=True)
class Monitoring:
    """Prometheus, Alertmanager, and a prober that asks endpoints from outside; never in the path of an event."""

    group: ClassVar[str] = "monitoring"
    services: ClassVar[tuple[str, ...]] = ("primetime-prometheus", "primetime-alertmanager", "primetime-prober")
    packages: ClassVar[tuple[str, ...]] = ("prometheus", "prometheus-alertmanager", "prometheus-blackbox-exporter")
    single: ClassVar[bool] = True
    # What a daemon writes as a label though it changes with time (a regular expression): each change would begin a new
    # series, with which an alert that has to hold begins anew. HDFS' NameNode: how long each journal took to sync.
    moving_labels: ClassVar[str] = "totalsynctimes"

    prometheus_port: int = 9091  # its usual one is HBase's gateway's: one host can have both
    alertmanager_port: int = 9093
    prober_port: int = 9115

    scrape_interval_s: int = 5  # a burst is over within five
    discovery_interval_s: int = 15  # on EC2, how often it is asked for members of groups that scale
    retention_days: int = 15
    retention_mb: int = 1024  # whichever is reached first; what is being written, some 100 MB, comes on top
    # Of the host's memory, where Go begins to collect in earnest; the rest is the system's, Alertmanager's and the
    # prober's, and the kernel's copies of the files that Prometheus maps.
    memory_share: float = 0.45

    # Alert → {threshold, lasts_s}: in place of those that roles/<role>/alerts.py gives a reason for
    alerts: dict[str, Any] = field(default_factory=dict)
    webhook: str = ""  # a URL that is sent what fires and what is over again; nobody is told when empty
    resend_s: int = (
        15  # how often Alertmanager is told again of what fires; what it has not heard of for four times this is over
    )
    group_wait_s: int = 10  # what fires within this is one message
    repeat_h: int = 4  # how often somebody is told again of what goes on

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("prometheus", self.prometheus_port, open_to=["controller"], protocol="http", scrape="/metrics"),
            Endpoint(
                "alertmanager", self.alertmanager_port, open_to=["controller"], protocol="http", scrape="/metrics"
            ),
            Endpoint("prober", self.prober_port, protocol="http", loopback=True),
        ]


@dataclass(frozen=True)
class MonitoringCalendar:
    """When shows begin and how many collectors they need, for Prometheus: on the monitoring host."""

    group: ClassVar[str] = "monitoring_calendar"
    watches: ClassVar[str] = "monitoring"
    services: ClassVar[tuple[str, ...]] = ("primetime-monitoring-calendar",)
    packages: ClassVar[tuple[str, ...]] = ("python3", "tzdata")

    port: int = 9142

    def exposes(self) -> list[Endpoint]:
        return [Endpoint("http", self.port, open_to=["monitoring"], protocol="http", scrape="/metrics")]


SETTINGS = (Monitoring, MonitoringCalendar)
