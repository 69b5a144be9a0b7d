"""Run vagrant for a project, and read what it says. Called by driver and way_in."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable

from primetime.children import bound
from primetime.drivers.vagrant import rows
from primetime.drivers.vagrant.errors import error_of
from primetime.drivers.vagrant.project import Project
from primetime.drivers.vagrant.rows import Row
from primetime.errors import PrimetimeError

Progress = Callable[[str], None]


def require() -> None:
    """PrimetimeError unless vagrant is on this machine."""
    if shutil.which("vagrant") is None:
        raise PrimetimeError(
            "vagrant is not on this machine: apt-get install -y vagrant, or doctor -t TOPOLOGY lists all"
        )


def vagrant(project: Project, *words: str, progress: Progress | None = None) -> list[Row]:
    """The rows of `vagrant WORDS...`; a VagrantError with vagrant's own reason when it fails.

    `progress` gets what it says to people, as it comes.
    """
    require()
    found: list[Row] = []
    command = bound(["vagrant", "--machine-readable", *words])
    with (
        tempfile.TemporaryFile("w+", errors="replace") as stderr,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            errors="replace",
            env=project.environment(),
        ) as process,
    ):
        for line in process.stdout or ():
            if row := rows.parse(line.rstrip("\n")):
                found.append(row)
                if progress:
                    for text in rows.progress(row):
                        progress(text)
        if process.wait() != 0:
            stderr.seek(0)
            raise error_of(words, found, stderr.read())
    return found
