"""The parent's side of a converge: starts the pyinfra process, turns its lines into progress, returns its report."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from typing import IO, Any

from primetime.children import bound
from primetime.converge.report import ConvergeReport, Failure, NotTried
from primetime.errors import PrimetimeError, UsageError
from primetime.paths import REPO

Progress = Callable[[str], None]


def converge(
    topology: str,
    *,
    dry: bool = False,
    limit: Sequence[str] = (),
    here: str = "",
    progress: Progress = lambda _: None,
) -> ConvergeReport:
    """Run deploy.py on the live nodes of a topology (name or path).

    `dry` only looks. `limit` names nodes; all when empty. `here` is the node that this machine is: it alone, without
    ssh. Failures of operations are in the report; PrimetimeError
    when the run itself could not be made, with the end of pyinfra's own log.
    """
    command = [sys.executable, "-m", "primetime.converge.runner", topology]
    command += ["--dry"] if dry else []
    command += ["--limit", ",".join(limit)] if limit else []
    command += ["--here", here] if here else []
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            bound(command),
            cwd=REPO,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, (str(REPO), os.environ.get("PYTHONPATH"))))},
        )
        try:
            assert process.stdout is not None
            result = _follow(process.stdout, progress)
            process.wait()
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait()
        if result is None:
            raise PrimetimeError(f"converge of {topology} did not finish (exit {process.returncode}):\n{_tail(log)}")
    if "error" in result:
        raise (UsageError if result["exit_code"] == UsageError.exit_code else PrimetimeError)(result["error"])
    return ConvergeReport(
        changed=len(result["changes"]),
        operations=result["operations"],
        changes=tuple((host, operation) for host, operation in result["changes"]),
        failures=tuple(Failure(**failure) for failure in result["failures"]),
        not_tried=tuple(NotTried(**left_out) for left_out in result["not_tried"]),
    )


def _follow(lines: IO[str], progress: Progress) -> dict[str, Any] | None:
    result = None
    for line in lines:
        message = json.loads(line)
        if "progress" in message:
            progress(message["progress"])
        else:
            result = message
    return result


def _tail(log: IO[str], lines: int = 20) -> str:
    log.seek(0)
    return "\n".join(log.read().splitlines()[-lines:])
