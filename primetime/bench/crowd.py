"""A crowd's connections: 20,000 held open and what each costs, new ones, and TLS handshakes of one core.

Called by bench/crowd. Rates are of the server's CPU time, so the generator is not their limit. The collector has no
TLS of its own (a balancer ends it): handshakes are those of nginx with the same settings and `ssl`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import re
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from primetime import preflight
from primetime.bench import accept, servers, wrk
from primetime.bench.accept import GENERATOR_CORE, MOST_SECONDS, SERVER_CORE
from primetime.bench.servers import Server
from primetime.children import bound
from primetime.console import table
from primetime.errors import PrimetimeError
from primetime.paths import REPO
from primetime.quantities import count, seconds

A_PROCESS = 5_000  # connections of one generator: each takes a descriptor, and 20,000 may be the limit
MOST_CONNECTIONS = 30_000  # the worker connections of the collector's two workers
COLUMNS = ("connections", "server", "of server CPU /s", "wall clock /s", "made")
KEYS = {"ECDSA P-256": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "RSA-2048": ["-newkey", "rsa:2048"]}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/crowd", description=__doc__.partition("\n")[0])
    parser.add_argument("--connections", default="20e3", help="held open (default: 20e3)")
    parser.add_argument("--for", dest="lasting", default="4s", help="how long each rate is measured (default: 4s)")
    arguments = parser.parse_args()
    accept.ready()
    preflight.install(preflight.missing({"openssl": "openssl"}), lambda text: print(text, file=sys.stderr))
    lasting = min(seconds(arguments.lasting), MOST_SECONDS)
    print(held(min(count(arguments.connections), MOST_CONNECTIONS)))
    print(table([*new_connections(lasting), *handshakes(lasting)], COLUMNS))


def held(wanted: int) -> str:
    """Open `wanted` keep-alive connections, each with one answered request, and look at the memory."""
    with servers.collector(None, workers=2) as server, contextlib.ExitStack() as generators:
        before = _memory(server)
        crowd = []
        for number, first in enumerate(range(0, wanted, A_PROCESS)):
            command = [
                sys.executable,
                "-c",
                _HOLD,
                f"127.0.1.{number + 1}",
                str(server.port),
                str(min(A_PROCESS, wanted - first)),
            ]
            crowd.append(generators.enter_context(_process(command)))
        answered = sum(int(process.stdout.readline() or 0) for process in crowd if process.stdout)
        after = _memory(server)
        for process in crowd:
            process.communicate("end\n", timeout=60)
    if answered < wanted:
        raise PrimetimeError(f"{answered:,} of {wanted:,} connections were answered: see `ulimit -n` and free memory")
    nginx, slab, buffers = ((then - now) / wanted for now, then in zip(before, after, strict=True))
    return (
        f"{answered:,} connections held, each answered once: nginx {nginx:,.0f} bytes a connection (private memory of "
        f"its workers), kernel {slab / 2:,.0f} (sockets and files, half of {slab:,.0f}: both ends are here), "
        f"TCP buffers {buffers:,.0f}; together {nginx + slab / 2 + buffers / 2:,.0f}"
    )


def _memory(server: Server) -> tuple[int, int, int]:
    """Bytes: private memory of the server, the kernel's objects of sockets, TCP's buffers."""
    private = 0
    for pid in server.pids():
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        private += sum(int(kb) * 1024 for kb in re.findall(r"Private_\w+:\s+(\d+)", rollup))
    slab = 0
    for line in Path("/proc/slabinfo").read_text().splitlines()[2:]:
        name, active, _, size, *_ = line.split()
        if name in ("TCP", "sock_inode_cache", "dentry", "filp", "eventpoll_epi", "eventpoll_pwq", "tw_sock_TCP"):
            slab += int(active) * int(size)
    pages = re.search(r"TCP:.* mem (\d+)", Path("/proc/net/sockstat").read_text())
    return private, slab, int(pages[1] if pages else 0) * os.sysconf("SC_PAGE_SIZE")


# Holds connections from one address until a line comes in, and says how many were answered.
_HOLD = """
import socket, sys
address, port, wanted = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
held, answered = [], 0
for _ in range(wanted):
    connection = socket.create_connection(("127.0.0.1", port), 30, (address, 0))
    connection.sendall(b"GET /live HTTP/1.1\\r\\nHost: bench\\r\\n\\r\\n")
    answered += connection.recv(4096).startswith(b"HTTP/1.1 2")
    held.append(connection)
