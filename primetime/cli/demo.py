"""`demo`: everything, from nothing to a certificate: machines, converge, verify, a seeded show, a rehearsal.

`demo reset` is the way back to the seeded show alone.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from primetime import artifacts, doctor, expiry, machines, preflight, resetting
from primetime.cli import add_provider, add_topology, status
from primetime.cli import converge as converge_verb
from primetime.cli import rehearse as rehearse_verb
from primetime.cli import verify as verify_verb
from primetime.cli.stage import PORT
from primetime.console import Console
from primetime.converge import converge
from primetime.converge.report import ConvergeReport
from primetime.errors import NotAsDeclared, PrimetimeError
from primetime.inventory import Inventory, live
from primetime.providers import choose, driver_for, provider_of
from primetime.quantities import count, seconds
from primetime.rehearsal.run import Plan
from primetime.seeding import audience, plant
from primetime.seeding.state import Seeded
from primetime.stage import beside
from primetime.topology import Topology, load
from primetime.verify import verify

# seconds of a first run on 2 cores with an empty cache; a machine's own last run replaces them
ESTIMATES = {"install": 20.0, "machines": 57.0, "converge": 45.0, "verify": 10.0, "seed": 3.0, "rehearse": 10.0}


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "what", nargs="?", choices=["reset"], help="reset: back to its seeded state: no other data, no faults"
    )
    add_topology(parser)
    add_provider(parser)
    parser.add_argument("--updates", default="1e5", help="how many the rehearsal sends (default: 1e5)")
    parser.add_argument("--no-stage", action="store_true", help="do not serve the live page beside the machines")
    parser.add_argument(
        "--seed",
        type=int,
        help=f"what the seeded shows' audience is drawn from (default: {audience.SEED}; for reset: the last one)",
    )
    parser.add_argument(
        "--expires", metavar="TIME", help="after it, for example 2h, all of it removes itself; again: from now; never"
    )


def run(arguments: argparse.Namespace, console: Console) -> int:
    topology = choose(load(arguments.topology), arguments.provider)
    if arguments.what == "reset":
        return _reset(topology, arguments, console)
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


def _reset(topology: Topology, arguments: argparse.Namespace, console: Console) -> int:
    """Back to the seeded state. What does not depend on each other goes on at one time."""
    preflight.require_root("demo reset")
    resetting.require_machines(topology)
    seed = plant.remembered(topology.name) if arguments.seed is None else arguments.seed
    with driver_for(topology).ex_lock("demo reset"), ThreadPoolExecutor(max_workers=2) as pool:
        seeded = pool.submit(Seeded.of, topology.seeded, seed)
        with console.stage("heal"):
            healed = resetting.heal(topology, console.progress)
        with console.stage("hosts"):
            beyond = resetting.clear_hosts(live(topology), console.progress)
            healed += resetting.remake(topology, beyond, console.progress)
            inventory = live(topology)
        with console.stage("data"):
            keys, planted, report = _data_anew(inventory, arguments.topology, seeded, pool, console)
        if report.failures:
            with console.stage("remake"):
                beyond = list(dict.fromkeys(failure.host for failure in report.failures))
                healed += resetting.remake(topology, beyond, console.progress)
                inventory = live(topology)
                resetting.clear_hosts(inventory, console.progress)  # what was sent meanwhile is of a store that is gone
                keys, planted, report = _data_anew(inventory, arguments.topology, seeded, pool, console)
            _require_no_failures(report)
        with console.stage("compare"):
            left = resetting.left(inventory) if planted else {}
    for sentence in healed:
        console.say(sentence)
    console.say(f"spools, tables, curves and {keys} keys of Redis cleared")
    _tell_seeded(console, planted)
    for what, number in left.items():
        console.say(f"not of the seeded state: {number:,} {what}: somebody sent them during the reset")
    result = {"topology": topology.name, "healed": healed, "keys": keys, "seeded": planted, "beside": left}
    console.result({**result, "stages": console.stages})
    return 3 if left else 0


def _data_anew(
    inventory: Inventory, argument: str, seeded: Future[Seeded], pool: ThreadPoolExecutor, console: Console
) -> tuple[int, dict[str, Any] | None, ConvergeReport]:
    """Stores emptied and seeded again while a converge is at work: how many keys Redis had, and the seeded state.

    Where the converge fails, that is in its report, and is why others wait in vain.
    """
    converged = pool.submit(converge, argument, progress=console.progress)
    hopeless = resetting.hopeless_after(converged)
    try:
        keys = resetting.clear_data(inventory, hopeless, console.progress)
        return keys, _planted(inventory, seeded.result(), console, hopeless), converged.result()
    except PrimetimeError:
        report = converged.result()
        if not report.failures:
            raise
        return 0, None, report


def _require_no_failures(report: ConvergeReport) -> None:
    if report.failures:
        raise PrimetimeError(report.complaint())


def _planted(
    inventory: Inventory, seeded: Seeded, console: Console, hopeless: plant.Hopeless | None = None
) -> dict[str, Any] | None:
    """The seeded state; None when events cannot pass through this topology."""
    if not plant.fits(inventory.topology):
        return None
    return plant.plant(inventory, seeded, console.progress, hopeless)


def _tell_seeded(console: Console, planted: dict[str, Any] | None) -> None:
    if planted:
        shows = ", ".join(planted["shows"]) or "no show"
        console.say(f"seeded: {planted['updates']:,} updates of {shows} by seed {planted['seed']}")
        console.say(f"state: sha256 {planted['sha256']}")


def _everything(topology: Topology, arguments: argparse.Namespace, console: Console) -> tuple[int, dict[str, Any]]:
    with console.stage("machines"), ThreadPoolExecutor(max_workers=2) as pool:
        groups = topology.all_groups()
        built = pool.submit(artifacts.ensure, groups, topology.image, console.progress)
        made = machines.up(topology, console.progress)
        built.result()
    inventory = live(topology)
    with console.stage("converge"):
        report = converge(arguments.topology, progress=console.progress)
    _require_no_failures(report)
    with console.stage("verify"):
        verified = verify(inventory, arguments.topology, console.progress)
    if verified.failed:
        raise NotAsDeclared("\n".join(f"not kept: {broken}" for broken in verified.failed))
    certificate = planted = None
    if plant.fits(topology):
        with console.stage("seed"):
            seed = audience.SEED if arguments.seed is None else arguments.seed
            planted = _planted(inventory, Seeded.of(topology.seeded, seed), console)
        with console.stage("rehearse"):
            plan = Plan(show=topology.shows[0], updates=count(arguments.updates), seconds=5.0)
            certificate = rehearse_verb.burst(inventory, plan, console)
    status.tell(console, inventory)
    console.say()
    console.say(f"{made} machines made or started")
    converge_verb.tell(console, report, dry=False)
    verify_verb.tell(console, verified)
    _tell_seeded(console, planted)
    result = {**status.summary(inventory), "changed": made + report.changed, "seeded": planted}
    if certificate is not None and not arguments.no_stage:
        result["stage"] = _stage(topology, console)
    if certificate is None:
        console.say(f"no rehearsal: {topology.name} has not all of {', '.join(plant.NEEDS)}")
        return 0, result
    for sentence in certificate.sentences():
        console.say(sentence)
    return (0 if certificate.passed else 3), {**result, "certificate": certificate.to_json()}


def _stage(topology: Topology, console: Console) -> str:
    """Where the live page is, served until `down`; empty when it is not, which is said and spoils nothing else."""
    try:
        address = beside.begin(topology, PORT, proved=True)  # by its verify
    except PrimetimeError as error:
        console.say(f"no live page: {error}")
        return ""
    console.say(f"the live page, until `down`: {address}")
    return address
