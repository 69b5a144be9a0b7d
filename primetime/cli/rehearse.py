"""`rehearse`: a burst of numbered updates through the real path, then the certificate."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from primetime.cli import add_topology
from primetime.console import Console
from primetime.errors import UsageError
from primetime.hbase import Hbase
from primetime.inventory import Inventory, live
from primetime.paths import home
from primetime.providers import driver_for
from primetime.quantities import count, seconds
from primetime.rehearsal import circumstances
from primetime.rehearsal.burst import usual_connections
from primetime.rehearsal.certificate import Certificate, check
from primetime.rehearsal.circumstances import Circumstances
from primetime.rehearsal.page import page
from primetime.rehearsal.record import Record, write_whole
from primetime.rehearsal.run import Plan, rehearse
from primetime.topology import Topology, load

PAGE = "certificate.html"


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)
    parser.add_argument("--updates", default="1e5", help="how many, for example 1e6 (default: 1e5)")
    parser.add_argument("--in", dest="seconds", default="5s", help="spread over this long, for example 5s (default)")
    parser.add_argument("--batch", default="10", help="updates in one request, 1 to 100 (default: 10)")
    parser.add_argument("--connections", help="connections held open (default: 64 to 1024, by the rate)")
    parser.add_argument("--show", help="a declared show (default: the topology's first)")
    parser.add_argument("--poll", default="", help="everybody votes in this one (default: a question's usual mix)")
    parser.add_argument("--wait", default="2m", help="for what is acknowledged to be readable (default: 2m)")
    parser.add_argument("--check", metavar="RUN", help="send nothing: compare a finished run with HBase once more")


def run(arguments: argparse.Namespace, console: Console) -> int:
    inventory = live(load(arguments.topology))
    show = arguments.show or inventory.topology.shows[0]
    if show not in inventory.topology.shows:
        declared = ", ".join(inventory.topology.shows)
        raise UsageError(f"show {show} is not declared in {arguments.topology}: choose from {declared}")
    updates, over_s, batch = count(arguments.updates), seconds(arguments.seconds), count(arguments.batch)
    usual = usual_connections(updates, over_s, batch)
    plan = Plan(
        show=show,
        updates=updates,
        seconds=over_s,
        batch=batch,
        connections=count(arguments.connections) if arguments.connections else usual,
        stored_deadline_s=seconds(arguments.wait),
        poll=arguments.poll,
    )
    with driver_for(inventory.topology).ex_lock("rehearse"), console.stage("rehearse"):
        certificate = again(inventory, arguments.check) if arguments.check else burst(inventory, plan, console)
    for sentence in certificate.sentences():
        console.say(sentence)
    console.say(f"to read and to keep: {runs(inventory.topology) / certificate.run / PAGE}")
    console.result(certificate.to_json())
    return 0 if certificate.passed else 3


def again(inventory: Inventory, run: str) -> Certificate:
    """The certificate of a finished run, made anew from its record and what HBase holds now; its page says the same."""
    certificate = check(runs(inventory.topology) / run, Hbase(*inventory.endpoint("hbase_thrift", "thrift")))
    write_page(runs(inventory.topology) / run, certificate)
    return certificate


def burst(inventory: Inventory, plan: Plan, console: Console) -> Certificate:
    """One rehearsal against the live nodes; its record is kept under PRIMETIME_HOME."""
    entrance = inventory.entrance()
    thrift = inventory.endpoint("hbase_thrift", "thrift")
    certificate = rehearse(plan, entrance, thrift, runs(inventory.topology), console.progress)
    folder = runs(inventory.topology) / certificate.run
    circumstances.of(inventory).save(folder)
    write_page(folder, certificate)
    return certificate


def write_page(folder: Path, certificate: Certificate) -> None:
    """The certificate for people, beside the one for programs."""
    record = Record.load(folder)
    text = page(certificate, record.per_tenth, Circumstances.load(folder), record.shipped)
    write_whole(folder / PAGE, text.encode())


def runs(topology: Topology) -> Path:
    """Where the records of a topology's rehearsals are kept, a folder each, named by run."""
    return home() / "runs" / topology.name


def last_certificate(topology: Topology) -> dict[str, Any] | None:
    """The certificate of the topology's last finished rehearsal; a run's name begins with its time."""
    for path in sorted(runs(topology).glob("*/certificate.json"), reverse=True):
        found = json.loads(path.read_text())
        return found if isinstance(found, dict) else None
    return None
