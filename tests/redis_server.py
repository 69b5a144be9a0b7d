"""A Redis of a test's own, on a socket in its folder, with the settings that matter to the counts."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import redis

from primetime.shipper.redis_sink import connect


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class RedisServer:
    """redis-server as the role sets it up: appended to disk, never evicting. `kill` keeps the data for `start`."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self.folder, self._port = folder, port
        self.socket = folder / "redis.sock"
        self.start()

    def start(self) -> None:
        settings = {
            "port": str(self._port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "set-max-intset-entries": "4096",
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
        until = time.monotonic() + 20
        while True:
            try:
                self.client().ping()
                return
            except redis.RedisError:
                assert time.monotonic() < until
                time.sleep(0.02)

    def client(self) -> redis.Redis:
        return connect(unix_socket_path=str(self.socket))

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
