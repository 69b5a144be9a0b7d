"""`doctor`: what this machine lacks for a topology, and the command that mends it."""

from __future__ import annotations

import argparse

from primetime import doctor
from primetime.cli import add_topology
from primetime.console import Console, table
from primetime.topology import load


def add(parser: argparse.ArgumentParser) -> None:
    add_topology(parser)


def run(arguments: argparse.Namespace, console: Console) -> int:
    findings = doctor.all_of(doctor.gather(load(arguments.topology), arguments.topology))
    broken = [finding for finding in findings if finding.verdict == doctor.BROKEN]
    console.say(table([(f.check, f.verdict, f.found) for f in findings], ("check", "verdict", "found")))
    mends = [finding for finding in findings if finding.mend and finding.verdict != doctor.OK]
    if mends:
        console.say()
        console.say(table([(f.check, f.mend) for f in mends], ("check", "what mends it")))
    console.say()
    console.say(f"{len(broken)} of {len(findings)} checks say that something is broken" if broken else "all is well")
    console.result({"topology": arguments.topology, "well": not broken, "checks": [vars(f) for f in findings]})
    return 3 if broken else 0
