"""Who may connect to whom: derived from every `Endpoint`, for the hosts' firewalls and for the proof that they hold.

Called by the inventory. All addresses are IPv4; a flow is one TCP or UDP port on one host.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import NamedTuple

from primetime.endpoints import Endpoint

ANY = "0.0.0.0/0"
CLOSED = 4  # a port that nobody declares (unassigned by IANA): it must not answer


@dataclass(frozen=True)
class Flow:
    """`sources` may open connections to `port` on `address`; addresses, networks, or ANY."""

    name: str
    address: str
    port: int
    transport: str
    sources: tuple[str, ...]

    def open_to(self, address: str) -> bool:
        return address in self.sources or any(_within(address, source) for source in self.sources)


class Probe(NamedTuple):
    """One thing to try: whether a packet to `port` on `address` gets through; `wanted` says whether it must."""

    transport: str
    address: str
    port: int
    wanted: bool


def flows(
    exposed: Mapping[str, Iterable[tuple[str, Endpoint]]],
    members: Mapping[str, Sequence[str]],
    controllers: Sequence[str],
) -> list[Flow]:
    """Every flow of a cluster.

    `exposed`: address → (group, endpoint) of what that host exposes; `members`: group → addresses, or the network that
    they come from; `controllers`: addresses or networks of the machines that converge.
    """
    return [
        Flow(
            name=f"{group} {endpoint.name}",
            address=address,
            port=endpoint.port,
            transport=endpoint.transport,
            sources=_sources(endpoint, members, controllers),
        )
        for address, endpoints in exposed.items()
        for group, endpoint in endpoints
        if not endpoint.loopback
    ]


def _sources(endpoint: Endpoint, members: Mapping[str, Sequence[str]], controllers: Sequence[str]) -> tuple[str, ...]:
    if "public" in endpoint.open_to:
        return (ANY,)
    found = {address for name in endpoint.open_to for address in members.get(name, ())}
    found |= set(controllers) if "controller" in endpoint.open_to else set()
    return tuple(sorted(each for each in found if not any(_within(each, other) for other in found if other != each)))


def _within(source: str, network: str) -> bool:
    """Whether an address, or a network, is in a network; names are in none."""
    if "/" not in network:
        return False
    try:
        return IPv4Network(source).subnet_of(IPv4Network(network))
    except ValueError:
        return False


def into(every: Iterable[Flow], address: str) -> list[Flow]:
    """The flows that end at a host."""
    return [flow for flow in every if flow.address == address]


def out_of(every: Iterable[Flow], address: str) -> list[Flow]:
    """The flows that a host may begin; to itself it goes by the loopback, which is open."""
    return [flow for flow in every if flow.address != address and flow.open_to(address)]


def probes(
    every: Sequence[Flow], source: str, targets: Iterable[str], listening: Iterable[tuple[str, int]] = ()
) -> list[Probe]:
    """What `source` is to try on each of `targets` but itself: each port that any host declares or that something
    listens on anywhere (`listening`: transport, port), and one that is neither."""
    ports = {(flow.transport, flow.port) for flow in every} | set(listening) | {("tcp", CLOSED), ("udp", CLOSED)}
    allowed = {(flow.transport, flow.address, flow.port) for flow in every if flow.open_to(source)}
    return [
        Probe(transport, address, port, (transport, address, port) in allowed)
        for address in targets
        for transport, port in sorted(ports)
        if address != source
    ]
