"""Where a table's regions are: hbase:meta, read through the gateway. Called by direct.py.

A row of hbase:meta is a region's whole name: table, start key, and more that makes it unique.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

from primetime.hbase.gateway import Gateway, HbaseUnavailable, api

MOST_REGIONS = 10_000
_META = b"hbase:meta"
_REPLACED = (b"SPLIT", b"MERGED")  # rows that stay until others no longer need their files


class Server(NamedTuple):
    """A RegionServer's address, by the name that HBase knows it under."""

    host: str
    port: int


class Region(NamedTuple):
    """A region by its whole name, and who serves it."""

    name: bytes
    server: Server


class Regions:
    """The regions of a table by their start keys; the first one's is empty."""

    def __init__(self, found: dict[bytes, Region]) -> None:
        self._starts = sorted(found)
        self._regions = [found[start] for start in self._starts]

    @classmethod
    def of(cls, gateway: Gateway, table: str) -> Regions:
        """Read them now. HbaseUnavailable when a region is not being served, or there is no such table."""
        names = [api.Column(b"info", b"server"), api.Column(b"info", b"state")]
        scan = api.Scan(startRow=f"{table},,".encode(), stopRow=f"{table}-".encode(), columns=names)
        rows = gateway.call("getScannerResults", table=_META, scan=scan, rows=MOST_REGIONS)
        found = {}
        for row in rows:
            cells = {cell.qualifier: cell.value for cell in row.columnValues}
            if cells.get(b"state") in _REPLACED:
                continue
            if cells.get(b"state") != b"OPEN" or b"server" not in cells:
                raise HbaseUnavailable(f"{table}: region {row.row!r} is not being served")
            host, _, port = cells[b"server"].decode().rpartition(":")
            start = row.row[len(table) + 1 : row.row.rindex(b",")]
            found[start] = Region(row.row, Server(host, int(port)))
        if b"" not in found:
            raise HbaseUnavailable(f"{table}: hbase:meta has no such table")
        return cls(found)

    def of_row(self, row: bytes) -> Region:
        return self._regions[bisect_right(self._starts, row) - 1]
