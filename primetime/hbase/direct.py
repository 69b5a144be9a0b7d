"""Puts straight to the RegionServers, past the gateway: what the shipper stores a burst with.

The gateway decodes every cell and encodes it again, which costs as much CPU as all that the RegionServer does with it.
Everything else (get, scan, delete, and where the regions are) goes through the gateway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial

from primetime.hbase.client import Hbase
from primetime.hbase.encoding import Cell, calls, puts
from primetime.hbase.gateway import HbaseUnavailable
from primetime.hbase.multi import EncodedPut, encoded, refusal, request
from primetime.hbase.regions import Regions, Server
from primetime.hbase.rpc import Broken, Connection, Refused


class DirectHbase(Hbase):
    """An Hbase that puts by itself, as `user`. RegionServers are found by the names they have for each other."""

    def __init__(self, host: str, port: int, timeout_s: float = 60, user: str = "primetime") -> None:
        super().__init__(host, port, timeout_s)
        self._timeout_s, self._user = timeout_s, user
        self._regions: dict[str, Regions] = {}  # by table
        self._connections: dict[Server, Connection] = {}

    def put(self, table: str, rows: Mapping[bytes, list[Cell]]) -> None:
        """As Hbase.put. After an error it looks anew for where the regions are."""
        self.begin_put(table, rows)()

    def begin_put(self, table: str, rows: Mapping[bytes, list[Cell]]) -> Callable[[], None]:
        """As Hbase.begin_put: on return, all but the last of the calls are stored, and the last is sent."""
        ready = (encoded(*put) for put in puts(rows))
        sent: list[Server] = []
        with self._forgetting_after_errors():
            for part in calls((len(put.block), put) for put in ready):
                self._stored_by(sent)
                sent = self._send(table, part)
        return partial(self._stored_by, sent)

    def close(self) -> None:
        self._forget()
        super().close()

    @contextmanager
    def _forgetting_after_errors(self) -> Iterator[None]:
        """Whatever happens: a region may have moved, and an answer may still be on its way."""
        try:
            yield
        except BaseException:
            self._forget()
            raise

    def _send(self, table: str, part: list[EncodedPut]) -> list[Server]:
        """Who has been sent some of it, and owes an answer."""
        shares = self._by_server(table, part)
        for server, regions in shares.items():
            blocks = [put.block for found in regions.values() for put in found]
            try:
                self._connected(server).send("Multi", request(regions), blocks)
            except OSError as error:
                raise _unavailable(server, f"cannot be reached ({error})") from error
        return list(shares)

    def _stored_by(self, servers: Iterable[Server]) -> None:
        with self._forgetting_after_errors():
            for server in servers:
                if refused := self._answer(server):
                    raise _unavailable(server, refused)

    def _by_server(self, table: str, part: list[EncodedPut]) -> dict[Server, dict[bytes, list[EncodedPut]]]:
        """Server → name of a region there → what belongs into it."""
        if table not in self._regions:
            self._regions[table] = Regions.of(self._gateway, table)
        shares: dict[Server, dict[bytes, list[EncodedPut]]] = {}
        for put in part:
            region = self._regions[table].of_row(put.row)
            shares.setdefault(region.server, {}).setdefault(region.name, []).append(put)
        return shares

    def _connected(self, server: Server) -> Connection:
        connection = self._connections.get(server)
        if connection and not connection.is_idle():
            connection.close()
            connection = None
        if connection is None:
            connection = Connection(server.host, server.port, self._timeout_s, self._user)
            self._connections[server] = connection
        return connection

    def _answer(self, server: Server) -> str | None:
        try:
            return refusal(self._connections[server].answer())
        except Refused as error:
            return str(error)
        except TimeoutError:
            return f"no answer for {self._timeout_s:g} s"
        except (OSError, Broken, ValueError) as error:
            return f"lost the connection ({error})"

    def _forget(self) -> None:
        self._regions.clear()
        for connection in self._connections.values():
            connection.close()
        self._connections.clear()


def _unavailable(server: Server, reason: str) -> HbaseUnavailable:
    return HbaseUnavailable(f"RegionServer {server.host}:{server.port}: {reason}")
