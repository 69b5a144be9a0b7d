"""Puts straight to RegionServers: what arrives where, and what their failures mean to the caller."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from primetime.hbase import HbaseUnavailable
from primetime.hbase.direct import DirectHbase
from primetime.hbase.encoding import Cell
from primetime.hbase.protobuf import field
from tests.hbase_gateway import GatewayServer, region_name
from tests.redis_server import free_port
from tests.regionserver import RegionServer, exception, framed

Rows = dict[bytes, list[Cell]]
ROW: Rows = {b"row": [(b"q", b"v", 1)]}
MOVED = "org.apache.hadoop.hbase.exceptions.RegionMovedException: Region moved to: store-2"


@pytest.fixture
def gateway() -> Iterator[GatewayServer]:
    server = GatewayServer()
    server.start()
    yield server
    server.regionserver.close()


@pytest.fixture
def other(gateway: GatewayServer) -> Iterator[RegionServer]:
    """A second RegionServer, which has the rows of `events` from m on."""
    server = RegionServer(gateway._put)
    gateway.regions["events"] = {b"": ("OPEN", gateway.regionserver.port), b"m": ("OPEN", server.port)}
    yield server
    server.close()


@pytest.fixture
def hbase(gateway: GatewayServer) -> Iterator[DirectHbase]:
    client = DirectHbase("127.0.0.1", gateway.port, timeout_s=20, user="somebody")
    yield client
    client.close()


def stored(gateway: GatewayServer, table: str = "events") -> Rows:
    """A table's rows, sorted."""
    rows = sorted(gateway.hbase.tables.get(table, {}).items())
    return {row: [(qualifier, *cell) for qualifier, cell in sorted(cells.items())] for row, cells in rows}


def test_what_is_put_arrives_as_it_was(gateway: GatewayServer, hbase: DirectHbase) -> None:
    everything = bytes(range(256))
    rows = {b"\0" + everything: [(b"", b"", 0), (everything, everything * 9, 2**63 - 1)], b"b": [(b"q", b"v", 1)]}
    hbase.put("events", rows)
    assert stored(gateway) == rows


def test_each_row_goes_to_the_server_that_has_its_region(
    gateway: GatewayServer, hbase: DirectHbase, other: RegionServer
) -> None:
    rows = {row: [(b"q", b"v", 1)] for row in (b"a", b"lzz", b"m", b"z")}
    hbase.put("events", rows)
    assert stored(gateway) == rows
    assert gateway.regionserver.calls == [[region_name("events", b"")]]
    assert other.calls == [[region_name("events", b"m")]]


def test_a_large_put_goes_in_several_calls_and_is_whole(gateway: GatewayServer, hbase: DirectHbase) -> None:
    rows = {b"row %d" % row: [(b"%04d" % n, bytes(5_000), n) for n in range(600)] for row in range(3)}
    hbase.put("events", rows)
    assert len(gateway.regionserver.calls) > 1
    assert stored(gateway) == rows


def test_one_connection_serves_all_calls_and_says_who_calls(gateway: GatewayServer, hbase: DirectHbase) -> None:
    hbase.put("events", ROW)
    hbase.put("ledger", ROW)
    codec = b"org.apache.hadoop.hbase.codec.KeyValueCodec"
    assert gateway.regionserver.headers == [
        field(1, field(1, b"somebody")) + field(2, b"ClientService") + field(3, codec)
    ]


def test_a_connection_closed_while_idle_is_replaced_without_an_error(
    gateway: GatewayServer, hbase: DirectHbase
) -> None:
    hbase.put("events", ROW)
    gateway.regionserver.hang_up()
    (connection,) = hbase._connections.values()
    until = time.monotonic() + 20
    while connection.is_idle():
        assert time.monotonic() < until
    hbase.put("events", ROW)
    assert len(gateway.regionserver.headers) == 2


def test_a_put_that_was_begun_and_never_waited_for_does_not_answer_for_the_next(
    gateway: GatewayServer, hbase: DirectHbase
) -> None:
    hbase.begin_put("events", ROW)
    gateway.regionserver.refuse[region_name("events", b"")] = MOVED
    with pytest.raises(HbaseUnavailable, match="RegionMovedException"):
        hbase.put("events", ROW)


def test_what_a_begun_put_could_not_store_is_said_when_it_is_waited_for(
    gateway: GatewayServer, hbase: DirectHbase
) -> None:
    gateway.regionserver.refuse[region_name("events", b"")] = MOVED
    stored_by_now = hbase.begin_put("events", ROW)
    with pytest.raises(HbaseUnavailable, match="RegionMovedException"):
        stored_by_now()
    gateway.regionserver.refuse.clear()
    hbase.put("events", ROW)
    assert stored(gateway) == ROW


def test_a_region_that_refuses_is_unavailable_and_told_in_its_first_line(
    gateway: GatewayServer, hbase: DirectHbase
) -> None:
    gateway.regionserver.refuse[region_name("events", b"")] = MOVED
    with pytest.raises(HbaseUnavailable, match=r"RegionMovedException: Region moved to: store-2$"):
        hbase.put("events", ROW)
    assert stored(gateway) == {}


