"""One generator process: its share of the crowd, driven by epoll. Started by crowd.py, which merges their tallies.

A connection has one request in flight and is kept open. A request goes out when it is due, never earlier; the same
bytes are sent again after a 5xx (Retry-After honoured, within bounds), a time-out or a lost connection. Only 204
acknowledges; any other answer refuses. What makes it fast: requests are bytes before the clock starts, and a plain 204
is recognised without being parsed, so that a request costs two system calls.

The process reads a Share (JSON, one line) from standard input, writes how many connections stand, reads when to start
(CLOCK_MONOTONIC seconds), and writes how many requests are answered each second and, last, its tally. It ends when
standard input is closed.
"""

from __future__ import annotations

import gc
import random
import resource
import select
import signal
import sys
from collections import deque
from collections.abc import Callable
from time import monotonic

from primetime.rehearsal.answers import Answer, parse
from primetime.rehearsal.book import NOTHING, Book
from primetime.rehearsal.connection import IDLE, READABLE, WRITABLE, Connection
from primetime.rehearsal.share import Share, Tally

CONNECT_TIMEOUT_S = 3.0
RETRY_LOST_S = 0.1  # a lost connection is mended at once, in all likelihood
REOPEN_MAX_S = 1.0
SWEEP_S = 0.05  # how often time-outs are looked for


class Generator:
    """Sends one share, once. `lifeline` is a file descriptor whose end ends this process."""

    def __init__(self, share: Share, lifeline: int | None = None) -> None:
        self.share = share
        self.book = Book(share)
        self.epoll = select.epoll()
        if lifeline is not None:
            self.epoll.register(lifeline, READABLE)
        self.connections = [
            Connection(share.collectors[number % len(share.collectors)], self.epoll)
            for number in range(share.connections)
        ]
        self.by_fd: dict[int, Connection] = {}
        self.idle: deque[Connection] = deque()

    def connect(self) -> int:
        """Open the crowd before the clock starts: how many connections stand, after CONNECT_TIMEOUT_S at most."""
        deadline = monotonic() + CONNECT_TIMEOUT_S
        for connection in self.connections:
            self._open(connection)
        while len(self.idle) < len(self.by_fd) and monotonic() < deadline:  # some are still connecting
            self._serve(SWEEP_S)
        return len(self.idle)

    def send(self, start: float, report: Callable[[int], None] = lambda answered: None) -> Tally:
        """Send the share from `start` (CLOCK_MONOTONIC seconds) on; returns when nothing is open any more.

        A crowd that is owed answers and gets none for the plan's deadline gives up as a whole.
        """
        heard, heard_at = 0, start
        sweep_at, report_at = start, start + 1
        while not self.book.settled:
            now = monotonic()
            due = self.share.released(now - start)
            self._release(due)
            next_at = self.book.next_at(start) if self.idle else now + SWEEP_S
            self._serve(max(0.0, min(next_at - now, SWEEP_S)))
            if now < sweep_at:
                continue
            sweep_at = now + SWEEP_S
            self._sweep(now)
            if self.book.answered > heard or not self.book.owed(due):
                heard, heard_at = self.book.answered, now
            elif now > heard_at + self.share.burst.plan.deadline_s:
                break
            if now >= report_at:
                report_at = now + 1
                report(self.book.answered)
        return self.book.tally(start)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()
        self.epoll.close()

    def _release(self, due: int) -> None:
        """Send what is due, as far as connections are free."""
        book, idle = self.book, self.idle
        while idle:
            now = monotonic()
            request = book.take(due, now)
            if request == NOTHING:
                return
            connection = idle.popleft()
            try:
                connection.carry(request, book.bytes(request), now)
            except OSError:
                self._lose(connection)

    def _serve(self, wait_s: float) -> None:
        """Take what the epoll has: answers, mostly."""
        by_fd = self.by_fd
        for fd, events in self.epoll.poll(wait_s):
            connection = by_fd.get(fd)
            if connection is None:  # the lifeline: whoever started this process is gone
                raise SystemExit(1)
            try:
                if not connection.connected:
                    connection.finish_connecting()
                    self.idle.append(connection)
                    continue
                if events & WRITABLE:
                    connection.flush()
                if events != WRITABLE:
                    self._receive(connection)
            except BlockingIOError:
                continue
            except (OSError, ValueError):  # lost, or it does not speak HTTP
                self._lose(connection)

    def _receive(self, connection: Connection) -> None:
        data = connection.recv(4096)
        request = connection.request
        if request == IDLE:  # only its end can be meant: nothing was asked
            self._lose(connection)
        elif (
            data.startswith(b"HTTP/1.1 204")
            and data.endswith(b"\r\n\r\n")
            and b"lose" not in data  # Connection: close, Close
            and not (connection.received or connection.unsent)
        ):
            self.book.acknowledge(request, monotonic())
            connection.failures = 0
            connection.request = IDLE
            self.idle.append(connection)
        else:
            connection.received += data
            answer = parse(connection.received, closed=not data)
            if answer:
                self._understand(connection, request, answer)
            elif not data:
                self._lose(connection)

    def _understand(self, connection: Connection, request: int, answer: Answer) -> None:
        """Any answer that is not a plain 204 on a connection that stays open."""
        connection.failures = 0
        if answer.keep_alive and not connection.unsent:
            connection.received = b""
            connection.request = IDLE
            self.idle.append(connection)
        else:
            self._close(connection)
            self._open(connection)
        now = monotonic()
        if answer.status == 204:
            self.book.acknowledge(request, now)
        elif answer.try_again:
            self.book.again(request, now + answer.wait_s(random.random()))
        else:
            self.book.refuse(request, str(answer))

    def _open(self, connection: Connection) -> None:
        try:
            self.by_fd[connection.open(monotonic())] = connection
        except OSError:
            self._lose(connection)

    def _close(self, connection: Connection) -> None:
        if connection.connected and connection.request == IDLE:
            self.idle.remove(connection)
        self.by_fd.pop(connection.close(), None)

    def _lose(self, connection: Connection) -> None:
        """Close it, send its request again, and open it again: soon, or later when that keeps failing."""
        request, now = connection.request, monotonic()
        self._close(connection)
        connection.failures += 1
        connection.since = now + min(SWEEP_S * 2 ** min(connection.failures, 10), REOPEN_MAX_S)
        if request != IDLE:
            self.book.again(request, now + random.uniform(0, RETRY_LOST_S))

    def _sweep(self, now: float) -> None:
        """What took too long is lost; what was lost is opened again."""
        for connection in self.connections:
            if connection.sock is None:
                if now >= connection.since:
                    self._open(connection)
            elif not connection.connected:
                if now > connection.since + CONNECT_TIMEOUT_S:
                    self._lose(connection)
            elif connection.request != IDLE and now > connection.since + self.share.attempt_timeout_s:
                self._lose(connection)


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C reaches the whole group: end, without a traceback
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # a descriptor a connection; many shells allow 1,024
    generator = Generator(Share.from_json(sys.stdin.readline()), lifeline=sys.stdin.fileno())
    print(generator.connect(), flush=True)
    start = float(sys.stdin.readline())
    gc.disable()  # nothing here is cyclic, and a collection is a pause
    tally = generator.send(start, report=lambda answered: print(answered, flush=True))
    print(tally.to_json(), flush=True)


if __name__ == "__main__":
    main()