print(answered, flush=True)
sys.stdin.readline()
"""


@contextlib.contextmanager
def _process(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(bound(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def new_connections(lasting_s: float) -> list[tuple[str, ...]]:
    """A connection for each request: to nginx that stores nothing, and to the collector."""
    rows = []
    for name, made in (("nginx return 204", servers.plain), ("collector, stored", servers.collector)):
        with made(SERVER_CORE) as server:
            before = server.cpu_seconds()
            said = wrk.load(server.port, lasting_s, shape="close", core=GENERATOR_CORE)
            spent = server.cpu_seconds() - before
        rows.append(_row("new, one request each", name, said.acked, spent, said.seconds))
    return rows


def handshakes(lasting_s: float) -> list[tuple[str, ...]]:
    """TLS 1.3 with and without resumption, one request a connection, for each kind of key."""
    rows = []
    for key in KEYS:
        for resumed in (False, True):
            with _tls(key, resumed) as server:
                before = server.cpu_seconds()
                code = ["taskset", "-c", str(GENERATOR_CORE), sys.executable, "-m", "primetime.bench.crowd"]
                command = [*code, "--shake", str(server.port), str(lasting_s), str(int(resumed))]
                done = subprocess.run(bound(command), capture_output=True, text=True, check=True, cwd=REPO)
                spent = server.cpu_seconds() - before
            said = json.loads(done.stdout)
            if resumed != (said["resumed"] >= said["made"] - 1) or not said["made"]:
                raise PrimetimeError(f"{said['resumed']} of {said['made']} handshakes were resumed: not what was asked")
            name = f"nginx TLS 1.3, {key}"
            rows.append(_row("resumed" if resumed else "full handshake", name, said["made"], spent, said["seconds"]))
    return rows


def shake(port: int, lasting_s: float, resume: bool) -> dict[str, float]:
    """Handshake, one request, close; again until the time is over."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    session, made, resumed, began = None, 0, 0, time.monotonic()
    while (passed := time.monotonic() - began) < lasting_s:
        with context.wrap_socket(socket.create_connection(("127.0.0.1", port), 10), session=session) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: bench\r\nConnection: close\r\n\r\n")
            connection.recv(4096)
            made, resumed = made + 1, resumed + bool(connection.session_reused)
            session = connection.session if resume else None
    return {"made": made, "resumed": resumed, "seconds": passed}


@contextlib.contextmanager
def _tls(key: str, resume: bool) -> Iterator[Server]:
    with servers.folder() as root:
        command = ["openssl", "req", "-x509", "-nodes", "-days", "2", "-subj", "/CN=bench", *KEYS[key]]
        command += ["-keyout", str(root / "key.pem"), "-out", str(root / "certificate.pem")]
        subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
        (root / "key.pem").chmod(0o644)  # of this run alone
        extra = f"ssl_certificate {root}/certificate.pem; ssl_certificate_key {root}/key.pem; ssl_protocols TLSv1.3;"
        extra += f"ssl_session_tickets {'on' if resume else 'off'};"
        extra += f"ssl_session_cache {'shared:sessions:16m' if resume else 'off'};"
        with servers.plain(SERVER_CORE, tls=extra) as server:
            yield server


def _row(what: str, server: str, made: int, spent_s: float, wall_s: float) -> tuple[str, ...]:
    return what, server, f"{made / spent_s:,.0f}" if spent_s else "-", f"{made / wall_s:,.0f}", f"{made:,}"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--shake"]:
        print(json.dumps(shake(int(sys.argv[2]), float(sys.argv[3]), sys.argv[4] == "1")))
    else:
        main()