def test_a_row_that_is_refused_is_unavailable(gateway: GatewayServer, hbase: DirectHbase) -> None:
    result = field(1, 0) + field(3, exception("org.apache.hadoop.hbase.RegionTooBusyException: memstore"))
    gateway.regionserver.fail_next = [framed(1, field(1, field(1, field(1, 1)) + field(1, result)))]
    with pytest.raises(HbaseUnavailable, match=r"RegionTooBusyException: memstore$"):
        hbase.put("events", ROW)


def test_a_call_that_is_refused_as_a_whole_is_unavailable(gateway: GatewayServer, hbase: DirectHbase) -> None:
    gateway.regionserver.fail_next = [framed(1, b"", exception("org.apache.hadoop.hbase.CallQueueTooBigException: 7"))]
    with pytest.raises(HbaseUnavailable, match=r"CallQueueTooBigException: 7$"):
        hbase.put("events", ROW)


def test_after_a_move_the_same_put_finds_the_region_where_it_is_now(
    gateway: GatewayServer, hbase: DirectHbase, other: RegionServer
) -> None:
    hbase.put("events", ROW)
    other.refuse[region_name("events", b"m")] = MOVED
    with pytest.raises(HbaseUnavailable):
        hbase.put("events", {b"z": ROW[b"row"]})
    gateway.regions["events"][b"m"] = ("OPEN", gateway.regionserver.port)
    hbase.put("events", {b"z": ROW[b"row"]})
    assert stored(gateway) == {**ROW, b"z": ROW[b"row"]}


def test_of_two_servers_one_that_refuses_makes_the_put_unavailable(
    gateway: GatewayServer, hbase: DirectHbase, other: RegionServer
) -> None:
    gateway.regionserver.refuse[region_name("events", b"")] = MOVED
    with pytest.raises(HbaseUnavailable):
        hbase.put("events", {b"a": ROW[b"row"], b"z": ROW[b"row"]})
    gateway.regionserver.refuse.clear()
    hbase.put("events", {b"a": ROW[b"row"], b"z": ROW[b"row"]})  # and no late answer is taken for this one's
    assert list(stored(gateway)) == [b"a", b"z"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "hung up"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "an answer of"),
        (framed(9, b""), "an answer to call 9"),
        (b"\x00\x00\x00\x02\x05\x08", "not HBase's"),
    ],
    ids=["hangs up", "another protocol", "another call's answer", "a torn answer"],
)
def test_a_server_that_breaks_off_is_unavailable_and_the_next_put_goes_well(
    gateway: GatewayServer, hbase: DirectHbase, answer: bytes | None, said: str
) -> None:
    gateway.regionserver.fail_next = [answer]
    with pytest.raises(HbaseUnavailable, match=said):
        hbase.put("events", ROW)
    hbase.put("events", ROW)
    assert stored(gateway) == ROW


def test_a_server_that_says_nothing_is_unavailable(gateway: GatewayServer) -> None:
    hbase = DirectHbase("127.0.0.1", gateway.port, timeout_s=1)
    gateway.regionserver.fail_next = [b""]
    with pytest.raises(HbaseUnavailable, match=r"no answer for 1 s"):
        hbase.put("events", ROW)
    hbase.close()


def test_a_server_that_is_not_there_is_unavailable(gateway: GatewayServer, hbase: DirectHbase) -> None:
    gateway.regions["events"] = {b"": ("OPEN", free_port())}
    with pytest.raises(HbaseUnavailable, match="cannot be reached"):
        hbase.put("events", ROW)


def test_a_region_that_nobody_serves_is_unavailable(gateway: GatewayServer, hbase: DirectHbase) -> None:
    gateway.regions["events"] = {b"": ("OPEN", gateway.regionserver.port), b"m": ("OPENING", 1)}
    with pytest.raises(HbaseUnavailable, match="not being served"):
        hbase.put("events", ROW)


def test_a_region_that_was_split_is_passed_over(gateway: GatewayServer, hbase: DirectHbase) -> None:
    port = gateway.regionserver.port
    gateway.regions["events"] = {b"": ("OPEN", port), b"m": ("SPLIT", 1), b"n": ("OPEN", port)}
    hbase.put("events", {b"z": ROW[b"row"]})
    assert gateway.regionserver.calls == [[region_name("events", b"n")]]


def test_a_table_that_is_not_there_is_unavailable(gateway: GatewayServer, hbase: DirectHbase) -> None:
    gateway.regions["events"] = {}
    with pytest.raises(HbaseUnavailable, match="no such table"):
        hbase.put("events", ROW)


def test_a_negative_time_never_reaches_hbase(gateway: GatewayServer, hbase: DirectHbase) -> None:
    with pytest.raises(ValueError, match="1970"):
        hbase.put("events", {b"row": [(b"q", b"v", -1)]})
    assert gateway.regionserver.calls == []
