"""One TCP connection to HBase's Thrift2 gateway: calls, and what their failures mean.

Called by client.py (cells) and admin.py (tables). The gateway is `org.apache.hadoop.hbase.thrift2.ThriftServer` with
its default transport (unframed) and protocol (binary).
"""

from __future__ import annotations

import io
import select
import socket
from collections.abc import Callable
from importlib import resources
from typing import Any

from thriftpy2.parser import load_fp
from thriftpy2.protocol import TCyBinaryProtocol
from thriftpy2.protocol.cybin import ProtocolError  # type: ignore[attr-defined]
from thriftpy2.thrift import TApplicationException, TClient, TException
from thriftpy2.transport import TCyBufferedTransport

from primetime.errors import PrimetimeError

CONNECT_S = 5  # a gateway in the same network answers at once or is not there
READ_BUFFER = 256 * 1024  # thriftpy2's own 4 KiB means a system call for each 20 cells of a scan


class HbaseUnavailable(PrimetimeError):
    """HBase did not do it now; the same call, made again, may. What it writes may have been applied, in part too."""


api = load_fp(
    io.StringIO(resources.files(__package__).joinpath("gateway.thrift").read_text(encoding="utf-8")),
    "primetime_hbase_gateway_thrift",
)


class _Transport:
    """A connected socket as thriftpy2 wants it."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock

    def read(self, most: int) -> bytes:
        return self.sock.recv(most)

    def write(self, data: bytes) -> None:
        self.sock.sendall(data)

    def flush(self) -> None:
        pass


class _Wire(TClient):
    """thriftpy2's client on a connected socket."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        transport = TCyBufferedTransport(_Transport(sock), READ_BUFFER)
        super().__init__(api.Hbase, TCyBinaryProtocol(transport))  # type: ignore[no-untyped-call]

    def send(self, method: str, arguments: dict[str, Any]) -> None:
        self._send(method, **arguments)

    def answer(self, method: str) -> Any:
        return self._recv(method)

    def has_ended(self) -> bool:
        """Whether the gateway hung up while nobody called (it does after 60 s), or sent what nobody asked for."""
        idle = select.poll()
        idle.register(self.sock, select.POLLIN)
        return bool(idle.poll(0))


class Gateway:
    """Connects at the first call, and again at the call after an error. Not thread-safe."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self.where = f"{host}:{port}"
        self.connections = 0  # how many there have been: the number of the present one
        self._address = (host, port)
        self._timeout_s = timeout_s
        self._wire: _Wire | None = None
        self._calling = False

    def call(self, method: str, **arguments: Any) -> Any:
        """One call and its answer; HbaseUnavailable when repeating it may help."""
        return self._exchange(method, lambda wire: wire.send(method, arguments))

    def call_on(self, connection: int, method: str, **arguments: Any) -> Any:
        """`call`, but never on another connection than number `connection`.

        For scanners: a gateway that was restarted numbers them from 0 again, so an old number may name another's scan.
        """
        return self._exchange(method, lambda wire: wire.send(method, arguments), only_on=connection)

    def holds(self, connection: int) -> bool:
        """Whether connection number `connection` still stands, and is between two calls."""
        if self._calling:
            return False
        self._drop_if_ended()
        return self._wire is not None and self.connections == connection

    def close(self) -> None:
        wire, self._wire = self._wire, None
        if wire is not None:
            wire.sock.close()

    def _exchange(self, method: str, send: Callable[[_Wire], None], only_on: int | None = None) -> Any:
        wire = self._connected(method)
        if only_on not in (None, self.connections):
            raise self._unavailable(method, "the connection that the scan began on is lost")
        self._calling, answered = True, False
        try:
            send(wire)
            answer = wire.answer(method)
            answered = True
            return answer
        except (api.IoError, api.IllegalArgument, TApplicationException) as error:
            answered = True  # with an error, but to its end: the connection can go on
            raise self._refusal(method, error) from error
        except TimeoutError as error:
            raise self._unavailable(method, f"no answer for {self._timeout_s:g} s") from error
        except (OSError, TException, ProtocolError) as error:
            raise self._unavailable(method, f"lost the connection ({_first_line(error)})") from error
        finally:
            self._calling = False
            if not answered:  # whatever happened: the rest of one answer must never be taken for the next
                self.close()

    def _connected(self, method: str) -> _Wire:
        self._drop_if_ended()
        if self._wire is None:
            try:
                sock = socket.create_connection(self._address, min(CONNECT_S, self._timeout_s))
            except OSError as error:
                raise self._unavailable(method, f"cannot connect ({error})") from error
            sock.settimeout(self._timeout_s)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._wire = _Wire(sock)
            self.connections += 1
        return self._wire

    def _drop_if_ended(self) -> None:
        if self._wire is not None and self._wire.has_ended():
            self.close()

    def _refusal(self, method: str, error: Exception) -> PrimetimeError:
        if isinstance(error, TApplicationException) and error.type == TApplicationException.UNKNOWN_METHOD:
            return PrimetimeError(f"{self.where} does not know {method}: run HBase's Thrift2 gateway there")
        # An expired scanner is an "illegal argument", and what HBase does not explain an "internal error": both may
        # go well the next time. Calls that never can are refused before they are sent, as ValueError.
        return self._unavailable(method, _first_line(error))

    def _unavailable(self, method: str, reason: str) -> HbaseUnavailable:
        return HbaseUnavailable(f"HBase's gateway at {self.where}: {method}: {reason}")


def _first_line(error: Exception) -> str:
    """HBase's messages carry whole Java stack traces."""
    said = str(getattr(error, "message", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
