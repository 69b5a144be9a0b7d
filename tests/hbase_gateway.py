"""HBase's Thrift2 gateway at the wire, over tables in memory: for tests of whole processes."""

from __future__ import annotations

import itertools
import re
import threading
from typing import Any

from thriftpy2.protocol import TBinaryProtocolFactory
from thriftpy2.rpc import make_server
from thriftpy2.transport import TBufferedTransportFactory

from primetime.hbase.gateway import api
from tests.redis_server import free_port
from tests.shipping import MemoryHbase


class GatewayServer:
    """Serves `hbase` on a port of 127.0.0.1 from `start` on; its tables can be read meanwhile."""

    def __init__(self) -> None:
        self.hbase = MemoryHbase()
        self.port = free_port()
        self._lock = threading.Lock()
        self._scans: dict[int, list[Any]] = {}
        self._scanners = itertools.count(1)

    def start(self) -> None:
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
        threading.Thread(target=server.serve, daemon=True).start()

    def putMultiple(self, table: bytes, puts: list[Any]) -> None:
        with self._lock:
            for put in puts:
                cells = [(cell.qualifier, cell.value, cell.timestamp) for cell in put.columnValues]
                self.hbase.put(table.decode(), {put.row: cells})

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
