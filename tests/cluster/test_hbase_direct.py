"""Puts past the gateway against a real RegionServer, from where the shipper makes them: what goes in comes out."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import pytest

from primetime.hbase import Hbase, admin
from primetime.hbase.gateway import Gateway, api
from tests.conftest import Demo

# Run on the collector with the shipper's own bundle: puts the rows that it is given, as hex, and says how that went.
PUT = """
import json, sys
from primetime.hbase import HbaseUnavailable
from primetime.hbase.direct import DirectHbase
host, port, table, rows = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4])
cells = {bytes.fromhex(row): [(bytes.fromhex(q), bytes.fromhex(v), t) for q, v, t in found] for row, found in rows}
try:
    DirectHbase(host, port, user="shipper").put(table, cells)
    print("stored")
except HbaseUnavailable as error:
    print(error)
"""
Rows = dict[bytes, list[tuple[bytes, bytes, int]]]


@pytest.fixture(scope="module")
def table(demo: Demo, thrift: tuple[str, int]) -> Iterator[str]:
    """An empty table of two regions, gone afterwards."""
    name = f"test_direct_{secrets.token_hex(4)}"
    admin.create_table(*thrift, name, [b"m"])
    yield name
    admin.drop_table(*thrift, name)


def put(demo: Demo, thrift: tuple[str, int], table: str, rows: Rows) -> str:
    """What a put from the shipper's host ends with."""
    path = demo.ssh("collector-1", "systemctl", "show", "-P", "Environment", "primetime-shipper").split()[0]
    hexed = [(row.hex(), [(q.hex(), v.hex(), t) for q, v, t in cells]) for row, cells in rows.items()]
    words = ("python3", "-c", PUT, thrift[0], str(thrift[1]), table, json.dumps(hexed))
    return demo.ssh("collector-1", "env", path, *words).strip()


def read(thrift: tuple[str, int], table: str, start: bytes, stop: bytes) -> list[tuple[bytes, bytes, bytes, int]]:
    hbase = Hbase(*thrift)
    try:
        return list(hbase.scan(table, start, stop))
    finally:
        hbase.close()


def test_what_is_put_in_two_regions_is_read_as_it_was(demo: Demo, thrift: tuple[str, int], table: str) -> None:
    everything = bytes(range(256))
    rows: Rows = {
        b"a" + everything: [(b"", b"", 0), (everything, everything * 3, 1_790_000_000_000)],
        b"z": [(b"%02d" % n, b"v", 1000 + n) for n in range(50)],
    }
    assert put(demo, thrift, table, rows) == "stored"
    assert read(thrift, table, b"a", b"") == [(row, *cell) for row, cells in rows.items() for cell in cells]


def test_a_put_made_twice_is_there_once(demo: Demo, thrift: tuple[str, int], table: str) -> None:
    for _ in range(2):
        assert put(demo, thrift, table, {b"1 twice": [(b"q", b"v", 1000)]}) == "stored"
    assert read(thrift, table, b"1", b"2") == [(b"1 twice", b"q", b"v", 1000)]


def test_a_table_whose_regions_are_closed_is_unavailable_until_they_open(
    demo: Demo, thrift: tuple[str, int], table: str
) -> None:
    gateway, named = Gateway(*thrift, 60), api.TableName(qualifier=table.encode())
    row: Rows = {b"2 closed": [(b"q", b"v", 1000)]}
    gateway.call("disableTable", table=named)
    closed = put(demo, thrift, table, row)
    gateway.call("enableTable", table=named)
    gateway.close()
    assert "not being served" in closed
    assert put(demo, thrift, table, row) == "stored"


def test_a_table_that_is_not_there_is_unavailable(demo: Demo, thrift: tuple[str, int]) -> None:
    assert "no such table" in put(demo, thrift, "no_such_table", {b"row": [(b"q", b"v", 1)]})
