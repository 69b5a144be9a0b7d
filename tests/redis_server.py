"""A Redis of a test's own, on a socket in its folder, with the settings that matter to the counts, and its users."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import redis

from primetime.operations import rendered
from primetime.secrets.value import Value
from primetime.shipper.redis_sink import Login, connect
from tests.waiting import PATIENCE_S


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
        self.users = folder / "users.acl"
        self.password = folder / "redis.password"  # the shipper's
        self.set_password("of a test")
        self.start()

    def set_password(self, text: str) -> None:
        """The role's users, all with this password, beside `test` who may do everything; `reload` makes it so."""
        self.password.write_text(f"{text}\n")
        hashes = {user: Value(user, text).sha256 for user in ("shipper", "monitoring", "controller")}
        lines = rendered("templates/redis/users.acl.j2", **hashes).text.splitlines()
        users = [line for line in lines if line.startswith("user ")]
        self.users.write_text("\n".join([*users, f"user test reset on #{Value('', 'test').sha256} ~* &* +@all"]) + "\n")

    def start(self) -> None:
        settings = {
            "port": str(self._port),
            "bind": "127.0.0.1",
            "unixsocket": str(self.socket),
            "aclfile": str(self.users),
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
            "maxmemory-policy": "noeviction",
            "set-max-intset-entries": "4096",
        }
        arguments = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(["redis-server", *arguments], stdout=subprocess.DEVNULL)
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.client().ping()
                return
            except redis.RedisError:
                assert time.monotonic() < until
                time.sleep(0.02)

    def client(self, user: str = "test") -> redis.Redis:
        return connect(self.login(user), unix_socket_path=str(self.socket))

    def login(self, user: str) -> Login:
        return Login(user, (lambda: "test") if user == "test" else self.password.read_text)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
