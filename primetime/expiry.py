"""Machines that remove themselves: a process of its own waits for the hour, then does what `down` does.

    python -m primetime.expiry TOPOLOGY AT

Begun by `demo --expires`. It ends when its file in /run/primetime/<topology>/ goes: `down` takes that away first, and
so does whatever else removes the machines. A reboot, which ends them too, ends it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from primetime.drivers.nspawn import lock
from primetime.errors import PrimetimeError
from primetime.paths import REPO, RUN, home
from primetime.topology import Topology

LOOK_S = 0.25
AGAIN_S, TRIES = 15.0, 240  # while another command is at work on the machines
BEGINS_S = 20.0
SEEN_S = 2.0  # it waits for so long at least: whoever began it sees it wait
ENDS_S = 10.0


def file(name: str) -> Path:
    """Held by the process that waits; says when it will act."""
    return RUN / name / "expires"


def of(name: str) -> float | None:
    """When a topology's machines remove themselves (epoch seconds); None when they do not."""
    if not lock.is_held(file(name)):
        return None
    try:
        return float(json.loads(file(name).read_text())["at_s"])
    except (OSError, ValueError, KeyError):  # it has only just begun, or ended
        return None


def begin(topology: Topology, at_s: float) -> None:
    """Have the machines remove themselves at a moment (epoch seconds), in place of any other."""
    end(topology.name)
    log = home() / "logs" / f"expiry-{topology.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("w") as said:
        command = [sys.executable, "-P", "-m", "primetime.expiry", str(Path(topology.file).absolute()), str(at_s)]
        environment = {**os.environ, "PYTHONPATH": str(REPO)}
        subprocess.Popen(
            command,
            cwd="/",
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    until = time.monotonic() + BEGINS_S
    while of(topology.name) is None:
        if time.monotonic() > until:
            raise PrimetimeError(f"nothing waits to remove {topology.name}: {log} says why; `down` removes it by hand")
        time.sleep(LOOK_S / 10)


def end(name: str) -> None:
    """Nothing waits any more when this returns."""
    with contextlib.suppress(OSError, ValueError, KeyError):
        process = Path("/proc", str(int(json.loads(file(name).read_text())["pid"])), "cmdline")
        file(name).unlink()
        lock.remove_empty(file(name).parent)
        until = time.monotonic() + ENDS_S
        while b"primetime.expiry" in process.read_bytes() and time.monotonic() < until:
            time.sleep(LOOK_S / 10)


def words(at_s: float, now_s: float) -> str:
    """`in 1 h 12 min`, for people."""
    minutes = max(0, round((at_s - now_s) / 60))
    return f"in {minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"in {minutes} min"


def wait(name: str, at_s: float) -> bool:
    """Hold the file until the moment has come; False when the file went before."""
    path, at_s = file(name), max(at_s, time.time() + SEEN_S)
    # whoever looks whether it is held holds it for a moment
    with lock.held(path, f"expires {time.strftime('%H:%M', time.localtime(at_s))}", BEGINS_S) as held:
        told = {"pid": os.getpid(), "command": "expiry", "since": time.time(), "at_s": at_s}
        os.truncate(held, 0)
        os.pwrite(held, json.dumps(told).encode(), 0)
        while os.fstat(held).st_nlink:
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
