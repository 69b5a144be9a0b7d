"""HBase at the wire, over tables in memory, for tests of whole processes: its Thrift2 gateway and a RegionServer."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Mapping
from typing import Any

from thriftpy2.protocol import TBinaryProtocolFactory
from thriftpy2.rpc import make_server
from thriftpy2.transport import TBufferedTransportFactory

from primetime.hbase import Cell
from primetime.hbase.gateway import api
from tests.redis_server import free_port
from tests.regionserver import RegionServer
from tests.shipping import MemoryHbase


def region_name(table: str, start: bytes) -> bytes:
    return table.encode() + b"," + start + b",1790000000000.0123456789abcdef0123456789abcdef."


class GatewayServer:
    """Serves `hbase` on ports of 127.0.0.1 from `start` on; its tables can be read meanwhile.

    Each table is one region on one RegionServer, unless `regions` says otherwise: table → start key → (state, port).
    """

    def __init__(self) -> None:
        self.hbase = MemoryHbase()
        self.port = free_port()
        self.regions: dict[str, dict[bytes, tuple[str, int]]] = {}
        self._lock = threading.Lock()
        self._scans: dict[int, list[Any]] = {}
        self._scanners = itertools.count(1)

    def start(self) -> None:
        self.regionserver = RegionServer(self._put)
        server = make_server(
            api.Hbase,
            self,
            "127.0.0.1",
            self.port,
            proto_factory=TBinaryProtocolFactory(),
            trans_factory=TBufferedTransportFactory(),
            client_timeout=None,
        )
        server.daemon = True
        server.trans.listen()
        # `serve` would begin to listen anew, and reset who has connected by then
        server.trans.listen = lambda: None  # type: ignore[method-assign]
        threading.Thread(target=server.serve, daemon=True).start()

    def _put(self, table: str, rows: Mapping[bytes, list[Cell]]) -> None:
        with self._lock:
            self.hbase.put(table, rows)

    def putMultiple(self, table: bytes, puts: list[Any]) -> None:
        for put in puts:
            cells = [(cell.qualifier, cell.value, cell.timestamp) for cell in put.columnValues]
            self._put(table.decode(), {put.row: cells})

    def getScannerResults(self, table: bytes, scan: Any, rows: int) -> list[Any]:
        """The regions of a table, as hbase:meta has them."""
        assert table == b"hbase:meta"
        name = scan.startRow.partition(b",")[0].decode()
        regions = self.regions.get(name, {b"": ("OPEN", self.regionserver.port)})
        found = []
        for start, (state, port) in sorted(regions.items()):
            texts = {b"state": state.encode(), b"server": b"127.0.0.1:%d" % port}
            cells = [api.ColumnValue(b"info", qualifier, value, 1) for qualifier, value in texts.items()]
            found.append(api.Row(region_name(name, start), cells))
        return found

    def openScanner(self, table: bytes, scan: Any) -> int:
        prefix = re.search(rb"ColumnPrefixFilter\('(.*?)'\)", scan.filterString or b"")
        with self._lock:
            cells = list(
                self.hbase.scan(table.decode(), scan.startRow, scan.stopRow, prefix=prefix[1] if prefix else b"")
            )
        scanner = next(self._scanners)
        self._scans[scanner] = [
            api.Row(row, [api.ColumnValue(b"e", qualifier, value, time_ms)]) for row, qualifier, value, time_ms in cells
        ]
        return scanner

    def getScannerRows(self, scanner: int, rows: int) -> list[Any]:
        page, self._scans[scanner] = self._scans[scanner][:rows], self._scans[scanner][rows:]
        return page

    def closeScanner(self, scanner: int) -> None:
        del self._scans[scanner]

    def events(self) -> list[bytes]:
        with self._lock:
            return self.hbase.events()

    def states(self) -> list[str]:
        """The state of each ledger row."""
        with self._lock:
            return [self.hbase.ledger(name.decode())["state"] for name in self.hbase.tables.get("ledger", {})]
