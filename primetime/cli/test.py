"""`test`: lint, types and the suite; recovers first from what a run that died left behind."""

from __future__ import annotations

import argparse
import subprocess
import sys

from primetime import doctor, preflight
from primetime.console import Console
from primetime.drivers.nspawn import leftovers
from primetime.paths import REPO
from primetime.topology import load

CHECKS = (
    ("ruff", ["ruff", "check", "-q", "."]),
    ("format", ["ruff", "format", "-q", "--check", "."]),
    ("types", ["mypy"]),
)
LOCAL = ("tests/unit", "tests/wire")
HOSTS = ("tests/machine", "tests/cluster", "tests/fault")
# A process and mount namespace that ends with this process, however it ends: nothing that a test started outlives it.
ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--pid", "--mount", "--mount-proc", "--fork", "--kill-child")


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--all", action="store_true", help="also what takes long: the whole fault matrix")
    parser.add_argument("pytest", nargs=argparse.REMAINDER, help="-- ARGUMENTS...: for pytest, in place of all tests")


def run(arguments: argparse.Namespace, console: Console) -> int:
    preflight.require_root("test")
    lacking = preflight.missing(preflight.TEST, preflight.TEST_MODULES)
    preflight.install(lacking, console.progress)
    doctor.require(load("demo"), "demo", "test")  # the largest of what it makes at once
    for thing in leftovers.sweep("test-"):
        console.complain(f"primetime: removed what an earlier run left: {thing}")
    words = arguments.pytest[1:] if arguments.pytest[:1] == ["--"] else arguments.pytest
    if not words:
        for name, command in CHECKS:
            console.progress(name)
            done = subprocess.run([sys.executable, "-m", *command], cwd=REPO)
            if done.returncode:
                console.complain(f"primetime: {name} failed: see above")
                return 1
    long = ["--everything"] if arguments.all else []
    try:
        if words:
            return _pytest([*long, *words])
        # units and wires start servers of their own on this machine; the other two only make hosts
        codes = [_pytest([*long, *folders], alone) for folders, alone in ((LOCAL, ALONE), (HOSTS, ()))]
        return max(codes)
    finally:
        leftovers.sweep("test-")


def _pytest(words: list[str], within: tuple[str, ...] = ()) -> int:
    command = [*within, sys.executable, "-m", "pytest", "--durations=5", *words]
    return subprocess.run(command, cwd=REPO).returncode
