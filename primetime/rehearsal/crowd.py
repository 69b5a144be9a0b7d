"""The crowd as processes: splits a burst over generator processes, starts them on one clock, merges their tallies.

Called by run.py. The processes talk through their pipes (generator.py says how) and none outlives this call, Ctrl-C or
the death of this process included.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from time import monotonic

from primetime.errors import PrimetimeError
from primetime.paths import REPO
from primetime.rehearsal.burst import Burst, Plan
from primetime.rehearsal.share import Share, Tally, merge

REQUESTS_PER_S = 50_000  # what one process sends with room to spare, against a server that does nothing
CONNECTIONS_PER_PROCESS = 15_000  # of 20,000 file descriptors that a process may have
START_IN_S = 0.1


def processes(plan: Plan, cpus: int) -> int:
    """How many processes a plan needs: by its rate, as far as there are CPUs, and by its connections."""
    by_rate = min(-(-plan.requests // max(1, int(plan.seconds * REQUESTS_PER_S))), cpus)
    by_connections = -(-plan.connections // CONNECTIONS_PER_PROCESS)
    return min(max(by_rate, by_connections), plan.connections, plan.requests)


def shares(burst: Burst, collectors: Sequence[tuple[str, int]], parts: int) -> list[Share]:
    """The burst in `parts`: requests and connections dealt out in turn, collectors too."""
    connections = min(burst.plan.connections, burst.plan.requests)
    return [
        Share(
            burst=burst,
            # Each part begins with another collector, or few connections would all go to the first ones.
            collectors=[collectors[(part + place) % len(collectors)] for place in range(len(collectors))],
            connections=len(range(part, connections, parts)),
            part=part,
            parts=parts,
        )
        for part in range(parts)
    ]


def send(burst: Burst, collectors: Sequence[tuple[str, int]], progress: Callable[[str], None]) -> Tally:
    """Send a burst; PrimetimeError when no collector can be reached, before anything is sent.

    `progress` is called from other threads too.
    """
    parts = shares(burst, collectors, processes(burst.plan, os.cpu_count() or 1))
    crowd: list[subprocess.Popen[str]] = []
    with ExitStack() as pipes, ThreadPoolExecutor(len(parts)) as pool:
        try:
            for share in parts:
                crowd.append(pipes.enter_context(_process()))
                _tell(crowd[-1], share.to_json())
            standing = sum(int(_line(process)) for process in crowd)
            if not standing:
                where = ", ".join(f"{host}:{port}" for host, port in collectors)
                raise PrimetimeError(f"No collector answers at {where}: see `primetime status`; nothing was sent")
            wanted = sum(share.connections for share in parts)
            progress(f"{standing} of {wanted} connections stand; sending {burst.plan.updates} updates")
            start = monotonic() + START_IN_S
            for process in crowd:
                _tell(process, repr(start))
            return merge(list(pool.map(_Listener(burst.plan, progress), crowd)))
        finally:  # before the pool waits for its threads, which wait for the processes
            for process in crowd:
                process.kill()


def _process() -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "primetime.rehearsal.generator"]
    pipe = subprocess.PIPE
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin
    process.stdin.write(line + "\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout and process.stderr
    line = process.stdout.readline()
    if not line:
        complaint = process.stderr.read().strip().splitlines()
        raise PrimetimeError(f"A load generator ended too early: {complaint[-1] if complaint else 'it said nothing'}")
    return line


class _Listener:
    """Reads what a process says until its tally, in a thread each; the sum of what they report is the progress."""

    def __init__(self, plan: Plan, progress: Callable[[str], None]) -> None:
        self.plan = plan
        self.progress = progress
        self.answered: dict[int, int] = {}

    def __call__(self, process: subprocess.Popen[str]) -> Tally:
        while not (line := _line(process)).startswith("{"):
            self.answered[process.pid] = int(line)
            updates = min(sum(self.answered.values()) * self.plan.batch, self.plan.updates)
            self.progress(f"{updates} of {self.plan.updates} answered")
        return Tally.from_json(line)
