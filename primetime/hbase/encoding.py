"""What HBase takes, and filters, which it reads as text. Called by client.py and direct.py."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

FAMILY = b"e"
CALL_BYTES = 4 * 1024 * 1024  # of cells in one call: whoever takes it holds several copies of it
PART_CELLS = 500  # of one row at once, so that a wide row can go in several calls
MAX_ROW_BYTES = 32767  # HBase's limit
MAX_CELL_BYTES = 10 * 1024 * 1024  # HBase's default (hbase.client.keyvalue.maxsize), its key and overhead included
CELL_OVERHEAD = 64  # of that, at most: lengths, family, time, type

Cell = tuple[bytes, bytes, int]  # qualifier, value, timestamp_ms
Put = tuple[bytes, list[Cell]]  # row, cells
T = TypeVar("T")


def puts(rows: Mapping[bytes, list[Cell]]) -> Iterator[Put]:
    """`rows`, wide ones in several parts; ValueError for a key that HBase could never store."""
    for row, cells in rows.items():
        checked(row)
        for start in range(0, len(cells), PART_CELLS):
            yield row, cells[start : start + PART_CELLS]


def calls(sized: Iterable[tuple[int, T]]) -> Iterator[list[T]]:
    """What goes into one call each, of things and their sizes in bytes: about CALL_BYTES."""
    together: list[T] = []
    room = CALL_BYTES
    for size, thing in sized:
        if together and size > room:
            yield together
            together, room = [], CALL_BYTES
        together.append(thing)
        room -= size
    if together:
        yield together


def checked(row: bytes) -> bytes:
    """`row` if it can be a row's key; ValueError otherwise (HBase only says "internal error")."""
    if not 0 < len(row) <= MAX_ROW_BYTES:
        raise ValueError(f"a row key has 1 to {MAX_ROW_BYTES} bytes, not {len(row)}")
    return row


def size(row: bytes, cells: list[Cell]) -> int:
    """What cells take on the wire, about; ValueError for what HBase could never store."""
    each = len(row) + CELL_OVERHEAD
    sizes = [each + len(qualifier) + len(value) for qualifier, value, _ in cells]
    if max(sizes) > MAX_CELL_BYTES:
        raise ValueError(f"row {row!r}: a cell of {max(sizes)} bytes; HBase takes {MAX_CELL_BYTES}")
    if min(time_ms for _, _, time_ms in cells) < 0:
        # HBase 2.6 would store it, then fail at each read of the row, and after a crash never get past it in its log.
        raise ValueError(f"row {row!r}: a cell's time is before 1970")
    return sum(sizes)


def scan_filter(prefix: bytes, keys_only: bool) -> bytes | None:
    """HBase's filter language for a scan: only qualifiers that begin with `prefix`; values left out."""
    filters = []
    if prefix:
        filters.append(b"ColumnPrefixFilter('%b')" % prefix.replace(b"'", b"''"))
    if keys_only:
        filters.append(b"KeyOnlyFilter()")
    return b" AND ".join(filters) or None
