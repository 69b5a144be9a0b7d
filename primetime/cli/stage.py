"""`stage`: the live page, served from this machine until Ctrl-C."""

from __future__ import annotations

import argparse
import re
import signal
import socket
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

from primetime.calendar import broadcasts
from primetime.cli import add_topology
from primetime.console import Console
from primetime.errors import UsageError
from primetime.inventory import Inventory, live
from primetime.stage import beside
from primetime.stage.accepted import Accepted
from primetime.stage.audience import Audience
from primetime.stage.bill import bill, capacity, price_of
from primetime.stage.cluster import Books, Counts, Hosts, Spools
from primetime.stage.hands import Hands
from primetime.stage.kept import Kept, alone
from primetime.stage.moments import Director
from primetime.stage.script import Script, now_ms
from primetime.stage.server import LOOPBACK, Server, listening, own_address
from primetime.stage.snapshot import Next
from primetime.stage.watch import Billing, Readers, Watch
from primetime.topology import Topology, load

PORT = 8300
LOOK_AHEAD = timedelta(days=28)  # for the next broadcast
SCALES = {True: 1, False: 10}  # by whether it is on EC2: a laptop is asked for a tenth of a million


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--port", type=int, default=PORT, help=f"where to listen (default: {PORT})")
    parser.add_argument(
        "--share",
        nargs="?",
        const="",
        metavar="ADDRESS",
        help="also at this machine's address in its network (or ADDRESS): phones vote there, the page wants its token",
    )
    parser.add_argument(beside.ATTEND, action="store_true", help=argparse.SUPPRESS)  # as `demo` begins it
    parser.add_argument(beside.PROVED, action="store_true", help=argparse.SUPPRESS)  # every promise, a moment ago
    parser.add_argument("--scale", help="1:N of a million updates in five seconds (default: 1:10, on EC2 1:1)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = load(arguments.topology)
    scale = parsed_scale(arguments.scale) if arguments.scale else SCALES[bool(topology.cloud)]
    inventory = live(topology)
    shared = (own_address() if arguments.share == "" else arguments.share) if arguments.share is not None else ""
    proved = Kept.proved_of(topology.name)
    if not arguments.attend and beside.attendant(topology.name).end():
        console.say("the stage that `demo` had begun has ended: this one takes its place")
    with alone(topology.name), ExitStack() as block:
        listens = [block.enter_context(listening(where, arguments.port)) for where in (LOOPBACK, shared) if where]
        vote_at = f"http://{shared}:{arguments.port}/vote" if shared else ""
        name, show = topology.name, topology.shows[0]
        billing = Billing(name, show, scale, vote_at, price_of(topology), bill(topology), capacity(topology))
        kept = Kept(topology.name)
        if arguments.proved:
            proved = {node.name: () for node in topology.nodes}, now_ms()
        kept.prove(*proved)
        if arguments.attend:
            block.enter_context(beside.attending(topology.name, url(listens)))
        _serve(inventory, billing, listens, kept, console)
    return 0


def url(listens: list[socket.socket]) -> str:
    host, port = listens[0].getsockname()
    return f"http://{host}:{port}/"


def _serve(inventory: Inventory, billing: Billing, listens: list[socket.socket], kept: Kept, console: Console) -> None:
    read = readers(inventory)
    audience = Audience(billing.show, inventory.every_endpoint("collector", "http")) if billing.vote_at else None

    def follow(present: Inventory) -> None:
        for each in (read.counts, read.spools, read.hosts):
            each.follow(present)
        if audience:
            audience.collectors = present.every_endpoint("collector", "http")

    director = Director(Hands(inventory, follow, read.books.note), kept, billing.goal)
    for mend, node in director.mend_what_was_left():
        console.say(f"mended what an earlier stage had broken: {mend} {node}")
    watch = Watch(
        billing,
        read,
        director.states,
        lambda: kept.proved,
        Script(upcoming(inventory.topology, datetime.now(UTC))),
    )

    def ready() -> None:
        address = f"{url(listens)}#{kept.token}"
        console.say(f"open {address}")
        if billing.vote_at:
            console.say(f"the room votes at {billing.vote_at}: whoever is in that network; nothing else is open to it")
        console.say("Ctrl-C ends it; traffic runs only when asked for")
        console.result({"topology": billing.topology, "url": address, "vote": billing.vote_at})

    try:
        Server(watch, director, listens, kept.token, audience).run(ready)
    finally:
        _end(director, watch, kept, console)


def _end(director: Director, watch: Watch, kept: Kept, console: Console) -> None:
    """Mend and tidy up; a second Ctrl-C does not cut it short."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if kept.broken:
        console.progress(f"mending {', '.join(node for _, node in kept.broken)}")
    director.end()
    watch.close()
    kept.forget()
    console.say("the stage has ended; nothing of it is left")


def upcoming(topology: Topology, now: datetime) -> Next | None:
    """The next broadcast of a topology whose shows have times."""
    to_come = (each for each in broadcasts(topology.timed, now, now + LOOK_AHEAD) if each.begins > now)
    return next((Next(f"{each.name} begins", int(each.begins.timestamp() * 1000)) for each in to_come), None)


def readers(inventory: Inventory) -> Readers:
    return Readers(Accepted(inventory, Counts(inventory)), Spools(inventory), Books(inventory), Hosts(inventory))


def parsed_scale(text: str) -> int:
    """N of `1:N`."""
    match = re.fullmatch(r"1:([1-9]\d{0,5})", text)
    if not match:
        raise UsageError(f"--scale {text}: write it as 1:N, for example 1:10")
    return int(match[1])
