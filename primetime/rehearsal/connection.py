"""One kept-open, non-blocking connection of the crowd, watched by the generator's epoll."""

from __future__ import annotations

import contextlib
import errno
import select
import socket

READABLE = select.EPOLLIN
WRITABLE = select.EPOLLOUT
IDLE = -1


class Connection:
    """Carries one request at a time.

    `request` is what it carries, or IDLE. `since` is when that attempt, or connecting, began; while it is closed, when
    to open it again (CLOCK_MONOTONIC seconds). `received` holds an answer that came in parts, `unsent` what the kernel
    has not taken yet; `failures` counts in a row.
    """

    __slots__ = (
        "address", "connected", "epoll", "failures", "received", "recv", "request", "since", "sock", "unsent",
    )  # fmt: skip

    def __init__(self, address: tuple[str, int], epoll: select.epoll) -> None:
        self.address = address
        self.epoll = epoll
        self.sock: socket.socket | None = None
        self.since = 0.0
        self.failures = 0
        self.request = IDLE
        self.connected = False

    def open(self, now: float) -> int:
        """Begin to connect; its file descriptor, for which the epoll reports. OSError when that fails at once."""
        family = socket.AF_INET6 if ":" in self.address[0] else socket.AF_INET
        self.sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.recv = self.sock.recv
        self.since = now
        self.received = self.unsent = b""
        code = self.sock.connect_ex(self.address)
        if code not in (0, errno.EINPROGRESS):
            raise OSError(code, "connect")
        self.epoll.register(self.sock, READABLE | WRITABLE)
        return self.sock.fileno()

    def finish_connecting(self) -> None:
        """The epoll reported: the connection stands. OSError when it does not."""
        assert self.sock
        code = self.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code:
            raise OSError(code, "connect")
        self.connected = True
        self.epoll.modify(self.sock, READABLE)

    def carry(self, request: int, data: bytes, now: float) -> None:
        """Send a request from its first byte on; what the kernel does not take at once follows with `flush`."""
        assert self.sock
        self.request = request
        self.since = now
        sent = 0
        with contextlib.suppress(BlockingIOError):
            sent = self.sock.send(data)
        if sent < len(data):
            self.unsent = data[sent:]
            self.epoll.modify(self.sock, READABLE | WRITABLE)

    def flush(self) -> None:
        """Send on, when the epoll says that there is room."""
        assert self.sock
        with contextlib.suppress(BlockingIOError):
            self.unsent = self.unsent[self.sock.send(self.unsent) :]
        if not self.unsent:
            self.epoll.modify(self.sock, READABLE)

    def close(self) -> int:
        """Close, which takes it out of the epoll as well; the file descriptor that it had, -1 for none."""
        fd = self.sock.fileno() if self.sock else -1
        if self.sock:
            self.sock.close()
        self.sock = None
        self.connected = False
        self.request = IDLE
        return fd
