"""A worker ends with the process that started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from primetime.children import bound
from primetime.paths import REPO

PARENT = """
import subprocess, time
from primetime.children import bound
print(subprocess.Popen(bound(["sleep", "300"])).pid, flush=True)
time.sleep(300)
"""


def test_a_worker_is_killed_with_a_parent_that_was_killed() -> None:
    environment = {**os.environ, "PYTHONPATH": str(REPO)}
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout is not None
        worker = Path("/proc", parent.stdout.readline().decode().strip(), "cmdline")
        deadline = time.monotonic() + 20
        while worker.read_bytes() != b"sleep\x00300\x00":
            assert time.monotonic() < deadline, worker.read_bytes()
            time.sleep(0.01)
        parent.send_signal(signal.SIGKILL)
    while worker.exists() and worker.read_bytes():
        assert time.monotonic() < deadline, "the worker outlives its parent"
        time.sleep(0.01)


def test_a_worker_ends_as_its_command_does() -> None:
    assert subprocess.run(bound(["sh", "-c", "exit 7"])).returncode == 7
