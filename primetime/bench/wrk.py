"""The generator of the collector's measurements: wrk with bench/wrk/events.lua. Called by accept, peers and crowd."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import dataclass

from primetime.children import bound
from primetime.errors import PrimetimeError
from primetime.paths import REPO
from primetime.rehearsal.ids import new_run

SHOW = "bench-accept"
# libluajit2 by name: wrk may otherwise pull a LuaJIT that nginx's Lua module does not work with
PACKAGES = {"wrk": "wrk", "taskset": "util-linux"}
WITH = ["libluajit2-5.1-2"]


@dataclass(frozen=True)
class Answers:
    """What one run of wrk was told: `acked` requests answered with 2xx in `seconds`; `run` is its ids' prefix."""

    run: str
    acked: int
    refused: int
    broken: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def per_second(self) -> float:
        return self.acked / self.seconds


def load(
    port: int, seconds: float, *, shape: str = "post", batch: int = 1, connections: int = 64, core: int | None = None
) -> Answers:
    """Requests from one thread, on one core or wherever there is room; PrimetimeError when wrk cannot run.

    `shape`: `post`, `beacon`, `flume` (events in its envelope), `close` and `beacon-close` (a connection a request).
    """
    run = new_run(time.time_ns() // 1_000_000)
    command = [] if core is None else ["taskset", "-c", str(core)]
    command += ["wrk", "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s"]
    command += ["-s", str(REPO / "bench" / "wrk" / "events.lua"), f"http://127.0.0.1:{port}"]
    command += ["--", shape, run, str(batch), SHOW]
    done = subprocess.run(
        bound(command), capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=seconds + 60
    )
    if done.returncode:
        raise PrimetimeError(f"wrk ended with {done.returncode}, so nothing was measured: {done.stderr[-500:]}")
    said = json.loads(done.stdout.splitlines()[-1])
    return Answers(
        run,
        said["answers"] - said["refused"],
        said["refused"],
        said["broken"],
        said["seconds"],
        said["p50_ms"],
        said["p99_ms"],
    )
