"""Cells of HBase: put, get, scan, delete. Called by the shipper, which stores, and by those who read back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from typing import Any

from primetime.hbase.encoding import FAMILY, Cell, calls, checked, puts, scan_filter, size
from primetime.hbase.gateway import Gateway, HbaseUnavailable, api
from primetime.hbase.paging import MOST_PARTS, PART_CELLS, Paging


class Hbase:
    """One TCP connection to a gateway, made at the first call and made again at the call after an error.

    Not thread-safe. Every method raises HbaseUnavailable when the same call, made again, may go well: no connection, no
    answer for `timeout_s` (a stalled RegionServer holds a call for about 40 s), an error that HBase reports.
    """

    def __init__(self, host: str, port: int, timeout_s: float = 60) -> None:
        self._gateway = Gateway(host, port, timeout_s)

    def put(self, table: str, rows: Mapping[bytes, list[Cell]]) -> None:
        """Stores cells (qualifier, value, timestamp_ms), best 5,000 to 10,000 at once.

        It may have been applied in part if it raises: repeat it whole. ValueError for what HBase could never store.
        """
        sized = ((size(*put), _as_thrift(*put)) for put in puts(rows))
        for part in calls(sized):
            self._gateway.call("putMultiple", table=table.encode(), puts=part)

    def begin_put(self, table: str, rows: Mapping[bytes, list[Cell]]) -> Callable[[], None]:
        """`put` in two steps: call what it returns to wait until all is stored, before anything else of this object.

        Between them HBase may be at work already. Either step raises what `put` does; then repeat both.
        """
        return partial(self.put, table, rows)

    def get(self, table: str, row: bytes) -> dict[bytes, bytes]:
        """A row's values by qualifier, empty when there is no such row. For narrow rows; wide ones are scanned."""
        found = self._gateway.call("get", table=table.encode(), get=api.Get(checked(row), [api.Column(FAMILY)]))
        return {cell.qualifier: cell.value for cell in found.columnValues}

    def scan(
        self, table: str, start: bytes, stop: bytes, *, prefix: bytes = b"", keys_only: bool = False
    ) -> Iterator[tuple[bytes, bytes, bytes, int]]:
        """Cells (row, qualifier, value, timestamp_ms) of the rows from `start` to before `stop`, in their order.

        `prefix` chooses qualifiers; `keys_only` leaves values empty; an empty `stop` is the table's end. It raises
        HbaseUnavailable when the connection is lost midway, or no page was asked for in 60 s: begin again.
        """
        if stop and start >= stop:
            return  # HBase takes equal keys for "this row"
        scan = api.Scan(
            startRow=start,
            stopRow=stop,
            columns=[api.Column(FAMILY)],
            caching=MOST_PARTS,
            filterString=scan_filter(prefix, keys_only),
            batchSize=PART_CELLS,
        )
        scanner = self._gateway.call("openScanner", table=table.encode(), scan=scan)
        connection = self._gateway.connections
        try:
            yield from self._cells(scanner, connection)
        finally:  # also when the reader stops early; what cannot be closed here the gateway closes after 60 s
            if self._gateway.holds(connection):
                with suppress(HbaseUnavailable):
                    self._gateway.call("closeScanner", scanner=scanner)

    def _cells(self, scanner: int, connection: int) -> Iterator[tuple[bytes, bytes, bytes, int]]:
        paging = Paging()
        while page := self._gateway.call_on(connection, "getScannerRows", scanner=scanner, rows=paging.parts):
            bytes_ = 0
            for part in page:
                row = part.row
                for cell in part.columnValues:
                    value = cell.value
                    bytes_ += len(value)
                    yield row, cell.qualifier, value, cell.timestamp
            paging.saw(len(page), bytes_)

    def delete(self, table: str, row: bytes, qualifier: bytes | None = None) -> None:
        """Removes one cell, or the whole row.

        HBase hides cells not newer than the delete, by the RegionServer's clock, and goes on hiding them until a major
        compaction: a cell that is put again with an older time stays invisible.
        """
        columns = None if qualifier is None else [api.Column(FAMILY, qualifier)]
        delete = api.Delete(checked(row), columns, api.DeleteType.EVERY_VERSION)
        self._gateway.call("deleteSingle", table=table.encode(), delete_=delete)

    def close(self) -> None:
        """Closes the connection; the next call would make a new one."""
        self._gateway.close()


def _as_thrift(row: bytes, cells: list[Cell]) -> Any:
    return api.Put(row, [api.ColumnValue(FAMILY, *cell) for cell in cells])
