"""Servers to measure, each on a port of its own on 127.0.0.1 with a folder that is removed afterwards.

Called by accept, peers and crowd, and by the wire tests, whose collector is rendered here too.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from primetime.bench.wrk import SHOW
from primetime.children import bound
from primetime.errors import PrimetimeError
from primetime.paths import REPO
from roles.collector.settings import Collector

TEMPLATES = REPO / "templates" / "collector"
NOBODY = 65534  # as unprivileged as on a real host, where nginx runs as its own user
PACKAGES = {"nginx": "nginx"}
MODULES = {
    "/usr/share/nginx/modules-available/mod-http-lua.conf": "libnginx-mod-http-lua",
    "/usr/share/lua/5.1/resty/core.lua": "lua-resty-core",
}
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server; `data` is where it keeps what it acknowledged."""

    port: int
    data: Path
    process: subprocess.Popen[bytes]

    def pids(self) -> list[int]:
        """The process and all that it started."""
        found = [self.process.pid]
        for pid in found:
            with contextlib.suppress(FileNotFoundError):
                for children in Path(f"/proc/{pid}/task").glob("*/children"):
                    found += map(int, children.read_text().split())
        return found

    def cpu_seconds(self) -> float:
        """What it has computed so far, its workers included."""
        ticks = 0
        for pid in self.pids():
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
        return ticks / TICKS

    def stored(self, run: str) -> int:
        """The distinct ids of one run in its files."""
        pattern, ids = re.compile(run.encode() + rb"[0-9A-Z]{8}"), set[bytes]()
        for path in self.data.rglob("*"):
            if path.is_file() and path.stat().st_size:
                ids.update(pattern.findall(path.read_bytes()))
        return len(ids)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def render(root: Path, settings: Collector, shows: Sequence[str]) -> None:
    """A collector's files under `root`, from the role's own templates."""
    lua = root / "lua" / "collector"
    (root / "run").mkdir()
    lua.mkdir(parents=True)
    for source in (TEMPLATES / "lua").glob("*.lua"):
        shutil.copy(source, lua)
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)
    for template, destination in (("lua/config.lua.j2", lua / "config.lua"), ("nginx.conf.j2", root / "nginx.conf")):
        destination.write_text(
            environment.from_string((TEMPLATES / template).read_text()).render(
                collector=settings, shows=shows, address="127.0.0.1", run_path=root / "run", lua_path=root / "lua"
            )
        )


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A scratch folder on a disk (not in memory), open to a server without privileges."""
    path = Path(tempfile.mkdtemp(prefix="primetime-bench-", dir="/var/tmp"))
    try:
        path.chmod(0o755)
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextlib.contextmanager
def running(
    command: Sequence[str], root: Path, data: Path, port: int, core: int | None, **run: Any
) -> Iterator[Server]:
    """`command`, pinned to a core, until the block ends; it is there when its port answers."""
    pinned = [*([] if core is None else ["taskset", "-c", str(core)]), *command]
    with (root / "log").open("ab") as log:
        process = subprocess.Popen(bound(pinned), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=root, **run)
    server = Server(port, data, process)
    try:
        _wait_for_port(server, root / "log")
        yield server
    finally:
        for pid in reversed(server.pids()):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def _wait_for_port(server: Server, log: Path, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", server.port), 1):
            return
        if server.process.poll() is not None or time.monotonic() > deadline:
            words = log.read_text(errors="replace")[-600:]
            raise PrimetimeError(f"{server.process.args!r} does not answer on port {server.port}: {words}")
        time.sleep(0.05)


@contextlib.contextmanager
def collector(core: int | None, modules: Sequence[Path] = (), **overrides: Any) -> Iterator[Server]:
    """The collector as its role configures it, with one worker unless told otherwise.

    `modules`: Lua files in place of its own ones of the same names, which they find as `collector.NAME_whole`.
    """
    with folder() as root:
        spool = root / "spool"
        spool.mkdir()
        ports = {"port": free_port(), "metrics_port": free_port()}
        settings = replace(Collector(), **{"workers": 1, "spool_path": str(spool), **ports, **overrides})
        render(root, settings, [SHOW])
        for module in modules:
            own = root / "lua" / "collector" / module.name
            own.rename(own.with_stem(f"{own.stem}_whole"))
            shutil.copy(module, own)
        with _nginx(root, spool, settings.port, core) as server:
            yield server


@contextlib.contextmanager
def plain(core: int | None, *, log: bool = False, tls: str = "") -> Iterator[Server]:
    """nginx that answers 204 and stores nothing, or (`log`) what its access log has, synced by nobody.

    `tls`: its directives, for a server that speaks nothing else.
    """
    with folder() as root:
        port, data = free_port(), root / "data"
        (root / "run").mkdir()
        data.mkdir()
        access = f"'{data}/access.log' args" if log else "off"
        (root / "nginx.conf").write_text(
            f"worker_processes 1; daemon off; pid {root}/run/nginx.pid; error_log stderr warn;"
            "events { worker_connections 16384; }"
            "http { log_format args '$args'; "
            + "".join(
                f"{kind}_temp_path {root}/run/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
            )
            + f"access_log {access}; keepalive_requests 1000000; client_body_buffer_size 256k;"
            f"server {{ listen 127.0.0.1:{port} {'ssl' if tls else ''} reuseport backlog=4096; {tls} return 204; }} }}"
        )
        with _nginx(root, data, port, core) as server:
            yield server


@contextlib.contextmanager
def _nginx(root: Path, data: Path, port: int, core: int | None) -> Iterator[Server]:
    for path in (root, root / "run", data):
        os.chown(path, NOBODY, NOBODY)
    command = ["nginx", "-c", str(root / "nginx.conf"), "-e", "stderr"]
    as_nobody = ["setpriv", "--reuid", str(NOBODY), "--regid", str(NOBODY), "--clear-groups", *command]
    with running(as_nobody, root, data, port, core, umask=0o027, restore_signals=False) as server:
        yield server
