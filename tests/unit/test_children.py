"""A worker ends with the process that started it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from primetime.children import bound
from primetime.paths import REPO
from tests.waiting import wait_for

PARENT = """
import subprocess, time
from primetime.children import bound
print(subprocess.Popen(bound(["sleep", "300"])).pid, flush=True)
time.sleep(300)
"""


def command_of(pid: str) -> bytes:
    """Its words; none when it has ended."""
    try:
        return Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return b""


def test_a_worker_is_killed_with_a_parent_that_was_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        worker = parent.stdout.readline().decode().strip()
        wait_for(lambda: command_of(worker) == b"sleep\x00300\x00", "the worker runs")
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: not command_of(worker), "the worker ends with its parent")


def test_a_worker_ends_as_its_command_does() -> None:
    assert subprocess.run(bound(["sh", "-c", "exit 7"])).returncode == 7
