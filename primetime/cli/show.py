"""`show`: what a show needs: `capacity`, the machines for a crowd."""

from __future__ import annotations

import argparse

from primetime.capacity import Crowd, capacity
from primetime.capacity_figures import FIGURES
from primetime.console import Console, table
from primetime.quantities import count, seconds


def add(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    sub = actions.add_parser("capacity", help="collectors, stores, disk and spool for a crowd, with the arithmetic")
    sub.add_argument("--updates", default="1e6", help="of the burst (default: 1e6)")
    sub.add_argument("--in", dest="within", default="5s", help="its length (default: 5s)")
    sub.add_argument("--batch", default="1", help="updates in a request (default: 1)")
    sub.add_argument("--phones-per-connection", default="1", help="default: 1, each phone has its own")
    sub.add_argument("--zones", default="3", help="zones that the machines are in; one may be lost (default: 3)")
    sub.add_argument("--outage", default="5m", help="how long the store may be away (default: 5m)")
    sub.add_argument(
        "--stored-within", default="60s", help="from a burst's start to the last one stored (default: 60s)"
    )
    sub.add_argument("--cores", default="2", help="of a collector (default: 2)")
    sub.add_argument("--json", action="store_true", help="end standard output with one JSON object on one line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    crowd = Crowd(
        updates=count(arguments.updates),
        seconds=seconds(arguments.within),
        batch=count(arguments.batch),
        per_connection=count(arguments.phones_per_connection),
        zones=count(arguments.zones),
        outage_s=seconds(arguments.outage),
        stored_within_s=seconds(arguments.stored_within),
        cores=count(arguments.cores),
    )
    found = capacity(crowd, FIGURES)
    for number, sentence in enumerate(found.steps, 1):
        console.say(f"{number:2}. {sentence}")
    console.say("\nmeasured:")
    rows = [(name, f"{f.value:,.0f} {f.unit}", f.date, f.machine, f.command) for name, f in FIGURES.items()]
    console.say(table(rows, ("figure", "value", "date", "machine", "command")))
    console.result(found.as_json() | {"figures": {name: vars(figure) for name, figure in FIGURES.items()}})
    return 0
