"""`ledger`: is anything missing; dead letters; live counts against HBase."""

from __future__ import annotations

import argparse
import sys
from functools import partial

from primetime.audit import ask, collectors, letters, report
from primetime.audit.reconcile import Collectors, reconcile
from primetime.cli import add_topology
from primetime.cli.rehearse import runs
from primetime.console import Console, table
from primetime.errors import PrimetimeError, UsageError
from primetime.hbase import Hbase
from primetime.inventory import Inventory, live
from primetime.live_counts import client_of, saying_what_failed
from primetime.settings import from_data
from primetime.shipper.ledger import Ledger, Row, everything
from primetime.shipper.spool import SegmentId
from primetime.topology import load
from roles.shipper.settings import Shipper

RUNS = 5  # of the last rehearsals: a million ids take some seconds
NAMED = 20


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument(
        "--runs", type=int, default=RUNS, help=f"compare so many of the last rehearsals id by id (default: {RUNS})"
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    dead = actions.add_parser("deadletters", help="list them, show one, replay some")
    dead.add_argument("what", choices=("list", "show", "replay"))
    dead.add_argument("selection", nargs="?", default="", help="SOURCE, or SOURCE/NUMBER:OFFSET/INDEX")
    counts = actions.add_parser("reconcile", help="the live counts against HBase; they stand still meanwhile")
    counts.add_argument("show", nargs="?", help="one show (default: all)")
    counts.add_argument("--apply", action="store_true", help="set Redis right")
    again = actions.add_parser("again", help="ship a segment from its start once more, under the same keys")
    again.add_argument("segment", help="its name, as `ledger` prints it")
    for action in (dead, counts, again):  # where they are looked for first
        action.add_argument("-t", "--topology", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        action.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def run(arguments: argparse.Namespace, console: Console) -> int:
    inventory = live(load(arguments.topology))
    hbase = Hbase(*inventory.endpoint("hbase_thrift", "thrift"))
    try:
        with saying_what_failed():
            if arguments.action == "deadletters":
                return _deadletters(inventory, hbase, arguments, console)
            if arguments.action == "reconcile":
                return _reconcile(inventory, hbase, arguments, console)
            if arguments.action == "again":
                return _again(inventory, hbase, arguments.segment, console)
            return _ledger(inventory, hbase, arguments.runs, console)
    finally:
        hbase.close()


def _ledger(inventory: Inventory, hbase: Hbase, most_runs: int, console: Console) -> int:
    name, survey = inventory.topology.name, partial(collectors.survey, inventory)
    with console.stage("ledger"):
        client, records = client_of(inventory), runs(inventory.topology)
        found = ask.report(name, hbase, client, survey, records, most_runs, console.progress)
    for sentence in report.sentences(found):
        console.say(sentence)
    console.result(found.to_json())
    return 3 if found.problems else 0


def _deadletters(inventory: Inventory, hbase: Hbase, arguments: argparse.Namespace, console: Console) -> int:
    if arguments.what == "show":
        return _show(hbase, arguments.selection, console)
    if arguments.what == "replay":
        done = letters.replay(hbase, client_of(inventory), arguments.selection, console.progress)
        for letter in done.left[:NAMED]:
            console.say(f"{letter.name}: still cannot be stored: {letter.letter.reason}")
        console.say(f"{done.stored} stored and counted, {done.before} were before, {len(done.left)} still cannot be")
        left = [letter.name for letter in done.left]
        console.result({"stored": done.stored, "before": done.before, "left": len(left), "names": left[:NAMED]})
        return 3 if left else 0
    cap = _cap(inventory)
    sources = letters.by_source(letters.read(hbase, arguments.selection))
    rows = [
        (name, str(source.waiting), str(source.replayed), str(cap), f"{count} {reason}")
        for name, source in sources.items()
        for reason, count in source.reasons.most_common() or [("none waits", 0)]
    ]
    console.say(table(rows, ("source", "waiting", "replayed", "cap", "reasons")) if rows else "no dead letters")
    console.result({"cap": cap, "sources": {name: vars(source) for name, source in sources.items()}})
    return 0


def _cap(inventory: Inventory) -> int:
    nodes = inventory.topology.in_group("shipper")
    return from_data(Shipper, inventory.settings(nodes[0]) if nodes else {}).dead_letters


def _show(hbase: Hbase, selection: str, console: Console) -> int:
    if not selection:
        raise UsageError("which one? write SOURCE, or SOURCE/NUMBER:OFFSET/INDEX as `deadletters list SOURCE` has it")
    found = False
    for each in letters.read(hbase, selection):
        found = True
        letter, mark = each.letter, " (replayed)" if each.replayed else ""
        console.say(f"{each.name}: {letter.reason}{mark}; received {letter.received_ms}")
        if not console.as_json:
            sys.stdout.buffer.write(letter.event + b"\n")
            sys.stdout.buffer.flush()
        else:
            text = letter.event.decode(errors="backslashreplace")
            said = {"reason": letter.reason, "received_ms": letter.received_ms, "replayed": each.replayed}
            console.result({"name": each.name, **said, "hex": letter.event.hex(), "event": text})
    if not found:
        raise PrimetimeError(
            f"{selection}: no dead letter there: `primetime ledger deadletters list` has those there are"
        )
    return 0


def _reconcile(inventory: Inventory, hbase: Hbase, arguments: argparse.Namespace, console: Console) -> int:
    client = client_of(inventory)
    if client is None:
        raise UsageError(f"{inventory.topology.name} has no redis: there are no live counts to compare")
    known = {show for row in everything(hbase).values() for show in row.read_by_show} | set(inventory.topology.shows)
    if arguments.show and arguments.show not in known:
        raise UsageError(f"show {arguments.show} is neither declared nor in the ledger: choose from {', '.join(known)}")
    spools = Collectors(partial(collectors.survey, inventory), partial(collectors.pending, inventory))
    shows = [arguments.show] if arguments.show else sorted(known)
    with console.stage("reconcile"):
        found = reconcile(
            hbase, client, spools, shows, whole=not arguments.show, apply=arguments.apply, progress=console.progress
        )
    for difference in found.differences[:NAMED]:
        console.say(str(difference))
    for source, position in found.positions.items():
        console.say(f"position:{source}: no sink can have written it; {position} is right")
    if not found.anything:
        console.say(f"no difference in {', '.join(shows)}")
    else:
        done = "set right" if found.applied else "left as they are: --apply sets them right"
        more = f", {len(found.gaps)} gaps" if found.gaps else ""
        console.say(f"{found.different} differences, {len(found.positions)} positions{more}: {done}")
    console.result(found.to_json())
    return 3 if found.anything and not found.applied else 0


def _again(inventory: Inventory, hbase: Hbase, name: str, console: Console) -> int:
    source, _, number = name.rpartition("-")
    if not number.isdecimal():
        raise UsageError(f"{name!r} is not a segment's name: write it as `primetime ledger` prints it")
    segment = SegmentId(source, int(number))
    spools = collectors.survey(inventory, {})
    nodes = [spool.node for spool in spools if str(segment) in spool.segments]
    if not nodes:
        raise PrimetimeError(f"{segment} lies in no collector's spool: bring its file or volume back first")
    ledger = Ledger(hbase)
    ledger.load(source, segment.number, segment.number)  # so that the new row is newer than what is there
    ledger.write({segment: Row().noted(reason="shipped anew")})
    collectors.restart(inventory, nodes[0])
    console.say(f"{segment}: {nodes[0]} ships it anew from its start; `primetime ledger` says how far it comes")
    console.result({"segment": str(segment), "node": nodes[0]})
    return 0
