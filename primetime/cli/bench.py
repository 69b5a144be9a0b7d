"""`bench`: side-by-side measurements; each prints a table."""

from __future__ import annotations

import argparse
import runpy
import sys

from primetime.console import Console
from primetime.errors import UsageError
from primetime.paths import REPO


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("measurement", help=f"one of: {', '.join(measurements())}")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="for the measurement itself; --help lists them")


def measurements() -> list[str]:
    """The measurements that have a command in bench/."""
    return sorted(path.name for path in (REPO / "bench").iterdir() if path.is_file())


def run(arguments: argparse.Namespace, console: Console) -> int:
    if arguments.measurement not in measurements():
        raise UsageError(f"no measurement {arguments.measurement}: choose from {', '.join(measurements())}")
    sys.argv = [f"bench/{arguments.measurement}", *arguments.arguments]
    runpy.run_module(f"primetime.bench.{arguments.measurement}", run_name="__main__")
    return 0
