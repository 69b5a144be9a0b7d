"""A RegionServer's RPC at the wire, over tables in memory: it stores what `Multi` calls put, or fails as it is told."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from struct import unpack_from

from primetime.hbase import Cell
from primetime.hbase.protobuf import delimited, field, fields, messages, read_delimited

Store = Callable[[str, Mapping[bytes, list[Cell]]], None]
PREAMBLE = b"HBas\x00\x50"


class RegionServer:
    """`fail_next` is used up by the next call: bytes to answer with, or None to hang up; b"" is silence."""

    def __init__(self, store: Store) -> None:
        self.calls: list[list[bytes]] = []  # of each, the names of its regions
        self.headers: list[bytes] = []  # of each connection
        self.fail_next: list[bytes | None] = []
        self.refuse: dict[bytes, str] = {}  # the exception with which a region answers, by its name
        self._store = store
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def hang_up(self) -> None:
        """Close all connections."""
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                sock, _ = self._listener.accept()
                self._open.append(sock)
                threading.Thread(target=self._talk, args=(sock,), daemon=True).start()

    def _talk(self, sock: socket.socket) -> None:
        with suppress(OSError), sock, sock.makefile("rb") as stream:
            assert stream.read(len(PREAMBLE)) == PREAMBLE
            self.headers.append(stream.read(*unpack_from(">I", stream.read(4))))
            while length := stream.read(4):
                answer = self._answer(stream.read(*unpack_from(">I", length)))
                if answer is None:
                    return
                sock.sendall(answer)

    def _answer(self, call: bytes) -> bytes | None:
        header, at = read_delimited(call, 0)
        message, at = read_delimited(call, at)
        known = dict(fields(header))
        assert known[3] == b"Multi"
        regions = list(regions_of(message))
        self.calls.append([name for name, _ in regions])
        if self.fail_next:
            return self.fail_next.pop(0)
        results, cells = b"", cells_of(call[at:])
        for name, rows in regions:
            puts = [(row, [next(cells) for _ in range(count)]) for row, count in rows]
            error = self.refuse.get(name)
            if error:
                results += field(1, field(2, exception(error)))
                continue
            for row, found in puts:
                assert {one[0] for one in found} == {row}
                self._store(name.partition(b",")[0].decode(), {row: [cell for _, cell in found]})
            results += field(1, b"".join(field(1, field(1, index)) for index in range(len(rows))))
        return framed(known[1], results)


def regions_of(message: bytes) -> Iterator[tuple[bytes, list[tuple[bytes, int]]]]:
    """(name, [(row, number of cells)]) of each region of a MultiRequest."""
    for action in messages(message, 1):
        region = dict(fields(next(messages(action, 1))))
        assert region[1] == 1
        rows = []
        for put in messages(action, 3):
            mutation = dict(fields(next(messages(put, 2))))
            assert mutation[2] == 2
            rows.append((mutation[1], mutation[8]))
        yield region[2], rows  # type: ignore[misc]


def cells_of(block: bytes) -> Iterator[tuple[bytes, Cell]]:
    """(row, cell) of a cell block: HBase's KeyValues, each after its length."""
    at = 0
    while at < len(block):
        whole, key, value = unpack_from(">III", block, at)
        assert whole == 8 + key + value
        at += 12
        (row_length,) = unpack_from(">H", block, at)
        row = block[at + 2 : at + 2 + row_length]
        family_at = at + 2 + row_length
        assert block[family_at : family_at + 2] == b"\x01e"
        qualifier = block[family_at + 2 : at + key - 9]
        time_ms, kind = unpack_from(">qB", block, at + key - 9)
        assert kind == 4
        yield row, (qualifier, block[at + key : at + key + value], time_ms)
        at += key + value


def exception(said: str) -> bytes:
    """A NameBytesPair as HBase makes it of an exception: class, and stack trace."""
    return field(1, said.partition(":")[0].encode()) + field(2, f"{said}\n\tat org.apache.hadoop.hbase".encode())


def framed(call: int | bytes, message: bytes, error: bytes = b"") -> bytes:
    """An answer on the wire; with `error`, an ExceptionResponse, there is no message."""
    header = delimited(field(1, call) + (field(2, error) if error else b""))
    body = header if error else header + delimited(message)
    return len(body).to_bytes(4, "big") + body
