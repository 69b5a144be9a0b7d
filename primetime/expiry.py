"""Machines that remove themselves: a process beside them waits for the hour, then does what `down` does.

    python -m primetime.expiry TOPOLOGY AT

Begun by `demo --expires`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

from primetime.attendants import Attendant, is_dismissed
from primetime.paths import REPO
from primetime.topology import Topology

LOOK_S = 0.25
AGAIN_S, TRIES = 15.0, 240  # while another command is at work on the machines
SEEN_S = 2.0  # it waits for so long at least: whoever began it sees it wait


def waiting(name: str) -> Attendant:
    """Who waits for a topology's hour; it says `at_s`, when it will act."""
    return Attendant(name, "expires")


def of(name: str) -> float | None:
    """When a topology's machines remove themselves (epoch seconds); None when they do not."""
    told = waiting(name).told()
    return float(told["at_s"]) if told else None


def begin(topology: Topology, at_s: float) -> None:
    """Have the machines remove themselves at a moment (epoch seconds), in place of any other."""
    waiting(topology.name).begin("primetime.expiry", [str(Path(topology.file).absolute()), str(at_s)])


def end(name: str) -> None:
    """Nothing waits any more when this returns."""
    waiting(name).end()


def words(at_s: float, now_s: float) -> str:
    """`in 1 h 12 min`, for people."""
    minutes = max(0, round((at_s - now_s) / 60))
    return f"in {minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"in {minutes} min"


def wait(name: str, at_s: float) -> bool:
    """Be the one that waits until the moment has come; False when it was dismissed before."""
    at_s = max(at_s, time.time() + SEEN_S)
    command = f"expires {time.strftime('%H:%M', time.localtime(at_s))}"
    with waiting(name).attending(command, at_s=at_s) as held:
        while not is_dismissed(held):
            if time.time() >= at_s:  # the wall's clock: a laptop that slept has gone past it
                return True
            time.sleep(LOOK_S)
    return False


def main(argv: list[str]) -> None:
    from primetime.topology import load

    named, at_s = argv[0], float(argv[1])
    name = load(named).name
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if wait(name, at_s):
        command = [sys.executable, "-P", "-m", "primetime", "down", "-t", named, "--yes"]
        for _ in range(TRIES):
            if subprocess.run(command, cwd=REPO).returncode != 1:
                break
            time.sleep(AGAIN_S)


if __name__ == "__main__":
    main(sys.argv[1:])
