"""Who may connect to whom: derived from every `Endpoint`, for the hosts' firewalls and for the proof that they hold.

Called by the inventory. All addresses are IPv4; a flow is one TCP or UDP port on one host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from primetime.endpoints import Endpoint

ANY = "0.0.0.0/0"
CLOSED = 4  # a port that nobody declares (unassigned by IANA): it must not answer


@dataclass(frozen=True)
class Flow:
    """`sources` may open connections to `port` on `address`; addresses, or ANY."""

    name: str
    address: str
    port: int
    transport: str
    sources: tuple[str, ...]

    def open_to(self, address: str) -> bool:
        return ANY in self.sources or address in self.sources


def flows(
    exposed: Mapping[str, Iterable[tuple[str, Endpoint]]], members: Mapping[str, Sequence[str]], controller: str
) -> list[Flow]:
    """Every flow of a cluster.

    `exposed`: address → (group, endpoint) of what that host exposes; `members`: group → addresses.
    """
    return [
        Flow(
            name=f"{group} {endpoint.name}",
            address=address,
            port=endpoint.port,
            transport=endpoint.transport,
            sources=_sources(endpoint, members, controller),
        )
        for address, endpoints in exposed.items()
        for group, endpoint in endpoints
        if not endpoint.loopback
    ]


def _sources(endpoint: Endpoint, members: Mapping[str, Sequence[str]], controller: str) -> tuple[str, ...]:
    if "public" in endpoint.open_to:
        return (ANY,)
    found = {address for name in endpoint.open_to for address in members.get(name, ())}
    return tuple(sorted(found | ({controller} if "controller" in endpoint.open_to else set())))


def into(every: Iterable[Flow], address: str) -> list[Flow]:
    """The flows that end at a host."""
    return [flow for flow in every if flow.address == address]


def out_of(every: Iterable[Flow], address: str) -> list[Flow]:
    """The flows that a host may begin; to itself it goes by the loopback, which is open."""
    return [flow for flow in every if flow.address != address and flow.open_to(address)]


def probes(every: Iterable[Flow], source: str) -> list[tuple[str, int, bool]]:
    """(address, port, must answer) for `source` to try on every other host: each port that any host declares, and one
    that none does."""
    tcp = [flow for flow in every if flow.transport == "tcp"]
    allowed = {(flow.address, flow.port) for flow in tcp if flow.open_to(source)}
    ports = sorted({flow.port for flow in tcp} | {CLOSED})
    hosts = sorted({flow.address for flow in tcp} - {source})
    return [(address, port, (address, port) in allowed) for address in hosts for port in ports]
