"""One TCP connection to a RegionServer: HBase's own RPC, one call after the other. Called by direct.py.

hbase.apache.org/book, "RPC": a preamble, a header that says who calls and how cells are encoded; then for each call its
length, a header, a message and a block of cells. Field numbers are those of HBase 2.6's RPC.proto.
"""

from __future__ import annotations

import select
import socket
from struct import Struct

from primetime.hbase.multi import first_line
from primetime.hbase.protobuf import delimited, field, fields, messages, read_delimited

CONNECT_S = 5  # a server in the same network answers at once or is not there
_PREAMBLE = b"HBas\x00\x50"  # version 0, authentication "simple": a user's name is only a claim
_CELLS = b"org.apache.hadoop.hbase.codec.KeyValueCodec"
_MOST_BYTES = 64 * 1024 * 1024  # of an answer; longer ones are not HBase's
_length = Struct(">I")


class Refused(Exception):
    """The server answered a call as a whole with an error. The connection can go on."""


class Broken(Exception):
    """Nobody answered, or not in HBase's RPC."""


class Connection:
    """Calls of ClientService, as `user`. OSError or Broken when the connection is of no more use: TimeoutError when
    nobody answers for `timeout_s`."""

    def __init__(self, host: str, port: int, timeout_s: float, user: str) -> None:
        self._call = self._answered = 0
        self._timeout_ms = int(timeout_s * 1000)
        self._sock = socket.create_connection((host, port), min(CONNECT_S, timeout_s))
        self._sock.settimeout(timeout_s)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        header = field(1, field(1, user.encode())) + field(2, b"ClientService") + field(3, _CELLS)
        self._sock.sendall(_PREAMBLE + _length.pack(len(header)) + header)

    def send(self, method: str, message: bytes, cells: list[bytes]) -> None:
        """One call; its answer comes next."""
        self._call += 1
        size = sum(map(len, cells))
        header = field(1, self._call) + field(3, method.encode()) + field(4, 1) + field(5, field(1, size))
        head = delimited(header + field(7, self._timeout_ms)) + delimited(message)
        self._sock.sendall(b"".join((_length.pack(len(head) + size), head, *cells)))

    def answer(self) -> bytes:
        """The message that answers the last call."""
        (length,) = _length.unpack(self._read(_length.size))
        if length > _MOST_BYTES:
            raise Broken(f"an answer of {length} bytes")
        data = self._read(length)
        self._answered = self._call
        try:
            header, at = read_delimited(data, 0)
            call = next((value for number, value in fields(header) if number == 1), 0)
            for error in messages(header, 2):
                raise Refused(first_line(error))
            if call != self._call:
                raise Broken(f"an answer to call {call!r}, not {self._call}")
            return read_delimited(data, at)[0]
        except ValueError as error:
            raise Broken(f"an answer that is not HBase's: {error}") from error

    def is_idle(self) -> bool:
        """Ready for a call: no answer is owed, and the server neither hung up nor sent what nobody asked for."""
        heard = select.poll()
        heard.register(self._sock, select.POLLIN)
        return self._answered == self._call and not heard.poll(0)

    def close(self) -> None:
        self._sock.close()

    def _read(self, length: int) -> bytes:
        data = bytearray()
        while len(data) < length:
            part = self._sock.recv(length - len(data))
            if not part:
                raise Broken("it hung up")
            data += part
        return bytes(data)
