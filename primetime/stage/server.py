"""Serves a stage until it is ended. Called by `stage`, and by tests with readers of their own."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Sequence

import uvicorn

from primetime.errors import PrimetimeError
from primetime.stage.app import Stage
from primetime.stage.audience import Audience
from primetime.stage.moments import Director
from primetime.stage.watch import Watch

LOOPBACK = "127.0.0.1"
LOOK_S = 0.05


def listening(address: str, port: int) -> socket.socket:
    """A socket that listens; PrimetimeError when the port is taken."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
        sock.listen(128)
    except OSError as error:
        sock.close()
        raise PrimetimeError(
            f"{address}:{port}: {error.strerror}: end what has it, or choose another --port"
        ) from error
    return sock


def own_address() -> str:
    """The address that this machine has in its network; PrimetimeError when it has none. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # of TEST-NET-1: only the route is looked up
            return str(probe.getsockname()[0])
        except OSError as error:
            raise PrimetimeError("this machine is in no network: write its address after --share") from error


def names(address: str, port: int) -> list[str]:
    """What may stand in Host."""
    return [f"{name}:{port}" for name in ((LOOPBACK, "localhost") if address == LOOPBACK else (address,))]


class Server:
    """Runs in the calling thread by `run`; `stop` ends it from another one."""

    def __init__(
        self,
        watch: Watch,
        director: Director,
        sockets: Sequence[socket.socket],
        token: str,
        audience: Audience | None = None,
    ) -> None:
        self._watch, self._director, self._audience = watch, director, audience
        self._sockets, self._token = list(sockets), token
        self._server: uvicorn.Server | None = None

    def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until Ctrl-C, SIGTERM or `stop`. Streams are over when this returns."""
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self._serve(ready))

    async def _serve(self, ready: Callable[[], None]) -> None:
        stage = Stage(self._watch, self._director, self._audience)
        hosts = [name for sock in self._sockets for name in names(*sock.getsockname()[:2])]
        config = uvicorn.Config(
            stage.app(hosts, self._token),
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        self._server = uvicorn.Server(config)
        serving = asyncio.ensure_future(self._server.serve(sockets=self._sockets))
        while not self._server.started and not serving.done():
            await asyncio.sleep(LOOK_S)
        ready()
        while not self._server.should_exit and not serving.done():
            await asyncio.sleep(LOOK_S)
        stage.ends.set()  # a browser that looks would hold its stream, and uvicorn waits for that
        await serving

    def stop(self) -> None:
        if self._server:
            self._server.should_exit = True
