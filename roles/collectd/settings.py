"""Collectd: its knobs, and what it exposes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint
from primetime.secrets.declared import Secret

AGENT = ("collectd-core", "libgcrypt20")  # the second encrypts, and the first only suggests it


@dataclass(frozen=True)
class CollectdReceiver:
    """Receives what the agents of all hosts send, and keeps it in RRD files, whose size never changes."""

    group: ClassVar[str] = "collectd_receiver"
    services: ClassVar[tuple[str, ...]] = ("primetime-collectd-receiver",)
    packages: ClassVar[tuple[str, ...]] = (*AGENT, "librrd8")
    packages_on: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "trixie": (*AGENT, "librrd8t64"),
        "noble": (*AGENT, "librrd8t64"),
    }
    single: ClassVar[bool] = True
    secrets: ClassVar[tuple[Secret, ...]] = (
        Secret(
            "collectd_receiver_agents",
            "encrypts what agents send",
            "the receiver and every agent restart; until all have the new one, what the others send is dropped",
            readers=("collectd_agent",),
        ),
    )

    port: int = 25826
    interval_s: int = 10  # between two figures of the same thing
    # How far back each file reaches, 1200 figures each: an hour as it was sent, the rest as averages
    timespans_s: tuple[int, ...] = (3600, 86_400, 604_800, 2_678_400)

    def exposes(self) -> list[Endpoint]:
        return [Endpoint("network", self.port, open_to=["collectd_agent"], transport="udp")]


@dataclass(frozen=True)
class CollectdAgent:
    """Sends what a host's kernel says of it: on every host as soon as a topology has a receiver."""

    group: ClassVar[str] = "collectd_agent"
    watches: ClassVar[str] = "base"
    watched_for: ClassVar[str] = "collectd/receiver"
    services: ClassVar[tuple[str, ...]] = ("primetime-collectd-agent",)
    packages: ClassVar[tuple[str, ...]] = AGENT

    plugins: tuple[str, ...] = ("cpu", "df", "disk", "interface", "load", "memory", "swap", "uptime")


SETTINGS = (CollectdReceiver, CollectdAgent)
