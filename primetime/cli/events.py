"""`events`: what was stored of a show, by position, as JSON lines."""

from __future__ import annotations

import argparse
import sys

from primetime.cli import add_topology
from primetime.console import Console
from primetime.hbase import Hbase
from primetime.inventory import live
from primetime.reading import events, position
from primetime.topology import load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("show", help="the show, for example quiz-20261121")
    parser.add_argument("--from", dest="start", default="0:00", help="m:ss in the show, inclusive (default: 0:00)")
    parser.add_argument("--to", dest="stop", help="m:ss in the show, exclusive (default: its end)")


def run(arguments: argparse.Namespace, console: Console) -> int:
    start = position(arguments.start)
    stop = position(arguments.stop) if arguments.stop else None
    host, port = live(load(arguments.topology)).endpoint("hbase_thrift", "thrift")
    number = 0
    for event in events(lambda: Hbase(host, port), arguments.show, start, stop):
        if not arguments.json:
            sys.stdout.buffer.write(event + b"\n")
        number += 1
    sys.stdout.buffer.flush()
    console.result({"show": arguments.show, "events": number})
    return 0
