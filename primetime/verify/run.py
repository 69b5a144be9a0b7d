"""Runs the promises with pytest in a process of its own, beside a dry converge that looks for drift."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from primetime.converge import ConvergeReport, converge
from primetime.errors import PrimetimeError
from primetime.inventory import Inventory
from primetime.paths import REPO

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Broken:
    """A promise that a host does not keep; `why` is the first line of the evidence."""

    node: str
    role: str
    promise: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.node}: {self.role}: {self.promise}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class VerifyReport:
    """`checked` promises, of which `failed` are not kept."""

    checked: int
    failed: tuple[Broken, ...]


def verify(inventory: Inventory, topology: str, progress: Progress = lambda _: None) -> VerifyReport:
    """Check every promise of every role on every live host, and that a converge would change nothing."""
    progress(f"checking the promises of {len(inventory.topology.nodes)} hosts")
    with ThreadPoolExecutor(max_workers=2) as pool:
        drift = pool.submit(converge, topology, dry=True)
        promises = pool.submit(_promises, inventory, topology)
        return _together(promises.result(), drift.result())


def _together(promises: list[dict[str, Any]], drift: ConvergeReport) -> VerifyReport:
    failed = [
        Broken(promise["node"], promise["role"], promise["promise"], promise["why"])
        for promise in promises
        if not promise["kept"]
    ]
    failed += [Broken(failure.host, "base", "answers ssh", failure.said) for failure in drift.failures]
    for host, operation in drift.changes:
        role, _, name = operation.partition(" | ")
        failed.append(Broken(host, role.lower(), f"is as converged: {name or operation}"))
    return VerifyReport(checked=len(promises) + drift.operations, failed=tuple(failed))


def _promises(inventory: Inventory, topology: str) -> list[dict[str, Any]]:
    groups = {group for node in inventory.topology.nodes for group in node.groups}
    files = sorted(path for role in groups if (path := REPO / "roles" / role / "verify.py").is_file())
    with tempfile.TemporaryDirectory(prefix="primetime-verify-") as folder:
        report = Path(folder) / "promises.jsonl"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "--no-header",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:pytest11.testinfra",
        ]
        command += [
            "-p",
            "primetime.verify.plugin",
            "-n",
            "4",
            "-c",
            os.devnull,
            f"--rootdir={REPO}",
            f"--basetemp={folder}/tmp",
        ]
        command += [f"--topology={topology}", f"--promises={report}", "--import-mode=importlib"]
        command += [str(path) for path in [REPO / "primetime" / "verify" / "everyone.py", *files]]
        done = subprocess.run(
            command, cwd=REPO, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(REPO)}
        )
        if done.returncode not in (0, 1) or not report.is_file():
            tail = "\n".join((done.stdout + done.stderr).splitlines()[-15:])
            raise PrimetimeError(
                f"the promises of {topology} could not be checked (pytest exit {done.returncode}):\n{tail}"
            )
        return [json.loads(line) for line in report.read_text().splitlines()]
