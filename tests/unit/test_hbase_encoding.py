"""How a put is divided into calls, what HBase could never store, and filters that say what was meant."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from primetime.hbase import encoding
from primetime.hbase.encoding import CALL_BYTES, Cell, calls, checked, puts, scan_filter, size
from primetime.hbase.multi import EncodedPut, encoded

Rows = dict[bytes, list[Cell]]


def in_calls(rows: Rows) -> list[list[EncodedPut]]:
    ready = (encoded(*put) for put in puts(rows))
    return list(calls((len(put.block), put) for put in ready))


@pytest.mark.parametrize(
    "rows",
    [
        {b"row %03d" % n: [(b"qualifier", bytes(100_000), n)] for n in range(100)},
        {b"wide": [(b"qualifier %03d" % n, bytes(10_000), n) for n in range(2_000)]},
    ],
    ids=["many rows", "one wide row"],
)
def test_a_large_put_goes_in_several_calls_and_keeps_every_cell(rows: Rows) -> None:
    divided = list(calls((size(*put), put) for put in puts(rows)))
    assert len(divided) > 1
    assert [(row, cell) for together in divided for row, cells in together for cell in cells] == [
        (row, cell) for row, cells in rows.items() for cell in cells
    ]


def test_many_small_rows_are_no_larger_a_call_than_hbase_should_hold() -> None:
    rows = {b"row %06d" % n: [(b"qualifier", bytes(200), n)] for n in range(50_000)}
    assert max(sum(len(put.block) for put in together) for together in in_calls(rows)) < CALL_BYTES * 1.01


def test_nothing_to_store_is_no_call() -> None:
    assert in_calls({b"row": []}) == []


@pytest.mark.parametrize("row", [b"", bytes(32_768)], ids=["empty", "too long"])
def test_a_row_key_that_hbase_cannot_store_is_refused(row: bytes) -> None:
    with pytest.raises(ValueError, match="row key"):
        list(puts({row: [(b"qualifier", b"value", 1)]}))


def test_the_longest_row_key_is_not_refused() -> None:
    assert checked(bytes(32_767))


@pytest.mark.parametrize("take", [size, encoded])
def test_a_negative_time_never_reaches_hbase(take: Callable[[bytes, list[Cell]], object]) -> None:
    with pytest.raises(ValueError, match="1970"):
        take(b"row", [(b"a", b"", 1), (b"b", b"", -1), (b"c", b"", 1)])


@pytest.mark.parametrize("take", [size, encoded])
def test_a_cell_larger_than_hbase_takes_is_refused(take: Callable[[bytes, list[Cell]], object]) -> None:
    with pytest.raises(ValueError, match="cell of"):
        take(b"row", [(b"qualifier", bytes(encoding.MAX_CELL_BYTES), 1)])


def test_many_cells_that_together_are_larger_than_one_may_be_are_not_refused() -> None:
    assert encoded(b"row", [(b"%d" % n, bytes(encoding.MAX_CELL_BYTES // 4), n) for n in range(5)]).cells == 5


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
