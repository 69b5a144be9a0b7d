"""A proxy before the AWS endpoint of tests: it throttles, resets, swallows answers and falls silent when told to."""

from __future__ import annotations

import http.client
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from tests.aws_wire import ec2_error, query_error

# throttled, reset: AWS never saw the call. lost, silent: it was carried out, and the answer is not heard: the
# connection is closed, or stays open and says nothing (half-open).
THROTTLED, RESET, LOST, SILENT = "throttled", "reset", "lost", "silent"
Answer = tuple[int, bytes]
Whole = tuple[int, bytes, Mapping[str, str]]  # with headers
KEPT = ("content-length", "content-type", "etag", "last-modified")
Faults = Callable[[str], str | None]  # action → which of the above, or None


class Proxy:
    """`faults` says what befalls each call; `seen` is what did, as (action, fault).

    A call that was carried out with a client token gets its first answer again, as from AWS: moto would do it twice.
    """

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target)
        self.faults: Faults = lambda action: None
        self.latency_s = 0.0
        self.answers: dict[str, Callable[[dict[str, str]], Answer]] = {}  # of actions that moto does not know
        self.seen: list[tuple[str, str | None]] = []
        self.slowest_s = 0.0  # that AWS took to answer
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                proxy.serve(self)

            do_GET = do_HEAD = do_PUT = do_DELETE = do_POST  # of S3, whose actions are these verbs

            def log_message(self, *words: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._answered: dict[tuple[str, str], Whole] = {}
        self._closing = threading.Event()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers["Content-Length"] or 0))
        time.sleep(self.latency_s)
        action, asked = _asked(request, body)
        token = asked.get("ClientToken")
        fault = self.faults(action)
        self.seen.append((action, fault))
        if fault == THROTTLED:
            signed = request.headers["Authorization"]
            error = ec2_error("RequestLimitExceeded") if "/ec2/" in signed else query_error("Throttling")
            self._answer(request, 503 if "/ec2/" in signed or "/s3/" in signed else 400, error.encode())
        elif fault == RESET:
            self._drop(request)
        else:
            key = action, token or uuid.uuid4().hex
            answer = self._answered[key] = self._answered.get(key) or self._forward(request, body)
            if fault == SILENT:
                self._closing.wait()
            if fault:
                self._drop(request)
            else:
                self._answer(request, *answer)

    def _forward(self, request: BaseHTTPRequestHandler, body: bytes) -> Whole:
        action, asked = _asked(request, body)
        if action in self.answers:
            return *self.answers[action](asked), {}
        assert self.target.hostname
        began = time.monotonic()
        connection = http.client.HTTPConnection(self.target.hostname, self.target.port, timeout=30)
        try:
            connection.request(request.command, request.path, body, dict(request.headers))
            answer = connection.getresponse()
            return answer.status, answer.read(), dict(answer.getheaders())
        finally:
            connection.close()
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)

    def _answer(
        self, request: BaseHTTPRequestHandler, status: int, text: bytes, headers: Mapping[str, str] | None = None
    ) -> None:
        request.send_response(status)
        kept = {name: value for name, value in (headers or {}).items() if name.lower() in KEPT}
        for name, value in {"Content-Length": str(len(text)), **kept}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(text)

    def _drop(self, request: BaseHTTPRequestHandler) -> None:
        request.close_connection = True
        request.connection.shutdown(socket.SHUT_RDWR)


def _asked(request: BaseHTTPRequestHandler, body: bytes) -> tuple[str, dict[str, str]]:
    """(action, its values), as the service's protocol says them; of S3 and JSON the action alone."""
    if target := request.headers["X-Amz-Target"]:
        return target.rpartition(".")[2], {}
    if "/s3/" in request.headers["Authorization"]:
        return request.command, {}
    asked = dict(parse_qsl(body.decode()))
    return asked["Action"], asked


@contextmanager
def proxy_before(target: str) -> Iterator[Proxy]:
    proxy = Proxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
