"""The shipper, killed -9 at every step: at each thing that it says to HBase's gateway, to a RegionServer or to Redis,
before it gets there and before the answer comes back. Started again, it stores and counts each event once.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.relay import Relay
from tests.shipping import Writer, event
from tests.wire.test_shipper_process import PATIENCE_S, Shipper, shipper, wait_for

__all__ = ["shipper"]  # the fixture

EVENTS = 3  # of a segment
MOST_STEPS = 60


class Wire(Relay):
    """Passes on what a client and a server on this machine say, and kills the client at one step of it."""

    def __init__(self, port: int) -> None:
        self.victim: queue.Queue[subprocess.Popen[str]] = queue.Queue()
        self.killed = False
        self._said = 0  # what the client has said, in parts as it was sent
        self._fatal: tuple[int, bool] | None = None
        super().__init__(("127.0.0.1", port))

    def arm(self, step: int, delivered: bool) -> None:
        """Kill what is put into `victim` at its `step`-th saying from now on, passed on before or not."""
        self._said, self._fatal, self.killed = 0, (step, delivered), False

    def disarm(self) -> None:
        self._fatal = None

    def talk(self, client: socket.socket, server: socket.socket) -> None:
        threading.Thread(target=self._answers, args=(server, client), daemon=True).start()
        while said := client.recv(1 << 20):
            self._said += 1
            step = self._said
            self._kill_at(step, False)
            server.sendall(said)
            self._kill_at(step, True)

    def _kill_at(self, step: int, delivered: bool) -> None:
        if (step, delivered) == self._fatal:
            self.killed = True
            os.killpg(self.victim.get(timeout=PATIENCE_S).pid, signal.SIGKILL)

    @staticmethod
    def _answers(server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while said := server.recv(1 << 20):
                client.sendall(said)


@pytest.fixture
def wires(shipper: Shipper) -> Iterator[dict[str, Wire]]:
    """Between the shipper and each of whom it speaks to."""
    shipper.gateway.start()
    shipper.start_redis()
    ports = {
        "gateway": shipper.gateway.port,
        "regionserver": shipper.gateway.regionserver.port,
        "redis": shipper.redis_port,
    }
    made = {name: Wire(port) for name, port in ports.items()}
    region = {b"": ("OPEN", made["regionserver"].address[1])}
    shipper.gateway.regions = {table: region for table in ("events", "ledger", "deadletters")}
    yield made
    for wire in made.values():
        wire.close()


@pytest.mark.long
@pytest.mark.parametrize("delivered", [False, True], ids=["before it is said", "before it is answered"])
@pytest.mark.parametrize("store", ["gateway", "regionserver", "redis"])
def test_killed_at_every_step_it_stores_and_counts_each_event_once(
    shipper: Shipper, wires: dict[str, Wire], store: str, delivered: bool
) -> None:
    wire, written = wires[store], list[bytes]()
    one = {
        "hbase_lanes": 1,
        "redis_lanes": 1,
        "hbase_port": wires["gateway"].address[1],
        "redis_port": wires["redis"].address[1],
    }
    for last in range(1, MOST_STEPS):
        written += write(shipper.spool, last)
        wire.arm(last, delivered)
        process = shipper.start("--drain", **one)
        wire.victim.put(process)
        code = process.wait(PATIENCE_S)
        wire.disarm()
        if wire.killed:
            assert code == -signal.SIGKILL
            wait_for(lambda: is_gone(process.pid))  # noqa: B023
            assert shipper.start("--drain", **one).wait(PATIENCE_S) == 0
        assert (shipper.segments(), shipper.gateway.events(), shipper.counted()) == ([], sorted(written), len(written))
        if not wire.killed:
            break
    assert not wire.killed, "a shipper that never has everything said"
    assert last > 2, "it says more than that"
    print(f"{store}: killed at each of {last - 1} steps")


def is_gone(group: int) -> bool:
    """Whether no process of it is left: the spool has one shipper at a time. A zombie holds nothing any more."""
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, _, its_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state != "Z":
                return False
    return True


def write(spool: Path, round_: int) -> list[bytes]:
    """Two sealed segments of events that were not there before."""
    written = []
    for number in (2 * round_ - 1, 2 * round_):
        these = [event(number * EVENTS + place) for place in range(EVENTS)]
        Writer(spool, number).write(*these).seal()
        written += these
    return written
