"""What is encoded by hand: puts, because every event passes through here, and filters, which HBase reads as text.

Called by client.py. thriftpy2 makes an object of every cell before it writes it: 1.4-2.1 µs an event, where formatting
the bytes takes 0.75 µs. Of the 6-7 CPU seconds that storing a million events costs in all (gateway, RegionServer and
client), that is one. The bytes are the same: tests/unit/test_hbase_encoding.py compares them.

Thrift's binary protocol, as far as it appears here: a field is its type (1 byte: 0b bytes, 0f list, 0c structure, 0a
64-bit integer), its number (2 bytes) and its value; bytes and lists begin with their length (4 bytes); a structure
ends with 00; integers are big-endian.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct

FAMILY = b"e"
CALL_BYTES = 4 * 1024 * 1024  # of puts in one call: the gateway holds several copies of it
PART_CELLS = 500  # of one row that are encoded at once, so that a wide row can go in several calls
MAX_ROW_BYTES = 32767  # HBase's limit
MAX_CELL_BYTES = 10 * 1024 * 1024  # HBase's default (hbase.client.keyvalue.maxsize), its key and overhead included

_length = Struct(">I").pack
_time = Struct(">q").pack

_CALL = b"\x80\x01\x00\x01%bputMultiple\x00\x00\x00\x00" % _length(len(b"putMultiple"))  # version 1, a call, number 0
_TABLE = b"\x0b\x00\x01%b%b"
_PUTS = b"\x0f\x00\x02\x0c%b"
_PUT = b"\x0b\x00\x01%b%b\x0f\x00\x02\x0c%b"
_CELL = b"\x0b\x00\x01%b%b\x0b\x00\x02%%b%%b\x0b\x00\x03%%b%%b\x0a\x00\x04%%b\x00" % (_length(len(FAMILY)), FAMILY)
_END = b"\x00"

Cell = tuple[bytes, bytes, int]  # qualifier, value, timestamp_ms


def put_calls(table: bytes, rows: Mapping[bytes, list[Cell]]) -> Iterator[bytes]:
    """`putMultiple` calls that store `rows`, of about CALL_BYTES each; ValueError for what HBase could never store."""
    puts: list[bytes] = []
    room = CALL_BYTES
    for row, cells in rows.items():
        for start in range(0, len(cells), PART_CELLS):
            put = _put(row, cells[start : start + PART_CELLS])
            if puts and len(put) > room:
                yield _put_call(table, puts)
                puts, room = [], CALL_BYTES
            puts.append(put)
            room -= len(put)
    if puts:
        yield _put_call(table, puts)


def _put_call(table: bytes, puts: list[bytes]) -> bytes:
    head = _TABLE % (_length(len(table)), table) + _PUTS % _length(len(puts))
    return b"".join((_CALL, head, *puts, _END))


def checked(row: bytes) -> bytes:
    """`row` if it can be a row's key; ValueError otherwise (the gateway only says "internal error")."""
    if not 0 < len(row) <= MAX_ROW_BYTES:
        raise ValueError(f"a row key has 1 to {MAX_ROW_BYTES} bytes, not {len(row)}")
    return row


def _put(row: bytes, cells: list[Cell]) -> bytes:
    checked(row)
    encoded = [_PUT % (_length(len(row)), row, _length(len(cells)))]
    encoded += [
        _CELL % (_length(len(qualifier)), qualifier, _length(len(value)), value, _time(time_ms))
        for qualifier, value, time_ms in cells
    ]
    if min(time_ms for _, _, time_ms in cells) < 0:
        # HBase 2.6 would store it, then fail at each read of the row, and after a crash never get past it in its log.
        raise ValueError(f"row {row!r}: a cell's time is before 1970")
    longest = len(row) + max(map(len, encoded))
    if longest > MAX_CELL_BYTES:
        raise ValueError(f"row {row!r}: a cell of {longest} bytes; HBase takes {MAX_CELL_BYTES}")
    encoded.append(_END)
    return b"".join(encoded)


def scan_filter(prefix: bytes, keys_only: bool) -> bytes | None:
    """HBase's filter language for a scan: only qualifiers that begin with `prefix`; values left out."""
    filters = []
    if prefix:
        filters.append(b"ColumnPrefixFilter('%b')" % prefix.replace(b"'", b"''"))
    if keys_only:
        filters.append(b"KeyOnlyFilter()")
    return b" AND ".join(filters) or None
