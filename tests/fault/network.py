"""Faults of the network between shipper and store."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fault.cluster import COLLECTOR, STORE, Cluster
from tests.fault.faults import Fault, Step, nothing

DELAY_MS = 200  # each way
LOSS_PERCENT = 5
LASTS_S = 15
CONNECT = (
    "import socket, time; began = time.monotonic(); "
    "socket.create_connection(({host!r}, {port}), 3).close(); print(time.monotonic() - began)"
)


def connect_s(cluster: Cluster) -> float | None:
    """How long the collector's host takes to connect to the gateway: one round trip; None when it cannot."""
    host, port = cluster.demo.endpoint("thrift")
    said = cluster.asked(COLLECTOR, f'python3 -c "{CONNECT.format(host=host, port=port)}"')
    return float(said) if said else None


def is_cut(cluster: Cluster, _: object) -> str:
    assert connect_s(cluster) is None, "the collector's host reaches the gateway"
    assert cluster.serves(), "nobody reaches the gateway"
    return "the collector's host does not reach the gateway, the controlling machine does"


def is_slow(cluster: Cluster, _: object) -> str:
    took = connect_s(cluster)
    assert took is not None and took >= 2 * DELAY_MS / 1000, f"a connection was made in {took} s"
    return f"a round trip took {took * 1000:.0f} ms"


def sent_again(cluster: Cluster) -> int:
    """Segments that the collector's host has sent again to the store's, over the connections there are."""
    said = cluster.ssh(COLLECTOR, f"ss -Htin dst {cluster.node(STORE).private_ips[0]}")
    return sum(int(word.partition("/")[2]) for word in said.split() if word.startswith("retrans:"))


def is_lossy(cluster: Cluster, before: int) -> str:
    cluster.wait(lambda: sent_again(cluster) >= before + 5, "five segments sent again")
    return f"{sent_again(cluster) - before} segments sent again by TCP"


def heal(cluster: Cluster) -> None:
    cluster.driver.ex_heal()


def cut(cluster: Cluster) -> None:
    cluster.driver.ex_loss(cluster.node(COLLECTOR), 100, to=cluster.node(STORE))


def slow(cluster: Cluster) -> None:
    cluster.driver.ex_delay(cluster.node(COLLECTOR), DELAY_MS, to=cluster.node(STORE))


def lose(cluster: Cluster) -> None:
    cluster.driver.ex_loss(cluster.node(COLLECTOR), LOSS_PERCENT, to=cluster.node(STORE))


def between(what: str, do: Step, proof: Callable[[Cluster, Any], str], look: Step = nothing) -> Fault:
    name = f"network between shipper and store {what}"
    return Fault(name, do, proof, Cluster.arrives, look=look, undo=heal, lasts_s=LASTS_S)


FAULTS = [
    between("cut", cut, is_cut),
    between(f"{DELAY_MS} ms slow each way", slow, is_slow),
    between(f"loses {LOSS_PERCENT} %", lose, is_lossy, look=sent_again),
]
