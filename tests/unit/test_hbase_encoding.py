"""Puts encoded by hand are Thrift's own bytes; filters say what was meant."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from random import Random

import pytest
from thriftpy2.protocol import TCyBinaryProtocol
from thriftpy2.thrift import TMessageType
from thriftpy2.transport import TCyMemoryBuffer

from primetime.hbase import encoding
from primetime.hbase.encoding import CALL_BYTES, Cell, checked, put_calls, scan_filter
from primetime.hbase.gateway import api

Rows = dict[bytes, list[Cell]]


def random_rows(random: Random) -> Rows:
    def some_bytes(fewest: int, most: int) -> bytes:
        return random.randbytes(random.randint(fewest, most))

    def cell() -> Cell:
        return some_bytes(0, 40), some_bytes(0, 300), random.choice([0, 1, random.randrange(2**41), 2**63 - 1])

    return {some_bytes(1, 80): [cell() for _ in range(random.randint(1, 9))] for _ in range(random.randint(1, 9))}


def by_thriftpy2(table: bytes, rows: Rows) -> bytes:
    puts = [
        api.Put(row, [api.ColumnValue(b"e", qualifier, value, time_ms) for qualifier, value, time_ms in cells])
        for row, cells in rows.items()
    ]
    buffer = TCyMemoryBuffer()
    protocol = TCyBinaryProtocol(buffer)
    protocol.write_message_begin("putMultiple", TMessageType.CALL, 0)
    api.Hbase.putMultiple_args(table=table, puts=puts).write(protocol)
    return bytes(buffer.getvalue())


def cells_of(calls: Iterable[bytes]) -> Iterator[tuple[bytes, bytes, bytes, int]]:
    for call in calls:
        protocol = TCyBinaryProtocol(TCyMemoryBuffer(call))
        protocol.read_message_begin()
        arguments = api.Hbase.putMultiple_args()
        arguments.read(protocol)
        for put in arguments.puts:
            for cell in put.columnValues:
                yield put.row, cell.qualifier, cell.value, cell.timestamp


@pytest.mark.parametrize("seed", range(300))
def test_a_put_by_hand_has_the_bytes_that_thriftpy2_writes(seed: int) -> None:
    random = Random(seed)
    table, rows = random.randbytes(random.randint(1, 30)), random_rows(random)
    assert list(put_calls(table, rows)) == [by_thriftpy2(table, rows)]


@pytest.mark.parametrize(
    "rows",
    [
        {b"row %03d" % n: [(b"qualifier", bytes(100_000), n)] for n in range(100)},
        {b"wide": [(b"qualifier %03d" % n, bytes(10_000), n) for n in range(2_000)]},
    ],
    ids=["many rows", "one wide row"],
)
def test_a_large_put_goes_in_several_calls_and_keeps_every_cell(rows: Rows) -> None:
    calls = list(put_calls(b"events", rows))
    assert len(calls) > 1
    assert list(cells_of(calls)) == [(row, *cell) for row, cells in rows.items() for cell in cells]


def test_many_small_rows_are_no_larger_a_call_than_the_gateway_should_hold() -> None:
    rows = {b"row %06d" % n: [(b"qualifier", bytes(200), n)] for n in range(50_000)}
    assert max(map(len, put_calls(b"events", rows))) < CALL_BYTES * 1.01


def test_nothing_to_store_is_no_call() -> None:
    assert list(put_calls(b"events", {b"row": []})) == []


@pytest.mark.parametrize("row", [b"", bytes(32_768)], ids=["empty", "too long"])
def test_a_row_key_that_hbase_cannot_store_is_refused(row: bytes) -> None:
    with pytest.raises(ValueError, match="row key"):
        list(put_calls(b"events", {row: [(b"qualifier", b"value", 1)]}))


def test_the_longest_row_key_is_not_refused() -> None:
    assert checked(bytes(32_767))


def test_a_negative_time_never_reaches_hbase() -> None:
    with pytest.raises(ValueError, match="1970"):
        list(put_calls(b"events", {b"row": [(b"a", b"", 1), (b"b", b"", -1), (b"c", b"", 1)]}))


def test_a_cell_larger_than_hbase_takes_is_refused() -> None:
    with pytest.raises(ValueError, match="cell of"):
        list(put_calls(b"events", {b"row": [(b"qualifier", bytes(encoding.MAX_CELL_BYTES), 1)]}))


@pytest.mark.parametrize(
    ("prefix", "keys_only", "filter_"),
    [
        (b"", False, None),
        (b"", True, b"KeyOnlyFilter()"),
        (b"01JD", False, b"ColumnPrefixFilter('01JD')"),
        (b"01JD", True, b"ColumnPrefixFilter('01JD') AND KeyOnlyFilter()"),
        (b"it's", False, b"ColumnPrefixFilter('it''s')"),
        (b"''", False, b"ColumnPrefixFilter('''''')"),
        (b"\x00\xff)", False, b"ColumnPrefixFilter('\x00\xff)')"),
    ],
)
def test_a_scan_filter_quotes_its_prefix(prefix: bytes, keys_only: bool, filter_: bytes | None) -> None:
    assert scan_filter(prefix, keys_only) == filter_
