"""HBase's `Multi` call with puts: the request, its block of cells, and what the answer says. Called by direct.py.

Every event passes through `encoded`, so it does nothing but format. A cell in a block is a length,
then a KeyValue as HBase keeps it in memory, log and file (hbase.apache.org/book, "KeyValue"). Field numbers are those
of HBase 2.6's Client.proto and HBase.proto.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from struct import Struct
from typing import NamedTuple

from primetime.hbase.encoding import FAMILY, MAX_CELL_BYTES, Cell, size
from primetime.hbase.protobuf import field, messages

_PUT = 4  # KeyValue.Type
_row_length = Struct(">H").pack
_lengths = Struct(">III").pack  # of all that follows, of the key, of the value
_time_and_type = Struct(">qB").pack
_KEY_FIXED = 2 + 1 + len(FAMILY) + 8 + 1  # lengths of row and family, family, time, type
_AFTER_LENGTH = 8  # lengths of key and value

_MUTATION_OF_KIND_PUT = field(2, 2)  # MutationProto.mutate_type
_REGION_BY_NAME = field(1, 1)  # RegionSpecifier.type


class EncodedPut(NamedTuple):
    """Some cells of a row, as they go over the wire."""

    row: bytes
    cells: int
    block: bytes


def encoded(row: bytes, cells: list[Cell]) -> EncodedPut:
    """Cells for KeyValueCodec; ValueError for what HBase could never store."""
    start = _row_length(len(row)) + row + bytes((len(FAMILY),)) + FAMILY
    fixed = _KEY_FIXED + len(row)
    pieces: list[bytes] = []
    before_ms = None
    for qualifier, value, time_ms in cells:
        if time_ms != before_ms:  # a record's events have one time
            if time_ms < 0:
                size(row, cells)  # says what is wrong
            end, before_ms = _time_and_type(time_ms, _PUT), time_ms
        key, length = fixed + len(qualifier), len(value)
        pieces += _lengths(_AFTER_LENGTH + key + length, key, length), start, qualifier, end, value
    block = b"".join(pieces)
    if len(block) > MAX_CELL_BYTES:
        size(row, cells)
    return EncodedPut(row, len(cells), block)


def request(regions: Mapping[bytes, Iterable[EncodedPut]]) -> bytes:
    """The message that puts these into the regions of these names; their blocks follow it, in the same order."""
    actions = []
    for name, puts in regions.items():
        region = field(1, _REGION_BY_NAME + field(2, name))
        mutations = (
            field(3, field(1, index) + field(2, field(1, put.row) + _MUTATION_OF_KIND_PUT + field(8, put.cells)))
            for index, put in enumerate(puts)
        )
        actions.append(field(1, region + b"".join(mutations)))
    return b"".join(actions)


def refusal(response: bytes) -> str | None:
    """What the answer says of the first region or row that was not stored; None when all of them were."""
    for region in messages(response, 1):
        for error in messages(region, 2):
            return first_line(error)
        for result in messages(region, 1):
            for error in messages(result, 3):
                return first_line(error)
    return None


def first_line(error: bytes) -> str:
    """What a NameBytesPair or an ExceptionResponse says: Java's whole stack trace, else its class alone."""
    trace = next(messages(error, 2), b"") or next(messages(error, 1), b"")
    return trace.decode(errors="replace").strip().partition("\n")[0]
