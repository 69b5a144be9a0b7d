"""How a program of ours tells Prometheus its figures. By the standard library alone: hosts run this very file.

Called by templates/collectd/receiver.py, templates/monitoring/showtimes.py and templates/zookeeper/exporter.py, beside
which their roles put it.
"""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer

PATIENCE_S = 4.0  # with one who asks: less than Prometheus has


class Threaded(ThreadingTCPServer):
    """A thread for each connection; none holds up the end of the program."""

    allow_reuse_address = True
    daemon_threads = True


class Teller(Threaded):
    """Answers GET /metrics with what `rendered` returns, in Prometheus' text format, and 404 to all else."""

    def __init__(self, address: tuple[str, int], rendered: Callable[[], str]) -> None:
        super().__init__(address, _Answer)
        self.rendered = rendered


class _Answer(BaseHTTPRequestHandler):
    server: Teller
    timeout = PATIENCE_S

    def do_GET(self) -> None:
        if self.path != "/metrics":
            self.send_error(404)
            return
        body = self.server.rendered().encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:
        """Who asked and when is nobody's business."""
