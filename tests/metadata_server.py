"""An instance's metadata service, on loopback or elsewhere: IMDSv2, its paths in a mapping that a test changes."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import MappingProxyType


@dataclass
class MetadataServer:
    """`paths`: what is under meta-data/, `of` the same for who asks from an address; what is not there is a 404."""

    url: str = ""
    paths: dict[str, str] = field(default_factory=dict)
    of: dict[str, dict[str, str]] = field(default_factory=dict)


@contextmanager
def metadata_server(address: tuple[str, int] = ("127.0.0.1", 0)) -> Iterator[MetadataServer]:
    told = MetadataServer()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            asked_s = self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
            lasts = {"X-aws-ec2-metadata-token-ttl-seconds": asked_s} if asked_s else {}
            self._answer("a-token" if self.path == "/latest/api/token" else None, lasts)

        def do_GET(self) -> None:
            asked = self.path.removeprefix("/latest/meta-data/")
            paths = told.of.get(self.client_address[0], told.paths)
            self._answer(paths.get(asked) if self.headers["X-aws-ec2-metadata-token"] == "a-token" else None)

        def _answer(self, text: str | None, headers: Mapping[str, str] = MappingProxyType({})) -> None:
            with contextlib.suppress(ConnectionError):  # who asked no longer waits
                self.send_response(404 if text is None else 200)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write((text or "").encode())

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(address, Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    told.url = f"http://{address[0]}:{server.server_address[1]}"
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
