"""`stage`: the live page, served from this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import re
import signal

from primetime.cli import add_topology
from primetime.console import Console
from primetime.errors import UsageError
from primetime.inventory import Inventory, live
from primetime.stage.cluster import Books, Counts, Hosts, Spools
from primetime.stage.hands import Hands
from primetime.stage.kept import Kept
from primetime.stage.moments import Director
from primetime.stage.server import LOOPBACK, Server, listening
from primetime.stage.watch import Billing, Readers, Watch
from primetime.topology import load

PORT = 8300
SCALES = {True: 1, False: 10}  # by whether it is on EC2: a laptop is asked for a tenth of a million


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--port", type=int, default=PORT, help=f"where to listen (default: {PORT})")
    parser.add_argument("--scale", help="1:N of a million updates in five seconds (default: 1:10, on EC2 1:1)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    scale = parsed_scale(arguments.scale) if arguments.scale else SCALES[bool(topology.cloud)]
    inventory = live(topology)
    with listening(LOOPBACK, arguments.port) as sock:
        kept = Kept(topology.name)
        billing = Billing(topology.name, topology.shows[0], scale)
        director = Director(Hands(inventory), kept, billing.goal)
        for mend, node in director.mend_what_was_left():
            console.say(f"mended what an earlier stage had broken: {mend} {node}")
        watch = Watch(billing, readers(inventory), director.states, lambda: director.verified)
        address = f"http://{LOOPBACK}:{arguments.port}/#{kept.token}"

        def ready() -> None:
            console.say(f"open {address}")
            console.say("Ctrl-C ends it; traffic runs only when asked for")
            console.result({"topology": topology.name, "url": address})

        try:
            Server(watch, director, [sock], kept.token).run(ready)
        finally:
            _end(director, watch, kept, console)
    return 0


def _end(director: Director, watch: Watch, kept: Kept, console: Console) -> None:
    """Mend and tidy up; a second Ctrl-C does not cut it short."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if kept.broken:
        console.progress(f"mending {', '.join(node for _, node in kept.broken)}")
    director.end()
    watch.close()
    kept.forget()
    console.say("the stage has ended; nothing of it is left")


def readers(inventory: Inventory) -> Readers:
    return Readers(Counts(inventory), Spools(inventory), Books(inventory), Hosts(inventory))


def parsed_scale(text: str) -> int:
    """N of `1:N`."""
    match = re.fullmatch(r"1:([1-9]\d{0,5})", text)
    if not match:
        raise UsageError(f"--scale {text}: write it as 1:N, for example 1:10")
    return int(match[1])
