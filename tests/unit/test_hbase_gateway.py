"""What a gateway that fails in its various ways means to the caller. The gateway here is a socket with a script."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from thriftpy2.protocol import TCyBinaryProtocol
from thriftpy2.thrift import TApplicationException, TMessageType
from thriftpy2.transport import TCyBufferedTransport, TCyMemoryBuffer

from primetime.errors import PrimetimeError
from primetime.hbase import Hbase, HbaseUnavailable
from primetime.hbase.gateway import _Transport, api

HANG_UP = None
SILENCE = b""


class ScriptedGateway:
    """Answers the n-th call with the n-th answer of its script; remembers calls and counts connections."""

    def __init__(self, *answers: bytes | None) -> None:
        self.calls: list[str] = []
        self.connections = 0
        self._answers = list(answers)
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(sock)
            self.connections += 1
            protocol = TCyBinaryProtocol(TCyBufferedTransport(_Transport(sock)))
            with suppress(Exception):  # the client has gone, or close() has come
                while self._answer(sock, protocol):
                    pass
            sock.close()

    def _answer(self, sock: socket.socket, protocol: Any) -> bool:
        method, _, _ = protocol.read_message_begin()
        getattr(api.Hbase, f"{method}_args")().read(protocol)
        self.calls.append(method)
        answer = self._answers.pop(0)
        if answer is HANG_UP:
            return False
        sock.sendall(answer)
        return True

    def hang_up(self) -> None:
        for sock in self._open:
            sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for sock in (self._listener, *self._open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self._thread.join()


def message(method: str, kind: int, body: Any) -> bytes:
    buffer = TCyMemoryBuffer()
    protocol = TCyBinaryProtocol(buffer)
    protocol.write_message_begin(method, kind, 0)
    body.write(protocol)
    return bytes(buffer.getvalue())


def reply(method: str, **result: Any) -> bytes:
    return message(method, TMessageType.REPLY, getattr(api.Hbase, f"{method}_result")(**result))


def page(*qualifiers: bytes) -> bytes:
    cells = [api.ColumnValue(b"e", qualifier, b"", 1) for qualifier in qualifiers]
    return reply("getScannerRows", success=[api.Row(b"row", cells)] if cells else [])


PUT = reply("putMultiple")
FOUND = reply("get", success=api.Row(b"row", [api.ColumnValue(b"e", b"q", b"v", 1)]))
OPENED = reply("openScanner", success=7)
CLOSED = reply("closeScanner")

Start = Callable[..., tuple[ScriptedGateway, Hbase]]


@pytest.fixture
def gateway() -> Iterator[Start]:
    started: list[ScriptedGateway | Hbase] = []

    def start(*answers: bytes | None, timeout_s: float = 20) -> tuple[ScriptedGateway, Hbase]:
        scripted = ScriptedGateway(*answers)
        hbase = Hbase("127.0.0.1", scripted.port, timeout_s)
        started.extend((hbase, scripted))
        return scripted, hbase

    yield start
    for one in started:
        one.close()


def put(hbase: Hbase) -> None:
    hbase.put("events", {b"row": [(b"q", b"v", 1)]})


def test_a_port_where_nobody_listens_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(HbaseUnavailable, match="cannot connect"):
        put(Hbase("127.0.0.1", port))


def test_a_gateway_that_dies_before_it_answers_is_unavailable(gateway: Start) -> None:
    _, hbase = gateway(HANG_UP)
    with pytest.raises(HbaseUnavailable, match="lost the connection"):
        put(hbase)


def test_a_gateway_that_says_nothing_is_unavailable(gateway: Start) -> None:
    _, hbase = gateway(SILENCE, timeout_s=0.1)
    with pytest.raises(HbaseUnavailable, match=r"no answer for 0\.1 s"):
        put(hbase)


def test_what_does_not_speak_thrift_is_unavailable(gateway: Start) -> None:
    _, hbase = gateway(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(HbaseUnavailable, match="lost the connection"):
        put(hbase)


def test_the_call_after_a_lost_connection_makes_a_new_one(gateway: Start) -> None:
    _, hbase = gateway(HANG_UP, FOUND)
    with pytest.raises(HbaseUnavailable):
        put(hbase)
    assert hbase.get("events", b"row") == {b"q": b"v"}


def test_an_answer_that_may_still_come_is_left_behind_with_its_connection(gateway: Start) -> None:
    scripted, hbase = gateway(SILENCE, FOUND, timeout_s=0.1)
    with pytest.raises(HbaseUnavailable):
        hbase.get("events", b"row")
    hbase._gateway._timeout_s = 20
    hbase.get("events", b"row")
    assert scripted.connections == 2


def test_a_connection_closed_while_idle_is_replaced_without_an_error(gateway: Start) -> None:
    scripted, hbase = gateway(FOUND, FOUND)
    hbase.get("events", b"row")
    scripted.hang_up()
    select.select([hbase._gateway._wire.sock], [], [], 20)  # until the client's side knows
    assert hbase.get("events", b"row") == {b"q": b"v"}


def test_an_error_of_hbase_is_unavailable_and_told_in_its_first_line(gateway: Start) -> None:
    _, hbase = gateway(reply("putMultiple", io=api.IoError("region is opening\n\tat java.lang.Thread")))
    with pytest.raises(HbaseUnavailable, match=r"putMultiple: region is opening$"):
        put(hbase)


def test_an_error_of_hbase_does_not_cost_the_connection(gateway: Start) -> None:
    scripted, hbase = gateway(reply("putMultiple", io=api.IoError("region is opening")), PUT)
    with pytest.raises(HbaseUnavailable):
        put(hbase)
    put(hbase)
    assert scripted.connections == 1


def test_a_gateway_of_the_other_kind_is_not_worth_a_retry(gateway: Start) -> None:
    unknown = TApplicationException(TApplicationException.UNKNOWN_METHOD, "Invalid method name: 'putMultiple'")
    _, hbase = gateway(message("putMultiple", TMessageType.EXCEPTION, unknown))
    with pytest.raises(PrimetimeError, match="Thrift2") as raised:
        put(hbase)
    assert not isinstance(raised.value, HbaseUnavailable)


def test_a_scan_reads_page_after_page_and_closes_its_scanner(gateway: Start) -> None:
    scripted, hbase = gateway(OPENED, page(b"a", b"b"), page(b"c"), page(), CLOSED)
    assert [cell[1] for cell in hbase.scan("events", b"a", b"z")] == [b"a", b"b", b"c"]
    assert scripted.calls == ["openScanner", *["getScannerRows"] * 3, "closeScanner"]


def test_a_scan_left_early_closes_its_scanner(gateway: Start) -> None:
    scripted, hbase = gateway(OPENED, page(b"a", b"b"), CLOSED)
    scan = hbase.scan("events", b"a", b"z")
    next(scan)
    scan.close()
    assert scripted.calls[-1] == "closeScanner"


def test_a_scan_whose_page_fails_closes_its_scanner(gateway: Start) -> None:
    scripted, hbase = gateway(OPENED, reply("getScannerRows", io=api.IoError("region moved")), CLOSED)
    with pytest.raises(HbaseUnavailable):
        list(hbase.scan("events", b"a", b"z"))
    assert scripted.calls[-1] == "closeScanner"


def test_a_scan_never_goes_on_over_another_connection(gateway: Start) -> None:
    scripted, hbase = gateway(OPENED, page(b"a"), HANG_UP, FOUND, page(b"of another scanner"))
    scan = hbase.scan("events", b"a", b"z")
    next(scan)
    with pytest.raises(HbaseUnavailable):
        put(hbase)
    hbase.get("events", b"row")
    with pytest.raises(HbaseUnavailable, match="the scan began on"):
        next(scan)
    assert scripted.calls[-1] == "get"


def test_a_scan_of_an_empty_range_asks_nobody(gateway: Start) -> None:
    scripted, hbase = gateway()
    assert list(hbase.scan("events", b"a", b"a")) == []
    assert scripted.calls == []
