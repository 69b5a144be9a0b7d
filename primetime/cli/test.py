"""`test`: lint, types and the suite; recovers first from what a run that died left behind."""

from __future__ import annotations

import argparse
import secrets
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from primetime import children, doctor, preflight
from primetime.console import Console, table
from primetime.drivers.nspawn import leftovers, lock
from primetime.drivers.vagrant import containers
from primetime.paths import REPO, home
from primetime.topology import load

CHECKS = (
    ("ruff", ["ruff", "check", "-q", "."]),
    ("format", ["ruff", "format", "-q", "--check", "."]),
    ("types", ["mypy"]),
)
# What a folder of tests/ is for, by cost. Each runs within 90 minutes with --all, on 2 cores.
GROUPS = {
    "unit": "no machine: pure functions, shapes, names",
    "wire": "our programs against real servers on this machine",
    "machine": "each role alone on a fresh host; the driver",
    "cluster": "an event goes in, a row comes out",
    "fault": "the same, while something is broken",
    "alerts": "something is broken, and somebody is told (--all)",
    "crash": "demo, ended by Ctrl-C or kill -9 at random moments",
    "promises": "each promise broken by hand, and named by verify",
}
NOTHING_CHOSEN = 5  # pytest's exit code
# They start servers of their own on this machine; the others only make hosts.
LOCAL = ("unit", "wire")
AT_WORK = Path("/run/lock/primetime-test")  # one suite at a time: each removes what others left
ORPHAN_S = 180  # a `demo` whose suite was killed has ended by then
# A process and mount namespace that ends with this process, however it ends: nothing that a test started outlives it.
ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also what takes long: every fault, every promise broken")
    parser.add_argument("--group", action="append", choices=GROUPS, help="these groups only (may be given repeatedly)")
    parser.add_argument("--checks", action="store_true", help="lint, format and types only")
    parser.add_argument("--junit", metavar="FOLDER", help="write a report of each group there, for CI servers")
    parser.add_argument("--list-groups", action="store_true", help="say which groups there are, and run nothing")
    parser.add_argument("--random", nargs="?", const="", metavar="SEED", help="in random order; the seed is printed")
    parser.add_argument("pytest", nargs=argparse.REMAINDER, help="-- ARGUMENTS...: for pytest, in place of all tests")


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.list_groups:
        console.say(table([(name, what) for name, what in GROUPS.items()], ("group", "what")))
        return 0
    if arguments.checks:
        return _checks(console)
    preflight.require_root("test")
    with lock.held(AT_WORK, "test"):
        return _suite(arguments, console)


def _suite(arguments: argparse.Namespace, console: Console) -> int:
    commands = preflight.TEST_ALL if arguments.all else preflight.TEST
    lacking = preflight.missing(commands, preflight.TEST_MODULES)
    preflight.install(lacking, console.progress)
    doctor.require(load("demo"), "demo", "test")  # the largest of what it makes at once
    words = arguments.pytest[1:] if arguments.pytest[:1] == ["--"] else arguments.pytest
    _recover(console)
    try:
        if words:
            return _pytest([*_options(arguments), *words]).returncode
        return _checks(console) or _groups(arguments, console)
    finally:
        containers.sweep("test-")
        leftovers.sweep("test-", ORPHAN_S)
        forget("test-")


def _recover(console: Console) -> None:
    """Remove what a run that died left; a command of its that lives on is waited for."""
    for container in containers.sweep("test-"):
        console.complain(f"primetime: removed what an earlier run left: {container}")
    for name, things in leftovers.sweep("test-", ORPHAN_S).items():
        more = f" and {len(things) - 1} more things" if things[1:] else ""
        console.complain(
            f"primetime: removed what an earlier run left of {name}: {things[0] if things else name}{more}"
        )
    forget("test-")


def forget(prefix: str) -> None:
    """Remove keys, secrets and records of topologies that tests made: the next run must not find them."""
    for folder in ("keys", "secrets", "runs", "stage", "ec2"):
        for path in (home() / folder).glob(f"{prefix}*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def _checks(console: Console) -> int:
    for name, command in CHECKS:
        console.progress(name)
        done = subprocess.run([sys.executable, "-m", *command], cwd=REPO)
        if done.returncode:
            console.complain(f"primetime: {name} failed: see above")
            return 1
    return 0


def _groups(arguments: argparse.Namespace, console: Console) -> int:
    wanted = arguments.group or list(GROUPS)
    options = _options(arguments)
    codes = {}
    if "unit" in wanted:
        # they share nothing and wait for nothing: as many at a time as there are cores
        words = [*options, *_report(arguments, "unit"), "-n", "auto", "tests/unit"]
        codes["unit"] = _pytest(words, ALONE).returncode
    lanes = _lanes(wanted, together=not arguments.all)
    with ThreadPoolExecutor(max(1, len(lanes))) as beside:
        running = {}
        for place, lane in enumerate(lanes):
            words = [*options, *_report(arguments, "-".join(lane)), *(f"tests/{name}" for name in lane)]
            if lane == ("wire",):
                # a file's tests share its servers; they wait more than they compute, and so do those of hosts
                words += ["-n", "4", "--dist", "loadfile"]
            running[", ".join(lane)] = beside.submit(
                _pytest, words, ALONE if lane == ("wire",) else (), subprocess.PIPE if place else None
            )
        try:
            for names, pytest in running.items():
                done = pytest.result()
                print(done.stdout or "", end="", flush=True)
                codes[names] = done.returncode
        except KeyboardInterrupt:
            children.interrupt()  # who was told alone tells them, so that each takes its hosts away
            raise
    for names, code in codes.items():
        if code == NOTHING_CHOSEN and not arguments.all:
            console.say(f"all tests of {names} take long, so none was run: --all runs them")
            codes[names] = 0
        elif code:  # said last: pytest's own words may be a screen of others' away
            console.complain(f"primetime: tests failed in {names}: see above (pytest ended with {code})")
    return max(codes.values())


def _lanes(wanted: Sequence[str], together: bool) -> list[tuple[str, ...]]:
    """What runs at a time, each in a process of its own: what shares the demo's cluster, hosts alone, and servers here.

    The first one's output is seen as it comes. With --all, whose results are measured, hosts of one kind at a time.
    """
    alone = [name for name in wanted if name == "machine"]
    sharing = [name for name in GROUPS if name in wanted and name not in (*LOCAL, *alone)]
    hosts = [tuple(sharing), tuple(alone)] if together else [tuple([*alone, *sharing])]
    return [lane for lane in (*hosts, tuple(name for name in wanted if name == "wire")) if lane]


def _options(arguments: argparse.Namespace) -> list[str]:
    options = ["--everything"] if arguments.all else []
    if arguments.random is not None:
        # a module's tests stay together: they share its hosts
        seed = arguments.random or str(secrets.randbelow(1_000_000))
        options += ["--random-order-bucket=module", f"--random-order-seed={seed}"]
    return options


def _report(arguments: argparse.Namespace, name: str) -> list[str]:
    return [f"--junitxml={Path(arguments.junit).absolute() / f'{name}.xml'}"] if arguments.junit else []


def _pytest(
    words: list[str], within: tuple[str, ...] = (), output: int | None = None
) -> subprocess.CompletedProcess[str]:
    """pytest, finished; it ends with this process, also when that is killed."""
    command = [*(within or children.bound(())), sys.executable, "-m", "pytest", "--durations=5", *words]
    return subprocess.run(command, cwd=REPO, stdout=output, stderr=output and subprocess.STDOUT, text=True)
