"""A connection that the other side does not empty fast enough."""

from __future__ import annotations

import os
import select
import socket
import threading
import time

from primetime.rehearsal.connection import WRITABLE, Connection


def test_what_the_kernel_does_not_take_at_once_follows_in_order() -> None:
    data = os.urandom(16 << 20)
    arrived = bytearray()

    def take(server: socket.socket) -> None:
        peer, _ = server.accept()
        with peer:
            while chunk := peer.recv(1 << 20):
                arrived.extend(chunk)

    with socket.create_server(("127.0.0.1", 0)) as server, select.epoll() as epoll:
        reader = threading.Thread(target=take, args=(server,))
        reader.start()
        connection = Connection(server.getsockname(), epoll)
        fd = connection.open(time.monotonic())
        assert epoll.poll(10) == [(fd, WRITABLE)]
        connection.finish_connecting()
        connection.carry(0, data, time.monotonic())
        assert connection.unsent
        while connection.unsent:
            assert epoll.poll(10) == [(fd, WRITABLE)]
            connection.flush()
        assert epoll.poll(0) == []  # it no longer asks for room
        connection.close()
        reader.join()
    assert arrived == data
