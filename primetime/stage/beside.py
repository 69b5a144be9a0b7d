"""The stage that `demo` begins beside its machines: it ends with them, and `stage` by hand takes its place."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

from primetime.attendants import Attendant, is_dismissed
from primetime.errors import PrimetimeError
from primetime.stage import kept
from primetime.stage.server import LOOPBACK, listening
from primetime.topology import Topology

PORTS = 50  # so many are tried, from the first one on
LOOK_S = 0.25
ENDS_S = 60.0  # it mends what a moment has broken first
ATTEND, PROVED = "--attend", "--proved"


def attendant(name: str) -> Attendant:
    """Who serves a topology's stage; it says `url`, where, without the token."""
    return Attendant(name, "stage", ENDS_S)


def begin(topology: Topology, first_port: int, proved: bool = False) -> str:
    """Where the stage is, its token included: one that is there already or a new one. PrimetimeError when neither.

    `proved`: every promise of the topology is known to be kept.
    """
    there = attendant(topology.name)
    if (told := there.told()) is None:
        if other := kept.holder(topology.name):
            raise PrimetimeError(f"{other} serves the stage already, where it said")
        words = ["stage", "-t", topology.argument, "--port", str(_free_port(first_port)), ATTEND]
        words += [PROVED] if proved else []
        told = there.begin("primetime", words)
    return f"{told['url']}#{kept.Kept.token_of(topology.name)}"


def discard(name: str) -> None:
    """The machines go: nothing of a stage beside them is left, were it killed."""
    attendant(name).end()
    kept.discard(name)


@contextlib.contextmanager
def attending(name: str, url: str) -> Iterator[None]:
    """Be the stage beside a demo, in the block: when it is dismissed this process gets a SIGINT, as from Ctrl-C."""
    done = threading.Event()
    with attendant(name).attending(f"stage -t {name}", url=url) as held:

        def look() -> None:
            while not done.wait(LOOK_S):
                if is_dismissed(held):
                    os.kill(os.getpid(), signal.SIGINT)
                    return

        looking = threading.Thread(target=look, daemon=True)
        looking.start()
        try:
            yield
        finally:
            done.set()
            looking.join()


def _free_port(first: int) -> int:
    """The first one that nobody has; PrimetimeError of the last one when all are taken."""
    for port in range(first, first + PORTS):
        try:
            listening(LOOPBACK, port).close()
        except PrimetimeError:
            if port == first + PORTS - 1:
                raise
        else:
            return port
    raise AssertionError("a port was returned or refused")
