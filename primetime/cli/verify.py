"""`verify`: prove every promise of every role on the live hosts."""

from __future__ import annotations

import argparse

from primetime.cli import add_topology
from primetime.console import Console
from primetime.inventory import live
from primetime.topology import load
from primetime.verify import VerifyReport, verify


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    inventory = live(load(arguments.topology))
    with console.stage("verify"):
        report = verify(inventory, arguments.topology, console.progress)
    tell(console, report)
    console.result(
        {
            "checked": report.checked,
            "failed": [{"node": b.node, "role": b.role, "promise": b.promise} for b in report.failed],
        }
    )
    return 3 if report.failed else 0


def tell(console: Console, report: VerifyReport) -> None:
    """What is not as promised, for people."""
    for broken in report.failed:
        console.say(f"not kept: {broken}")
    kept = report.checked - len(report.failed)
    console.say(f"{kept} of {report.checked} promises kept")
