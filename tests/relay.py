"""A relay on 127.0.0.1: what tests put between two programs to see, repeat or cut short what they say."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress


class Relay:
    """Each connection has a thread, in `talk`, and a connection to `target` of its own."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address: tuple[str, int] = self._listener.getsockname()
        threading.Thread(target=self._accept, daemon=True).start()

    def talk(self, client: socket.socket, server: socket.socket) -> None:
        """Until one of them has no more to say; an OSError ends it too."""
        raise NotImplementedError

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):  # closed
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, suppress(OSError), socket.create_connection(self._target) as server:
            self.talk(client, server)
