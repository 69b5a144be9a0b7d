"""The HBase client against a real gateway: what goes in comes out, whatever bytes it is made of."""

from __future__ import annotations

import secrets
import tracemalloc
from collections.abc import Iterator
from random import Random

import pytest

from primetime.hbase import Cell, Hbase, HbaseUnavailable, admin

Thrift = tuple[str, int]
Scanned = list[tuple[bytes, bytes, bytes, int]]

AWKWARD = [0x00, 0xFF, *b"'\"()\\ ,A"]  # what a filter's text, a C string or a lenient decoder would stumble over
WIDE = 50_000


@pytest.fixture(scope="module")
def table(thrift: Thrift) -> Iterator[str]:
    """An empty table of two regions, gone afterwards."""
    name = f"test_client_{secrets.token_hex(4)}"
    admin.create_table(*thrift, name, [b"m"])
    yield name
    admin.drop_table(*thrift, name)


@pytest.fixture
def hbase(thrift: Thrift) -> Iterator[Hbase]:
    client = Hbase(*thrift)
    yield client
    client.close()


def awkward_qualifiers(count: int) -> list[bytes]:
    random = Random(5)
    return sorted({bytes(random.choices(AWKWARD, k=random.randint(1, 6))) for _ in range(count)})


@pytest.fixture(scope="module")
def awkward(thrift: Thrift, table: str) -> list[bytes]:
    """The qualifiers of row `awkward`."""
    qualifiers = awkward_qualifiers(400)
    Hbase(*thrift).put(table, {b"awkward": [(qualifier, b"value of " + qualifier, 1000) for qualifier in qualifiers]})
    return qualifiers


@pytest.fixture(scope="module")
def wide(thrift: Thrift, table: str) -> list[Cell]:
    """The cells of row `wide`: 100 MB of them."""
    cells = [(b"%08d" % n, b"%08d" % n * 250, 1000 + n) for n in range(WIDE)]
    Hbase(*thrift).put(table, {b"wide": cells})
    return cells


def test_a_row_that_was_put_is_got(hbase: Hbase, table: str) -> None:
    hbase.put(table, {b"got": [(b"a", b"1", 1000), (b"b", b"", 2000)]})
    assert hbase.get(table, b"got") == {b"a": b"1", b"b": b""}


def test_a_row_that_was_never_put_is_empty(hbase: Hbase, table: str) -> None:
    assert hbase.get(table, b"never put") == {}


def test_a_put_made_twice_is_there_once(hbase: Hbase, table: str) -> None:
    for _ in range(2):
        hbase.put(table, {b"twice": [(b"a", b"1", 1000)]})
    assert list(hbase.scan(table, b"twice", b"twicf")) == [(b"twice", b"a", b"1", 1000)]


def test_each_cell_keeps_its_own_time(hbase: Hbase, table: str) -> None:
    cells = [(b"%02d" % n, b"v", 1_790_000_000_000 + n) for n in range(50)]
    hbase.put(table, {b"times": cells})
    assert list(hbase.scan(table, b"times", b"timet")) == [(b"times", *cell) for cell in cells]


def test_a_scan_crosses_regions_in_order_and_stops_before_its_stop(hbase: Hbase, table: str) -> None:
    rows = [b"cross %b" % letter for letter in (b"a", b"b")] + [b"most", b"n"]
    hbase.put(table, {row: [(b"only crossing", b"v", 1000)] for row in reversed(rows)})
    found = [row for row, *_ in hbase.scan(table, b"cross", b"n", prefix=b"only crossing")]
    assert found == rows[:-1]


def test_row_keys_and_values_are_any_bytes(hbase: Hbase, table: str) -> None:
    everything = bytes(range(256))
    hbase.put(table, {b"\x00" + everything: [(everything, everything, 1000)]})
    assert list(hbase.scan(table, b"\x00", b"\x01")) == [(b"\x00" + everything, everything, everything, 1000)]


def test_keys_only_leaves_values_behind(hbase: Hbase, table: str, awkward: list[bytes]) -> None:
    found = list(hbase.scan(table, b"awkward", b"awkwarf", keys_only=True))
    assert found == [(b"awkward", qualifier, b"", 1000) for qualifier in awkward]


@pytest.mark.parametrize("keys_only", [False, True])
def test_a_prefix_finds_its_qualifiers_whatever_its_bytes(
    hbase: Hbase, table: str, awkward: list[bytes], keys_only: bool
) -> None:
    prefixes = sorted({qualifier[:length] for qualifier in awkward for length in (1, 2, 3)})[::3]
    found = {
        prefix: [cell[1] for cell in hbase.scan(table, b"awkward", b"awkwarf", prefix=prefix, keys_only=keys_only)]
        for prefix in prefixes
    }
    assert found == {prefix: [one for one in awkward if one.startswith(prefix)] for prefix in prefixes}


def test_a_row_of_50000_cells_is_read_whole(hbase: Hbase, table: str, wide: list[Cell]) -> None:
    assert list(hbase.scan(table, b"wide", b"widf")) == [(b"wide", *cell) for cell in wide]


def test_a_row_of_50000_cells_passes_through_little_memory(hbase: Hbase, table: str, wide: list[Cell]) -> None:
    tracemalloc.start()
    try:
        read = sum(len(value) for _, _, value, _ in hbase.scan(table, b"wide", b"widf"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert read == WIDE * 2000
    assert peak < read / 5


def test_scans_may_take_turns(hbase: Hbase, table: str, awkward: list[bytes], wide: list[Cell]) -> None:
    some = hbase.scan(table, b"awkward", b"awkwarf", keys_only=True)
    others = hbase.scan(table, b"wide", b"widf", keys_only=True)
    turns = [(cell[1], next(others)[1]) for cell in some]
    assert turns == list(zip(awkward, [name for name, _, _ in wide], strict=False))


def test_a_deleted_cell_is_gone_and_its_neighbour_stays(hbase: Hbase, table: str) -> None:
    hbase.put(table, {b"cells": [(b"a", b"1", 1000), (b"b", b"2", 1000)]})
    hbase.delete(table, b"cells", b"a")
    assert hbase.get(table, b"cells") == {b"b": b"2"}


def test_a_deleted_row_is_gone(hbase: Hbase, table: str) -> None:
    hbase.put(table, {b"row": [(b"a", b"1", 1000), (b"b", b"2", 2000)]})
    hbase.delete(table, b"row")
    assert hbase.get(table, b"row") == {}


def test_a_table_that_is_not_there_is_unavailable(hbase: Hbase) -> None:
    with pytest.raises(HbaseUnavailable, match="test_client_no_such_table"):
        hbase.put("test_client_no_such_table", {b"row": [(b"a", b"1", 1000)]})


def test_creating_a_table_again_leaves_it_as_it_is(thrift: Thrift, table: str) -> None:
    admin.create_table(*thrift, table, [b"c", b"x"])
    assert admin.regions(*thrift, table) == [b"", b"m"]


def test_a_table_is_listed_until_it_is_dropped(thrift: Thrift) -> None:
    name = f"test_client_{secrets.token_hex(4)}"
    admin.create_table(*thrift, name, [])
    listed = name in admin.tables(*thrift)
    admin.drop_table(*thrift, name)
    assert (listed, name in admin.tables(*thrift)) == (True, False)
