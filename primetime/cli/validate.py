"""`validate`: each role by itself on fresh hosts of each distribution, for CI."""

from __future__ import annotations

import argparse
import difflib
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from primetime import preflight
from primetime.console import Console, table
from primetime.distributions import DISTRIBUTIONS
from primetime.drivers.nspawn.images import RELEASES
from primetime.drivers.nspawn.state import NETWORK_NAME
from primetime.errors import UsageError
from primetime.validation import ERROR, FAILED, HOSTS, OK, Case, Outcome, junit, matrix
from primetime.validation.changed import files_since, reached
from primetime.validation.hosts import WHEN_NAMED

SHOWN = 12  # sentences of a step for people; JUnit and JSON have all


def add(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "role", nargs="*", help=f"these only, of {', '.join(HOSTS)} (default: all but {', '.join(WHEN_NAMED)})"
    )
    parser.add_argument("--on", default=",".join(RELEASES), metavar="RELEASE,RELEASE", help="default: %(default)s")
    parser.add_argument("--changed-since", metavar="REV", help="only roles that changes since this git revision reach")
    parser.add_argument("--keep", action="store_true", help="keep the host of a role that fails, for ssh")
    parser.add_argument("--junit", metavar="FILE", help="write what CI servers read")
    parser.add_argument("--name", default="validate", help="what the hosts' networks begin with (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="end standard output with one JSON object on one line")


def run(arguments: argparse.Namespace, console: Console) -> int:
    cases = _cases(arguments)
    report = Path(arguments.junit).absolute() if arguments.junit else None
    if report:
        _make_room(report)
    outcomes = _validated(cases, arguments, console) if cases else []
    if report:
        report.write_text(junit.report(outcomes))
    _tell(console, outcomes)
    if not cases:
        console.say(f"no role is reached by what changed since {arguments.changed_since}: nothing to validate")
    console.result({"validated": [_object(outcome) for outcome in outcomes], "stages": console.stages})
    verdicts = [outcome.verdict for outcome in outcomes]
    return 3 if FAILED in verdicts else 1 if ERROR in verdicts else 0


def _make_room(report: Path) -> None:
    try:
        report.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--junit {report}: {report.parent} cannot be made ({error.strerror}): write another"
        ) from None


def _validated(cases: Sequence[Case], arguments: argparse.Namespace, console: Console) -> list[Outcome]:
    preflight.require_root("validate")
    preflight.require(preflight.missing(preflight.DEMO), "validate")
    with matrix.alone(arguments.name):
        for network in matrix.sweep(arguments.name, cases):
            console.complain(f"primetime: removed what an earlier run left: {network}")
        with console.stage("prepare"):
            matrix.prepare(cases, console.progress)
        with console.stage("validate"):
            return matrix.run(cases, console.progress, arguments.keep)


def _cases(arguments: argparse.Namespace) -> list[Case]:
    """What is asked for, role by role; UsageError for what there is not."""
    for role in arguments.role:
        if role not in HOSTS:
            raise UsageError(f"no role {role}: {_instead(role, HOSTS)}")
    releases = list(dict.fromkeys(word for word in arguments.on.split(",") if word))
    for release in releases:
        if release not in RELEASES:
            raise UsageError(_no_hosts(release))
    if not releases:
        raise UsageError(f"--on names no distribution: choose of {', '.join(RELEASES)}")
    if not NETWORK_NAME.fullmatch(f"{arguments.name}-{max(HOSTS, key=len)}-{max(RELEASES, key=len)}"):
        raise UsageError(f"--name {arguments.name}: write at most 10 small letters, digits and dashes")
    roles = [role for role in HOSTS if role in arguments.role or not (arguments.role or role in WHEN_NAMED)]
    if arguments.changed_since:
        changed = reached(files_since(arguments.changed_since))
        roles = [role for role in roles if role in changed]
    return [Case(role, release, arguments.name) for role in roles for release in releases]


def _no_hosts(release: str) -> str:
    known = DISTRIBUTIONS.get(release)
    if known:
        return (
            f"no hosts of {release} ({known.title}) can be made here: roles are written for it and not proved; "
            f"choose of {', '.join(RELEASES)}"
        )
    return f"no distribution {release}: {_instead(release, RELEASES)}"


def _instead(word: str, known: Iterable[str]) -> str:
    names = list(known)
    close = difflib.get_close_matches(word, names, n=1)
    return f"did you mean {close[0]}? There are {', '.join(names)}" if close else f"choose of {', '.join(names)}"


def _tell(console: Console, outcomes: Sequence[Outcome]) -> None:
    """The matrix, then what is wrong, for people."""
    releases = list(dict.fromkeys(outcome.case.release for outcome in outcomes))
    found = {(outcome.case.role, outcome.case.release): outcome for outcome in outcomes}
    rows = [
        (role, *(_cell(found[role, release]) for release in releases))
        for role in dict.fromkeys(outcome.case.role for outcome in outcomes)
    ]
    if rows:
        console.say(table(rows, ("role", *releases)))
    for outcome in outcomes:
        for step in outcome.steps:
            if step.verdict in (FAILED, ERROR):
                word = "not as declared" if step.verdict == FAILED else "could not be done"
                for sentence in step.said[:SHOWN]:
                    console.say(f"{word}: {outcome.case}: {step.name}: {sentence}")
                if len(step.said) > SHOWN:
                    console.say(f"{word}: {outcome.case}: {step.name}: and {len(step.said) - SHOWN} more")
        if outcome.kept:
            down = f"bin/primetime down -t {outcome.case.file} --yes"
            console.say(f"kept: {outcome.case}: {outcome.case.ssh} (and {down} removes it)")


def _cell(outcome: Outcome) -> str:
    if outcome.verdict == OK:
        return f"ok ({outcome.seconds:.0f} s)"
    return ", ".join(f"{step.name} {step.verdict}" for step in outcome.steps if step.verdict in (FAILED, ERROR))


def _object(outcome: Outcome) -> dict[str, object]:
    return {
        "role": outcome.case.role,
        "on": outcome.case.release,
        "verdict": outcome.verdict,
        "seconds": outcome.seconds,
        "steps": [
            {"name": step.name, "verdict": step.verdict, "seconds": step.seconds, "said": list(step.said)}
            for step in outcome.steps
        ],
        "kept": shlex.split(outcome.case.ssh) if outcome.kept else None,
    }
