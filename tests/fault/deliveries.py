"""Faults of clients: every delivery doubled, and the same id with other bytes."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from primetime.rehearsal.certificate import Certificate
from tests.fault.cluster import Cluster
from tests.fault.faults import Fault
from tests.relay import Relay

MORE = 2000  # updates delivered a second time: no accident comes near it
ENOUGH = 100  # requests, while the burst still runs


class Proxy(Relay):
    """Between a burst and a collector: before it passes a request on, it sends what `extra` makes of it.

    Only the answer to the request itself goes back. `sent` counts what was answered 204 of the extras. `extra` is asked
    by one connection at a time.
    """

    def __init__(self, target: tuple[str, int]) -> None:
        self.extra: Callable[[bytes], bytes | None] = lambda request: None
        self.sent = 0
        self._turn = threading.Lock()
        super().__init__(target)

    def talk(self, client: socket.socket, server: socket.socket) -> None:
        while request := message(client):
            with self._turn:
                extra = self.extra(request)
            if extra:
                server.sendall(extra)
                taken = message(server).startswith(b"HTTP/1.1 204")
                with self._turn:
                    self.sent += taken
            server.sendall(request)
            client.sendall(message(server))


def message(peer: socket.socket) -> bytes:
    """One HTTP message, head and body; empty when the peer has no more."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := peer.recv(65536)):
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0)
    while len(body) < length:
        if not (more := peer.recv(65536)):
            return b""
        data, body = data + more, body + more
    return data


@contextmanager
def proxied(cluster: Cluster) -> Iterator[None]:
    """The burst goes through a proxy; `cluster.kept` has it."""
    proxy = Proxy(cluster.collectors[0])
    cluster.kept["proxy"], direct, cluster.collectors = proxy, cluster.collectors, [proxy.address]
    try:
        yield
    finally:
        cluster.collectors = direct
        proxy.close()


def double(cluster: Cluster) -> None:
    cluster.kept["proxy"].extra = lambda request: request


def doubled(cluster: Cluster, _: object) -> str:
    proxy: Proxy = cluster.kept["proxy"]
    cluster.wait(lambda: proxy.sent >= ENOUGH, "requests delivered twice")
    return f"{proxy.sent} requests delivered twice so far, each answered 204 both times"


def came_twice(certificate: Certificate) -> None:
    assert certificate.duplicates > MORE, f"{certificate.duplicates} duplicates"
    assert certificate.conflicts == 0


def alter_one(cluster: Cluster) -> None:
    """The first event of the next request goes ahead by itself, with its id and another user."""
    cluster.kept["proxy"].extra = partial(_altered, cluster)


def _altered(cluster: Cluster, request: bytes) -> bytes | None:
    """None once it was done."""
    if "conflict" in cluster.kept:
        return None
    body = request.partition(b"\r\n\r\n")[2]
    first = body[1:].partition(b"}}")[0] + b"}}"
    other = first.replace(b'"user":"viewer', b'"user":"Viewer')
    cluster.kept["conflict"] = first, other
    return b"POST /events HTTP/1.1\r\nHost: collector\r\nContent-Length: %d\r\n\r\n[%s]" % (len(other) + 2, other)


def both_kept(cluster: Cluster, _: object) -> str:
    cluster.wait(lambda: "conflict" in cluster.kept, "a request to alter")
    wanted = set(cluster.kept["conflict"])
    cluster.wait(lambda: set(cluster.cells(cluster.kept["conflict"][0])) == wanted, "both in HBase")
    return "both are in HBase under the id, one conflict"


def one_conflict(certificate: Certificate) -> None:
    assert certificate.conflicts == 1


FAULTS = [
    Fault(
        "every delivery doubled",
        double,
        doubled,
        Cluster.accepts,
        around=proxied,
        certified=came_twice,
        batch=50,
        quick=True,
    ),
    Fault(
        "the same id with other bytes",
        alter_one,
        both_kept,
        Cluster.accepts,
        around=proxied,
        certified=one_conflict,
        batch=50,
        quick=True,
    ),
]
