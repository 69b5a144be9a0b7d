"""`demo`: everything, from nothing to a certificate: machines, converge, verify, a rehearsal, where to look."""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from primetime import artifacts, doctor, expiry, machines, preflight, resetting
from primetime.cli import add_provider, add_topology, status
from primetime.cli import converge as converge_verb
from primetime.cli import rehearse as rehearse_verb
from primetime.cli import verify as verify_verb
from primetime.cli.stage import PORT
from primetime.console import Console
from primetime.converge import converge
from primetime.errors import NotAsDeclared, PrimetimeError
from primetime.inventory import live
from primetime.providers import choose, driver_for, provider_of
from primetime.quantities import count, seconds
from primetime.rehearsal.run import Plan
from primetime.stage import beside
from primetime.topology import Topology, load
from primetime.verify import verify

# seconds of a first run on 2 cores with an empty cache; a machine's own last run replaces them
ESTIMATES = {"install": 20.0, "machines": 57.0, "converge": 45.0, "verify": 10.0, "rehearse": 10.0}

REHEARSED = ("collector", "shipper", "hbase_thrift")  # a burst needs all of them


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="?", choices=["reset"], help="reset: back to what it was after its converge, no data, no faults"
    )
    add_topology(parser)
    add_provider(parser)
    parser.add_argument("--updates", default="1e5", help="how many the rehearsal sends (default: 1e5)")
    parser.add_argument("--no-stage", action="store_true", help="do not serve the live page beside the machines")
    parser.add_argument(
        "--expires", metavar="TIME", help="after it, for example 2h, all of it removes itself; again: from now; never"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = choose(load(arguments.topology), arguments.provider)
    if arguments.what == "reset":
        return _reset(topology, arguments.topology, console)
    lasts_s = seconds(arguments.expires) if arguments.expires not in (None, "never") else None
    preflight.require_root("demo")
    console.expect("demo", list(ESTIMATES), ESTIMATES)
    with console.stage("install"):
        preflight.install(preflight.missing_for(provider_of(topology)), console.progress)
    doctor.require(topology, arguments.topology, "demo")
    with driver_for(topology).ex_lock("demo"):
        code, result = _everything(topology, arguments, console)
        if lasts_s is not None:
            expiry.begin(topology, time.time() + lasts_s)
        elif arguments.expires:
            expiry.end(topology.name)
    status.tell_expiry(console, topology.name)
    console.remember("demo")
    console.result({**result, "expires": expiry.of(topology.name), "stages": console.stages})
    return code


def _reset(topology: Topology, argument: str, console: Console) -> int:
    """Back to what it was after its converge."""
    preflight.require_root("demo reset")
    resetting.require_machines(topology)
    with driver_for(topology).ex_lock("demo reset"):
        with console.stage("heal"):
            healed = resetting.heal(topology, console.progress)
        with console.stage("clear"):
            keys = resetting.clear(topology, console.progress)
        with console.stage("converge"):
            report = converge(argument, progress=console.progress)
        if report.failures:
            raise PrimetimeError(report.complaint())
    for sentence in healed:
        console.say(sentence)
    console.say(f"{topology.name} is as it was after its converge: spools, tables and {keys} keys of Redis cleared")
    console.result({"topology": topology.name, "healed": healed, "keys": keys, "stages": console.stages})
    return 0


def _everything(topology: Topology, arguments: argparse.Namespace, console: Console) -> tuple[int, dict[str, Any]]:
    with console.stage("machines"), ThreadPoolExecutor(max_workers=2) as pool:
        groups = topology.all_groups()
        built = pool.submit(artifacts.ensure, groups, topology.image, console.progress)
        made = machines.up(topology, console.progress)
        built.result()
    inventory = live(topology)
    with console.stage("converge"):
        report = converge(arguments.topology, progress=console.progress)
    if report.failures:
        raise PrimetimeError(report.complaint())
    with console.stage("verify"):
        verified = verify(inventory, arguments.topology, console.progress)
    if verified.failed:
        raise NotAsDeclared("\n".join(f"not kept: {broken}" for broken in verified.failed))
    certificate = None
    if all(topology.in_group(group) for group in REHEARSED):
        with console.stage("rehearse"):
            plan = Plan(show=topology.shows[0], updates=count(arguments.updates), seconds=5.0)
            certificate = rehearse_verb.burst(inventory, plan, console)
    status.tell(console, inventory)
    console.say()
    console.say(f"{made} machines made or started")
    converge_verb.tell(console, report, dry=False)
    verify_verb.tell(console, verified)
    result = {**status.summary(inventory), "changed": made + report.changed}
    if certificate is not None and not arguments.no_stage:
        result["stage"] = _stage(topology, console)
    if certificate is None:
        console.say(f"no rehearsal: {topology.name} has not all of {', '.join(REHEARSED)}")
        return 0, result
    for sentence in certificate.sentences():
        console.say(sentence)
    return (0 if certificate.passed else 3), {**result, "certificate": certificate.to_json()}


def _stage(topology: Topology, console: Console) -> str:
    """Where the live page is, served until `down`; empty when it is not, which is said and spoils nothing else."""
    try:
        address = beside.begin(topology, PORT)
    except PrimetimeError as error:
        console.say(f"no live page: {error}")
        return ""
    console.say(f"the live page, until `down`: {address}")
    return address
