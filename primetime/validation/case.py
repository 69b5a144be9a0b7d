"""One role on one distribution, through the verbs that everybody uses. Called by matrix.

A case's files lie in /run/primetime/NETWORK: its topology, its PRIMETIME_HOME and what the verbs said. They go with the
network: whatever ends a case, sweeping its network leaves nothing.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from primetime.children import bound
from primetime.drivers.nspawn import leftovers
from primetime.paths import REPO, RUN
from primetime.validation import leaks
from primetime.validation.hosts import HOSTS, topology

STEPS = ("create", "converge", "idempotence", "verify", "secrets", "destroy")
OK, FAILED, ERROR, SKIPPED = "ok", "failed", "error", "skipped"  # failed: not as declared; error: could not be done
LONGEST_S = 600  # a step that takes longer hangs
LAST_LINES = 12

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Step:
    """What one step came to: `said` is a sentence for each thing that is wrong."""

    name: str
    verdict: str
    seconds: float = 0.0
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A role on a release, in a network whose name begins with `prefix`."""

    role: str
    release: str
    prefix: str = "validate"

    def __str__(self) -> str:
        return f"{self.role} on {self.release}"

    @property
    def network(self) -> str:
        return f"{self.prefix}-{self.role}-{self.release}"

    @property
    def memory_mb(self) -> int:
        return HOSTS[self.role][1]

    @property
    def folder(self) -> Path:
        return RUN / self.network

    @property
    def file(self) -> Path:
        """Its topology."""
        return self.folder / "topology.yml"

    @property
    def home(self) -> Path:
        """Its PRIMETIME_HOME."""
        return self.folder / "home"

    @property
    def said(self) -> Path:
        """All that its verbs said."""
        return self.folder / "said.log"

    @property
    def kept_mark(self) -> Path:
        """Says that somebody wants the host: it is not swept until the same case is validated again."""
        return self.folder / "kept"

    @property
    def ssh(self) -> str:
        """The command that leads onto its host."""
        return f"bin/primetime ssh -t {self.file} {self.role}-1"


@dataclass(frozen=True)
class Outcome:
    """All steps of a case, and whether its host is still there."""

    case: Case
    steps: tuple[Step, ...]
    kept: bool = False

    @property
    def verdict(self) -> str:
        """The worst of its steps: what is not as declared goes before what could not be done."""
        verdicts = {step.verdict for step in self.steps}
        return next((verdict for verdict in (FAILED, ERROR) if verdict in verdicts), OK)

    @property
    def seconds(self) -> float:
        return round(sum(step.seconds for step in self.steps), 1)


def run(case: Case, progress: Progress, keep: bool, stopped: Callable[[], bool]) -> Outcome:
    """Every step of a case. The host goes in any case but one: something is wrong, and `keep` asks for it."""
    case.folder.mkdir(parents=True, mode=0o700)
    case.file.write_text(yaml.safe_dump(topology(case.role, case.release, case.network), sort_keys=False))
    steps: list[Step] = []
    for name, step in _STEPS.items():
        enough = stopped() or any(before.name in ("create", "converge") and before.verdict != OK for before in steps)
        if enough:
            steps.append(Step(name, SKIPPED))
            continue
        progress(f"{case}: {name}")
        began = time.monotonic()
        verdict, said = step(case)
        steps.append(Step(name, verdict, round(time.monotonic() - began, 1), tuple(said)))
    outcome = Outcome(case, tuple(steps))
    if keep and outcome.verdict != OK and not stopped():
        case.kept_mark.touch()
        return replace(outcome, steps=(*steps, Step("destroy", SKIPPED)), kept=True)
    progress(f"{case}: destroy")
    began = time.monotonic()
    verdict, said = _destroy(case)
    return replace(outcome, steps=(*steps, Step("destroy", verdict, round(time.monotonic() - began, 1), tuple(said))))


Found = tuple[str, Sequence[str]]


def _create(case: Case) -> Found:
    done = _verb(case, "up", "--yes")
    return (OK, ()) if done.returncode == 0 else (ERROR, _words(done))


def _converge(case: Case) -> Found:
    done = _verb(case, "converge", "--json")
    return (OK, ()) if done.returncode == 0 else (ERROR, _failures(done))


def _again(case: Case) -> Found:
    done = _verb(case, "converge", "--json")
    if done.returncode:
        return ERROR, _failures(done)
    changes = _result(done)["changes"]
    return (FAILED if changes else OK), [f"{each['node']}: changed again: {each['operation']}" for each in changes]


def _verify(case: Case) -> Found:
    done = _verb(case, "verify")  # for people: it has the evidence
    if done.returncode == 0:
        return OK, ()
    head = "not kept: "
    broken = [line.removeprefix(head) for line in done.stdout.splitlines() if line.startswith(head)]
    return (FAILED, broken) if done.returncode == 3 and broken else (ERROR, _words(done))


def _secrets(case: Case) -> Found:
    found = leaks.find(case.network, leaks.values(case.home, case.network), case.said)
    return (FAILED if found else OK), found


def _destroy(case: Case) -> Found:
    done = _verb(case, "down", "--yes", "--json")
    if done.returncode not in (0, 3):
        return ERROR, _words(done)
    left = leftovers.find(case.network)
    return (FAILED if left else OK), [f"left: {thing}" for thing in left]


_STEPS: dict[str, Callable[[Case], Found]] = {
    "create": _create,
    "converge": _converge,
    "idempotence": _again,
    "verify": _verify,
    "secrets": _secrets,
}


def _verb(case: Case, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPO), "PRIMETIME_HOME": str(case.home)}
    command = [sys.executable, "-P", "-m", "primetime", verb, "-t", str(case.file), *words]
    try:
        done = subprocess.run(
            bound(command), env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        done = subprocess.CompletedProcess(command, 1, "", f"{verb} did not end within {LONGEST_S} s")
    if verb != "down":  # whose end takes the folder with it
        with case.said.open("a") as log:
            log.write(f"$ {verb} {' '.join(words)}\n{done.stderr}{done.stdout}")
    return done


def _result(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """The object that --json ends standard output with; empty when there is none."""
    lines = done.stdout.splitlines()
    try:
        found = json.loads(lines[-1]) if lines else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _failures(done: subprocess.CompletedProcess[str]) -> Sequence[str]:
    """Which operations failed, and what was said; else the end of what the verb said."""
    failed = _result(done).get("failed", [])
    return [f"{each['host']}: {each['operation']}: {each['said']}" for each in failed] or _words(done)


def _words(done: subprocess.CompletedProcess[str]) -> Sequence[str]:
    """The end of what a verb said for people, from its complaint on when it has one."""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    complaints = [number for number, line in enumerate(lines) if line.startswith("primetime: ")]
    told = lines[complaints[0] :] if complaints else lines[-LAST_LINES:]
    return [line.removeprefix("primetime: ") for line in told[:LAST_LINES]] or [f"it exited {done.returncode}"]
