"""Tells Prometheus the shipper's numbers: a process of its own, which reads the status and touches nothing else.

Started by the supervisor like a lane; so whoever asks, however slowly, makes neither the supervisor nor a lane wait.
"""

from __future__ import annotations

import json
import logging
import os
import socketserver
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Event
from typing import Any

from primetime.errors import PrimetimeError
from primetime.shipper import metrics

log = logging.getLogger("shipper")

LOOK_EVERY_S = 0.2
STALE_S = 15.0  # a supervisor that says nothing for so long is as good as dead, and its numbers are not told
PATIENCE_S = 5.0  # with one who asks
MOST_AT_ONCE = 8


class _Answer(BaseHTTPRequestHandler):
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.settimeout(PATIENCE_S)

    def do_GET(self) -> None:
        if self.path != "/metrics":
            self._say(404, "nothing is here: GET /metrics\n")
            return
        try:
            text = metrics.render(fresh(self.server.status))
        except PrimetimeError as error:
            self._say(503, f"{error}\n")
        else:
            self._say(200, text, "text/plain; version=0.0.4")

    def _say(self, code: int, text: str, kind: str = "text/plain") -> None:
        body = text.encode()
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None:
        """Who asked and when is nobody's business."""


class _Server(socketserver.ThreadingTCPServer):
    """Answers a few at once; who comes on top is hung up on."""

    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    timeout = LOOK_EVERY_S

    def __init__(self, address: str, port: int, status: Path) -> None:
        self.status = status
        self._room = threading.BoundedSemaphore(MOST_AT_ONCE)
        super().__init__((address, port), _Answer)

    def get_request(self) -> tuple[Any, Any]:
        try:
            return super().get_request()
        except ConnectionError:  # gone before it was its turn
            raise
        except OSError as error:  # the port is lost, and waiting for it would wait no more
            raise PrimetimeError(f"the port for metrics is lost: {error}") from error

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked went away."""


def fresh(path: Path) -> dict[str, Any]:
    """The status; PrimetimeError when there is none, or it is no longer true."""
    try:
        status = dict(json.loads(path.read_text()))
    except FileNotFoundError as error:
        raise PrimetimeError(f"{path}: not there yet: the shipper has just started") from error
    age_s = time.time() - status["at_ms"] / 1000
    if age_s > STALE_S:
        raise PrimetimeError(f"{path}: {age_s:.0f} s old: the shipper's supervisor stands still")
    return status


def run(address: str, port: int, status: Path, stop: Event, supervisor: int) -> None:
    """Until `stop` is set, or the process `supervisor` is no longer the parent."""
    try:
        with _Server(address, port, status) as server:
            while not stop.is_set() and os.getppid() == supervisor:
                server.handle_request()
    except (OSError, PrimetimeError) as error:
        log.error("no metrics on %s:%d: %s", address, port, error)
        sys.exit(1)
