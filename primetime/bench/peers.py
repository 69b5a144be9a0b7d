"""The collector beside servers that give the same promise: 204 only after one fdatasync for all that wait.

Called by bench/peers. Same generator, same events, same cores, one after the other in one run; the servers are in
bench/servers/, each as an engineer of that platform would write it. Flume's HTTP source takes its own envelope only,
answers 200, and leaves the check of the event to others.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from primetime import jars, preflight
from primetime.bench import accept, servers
from primetime.bench.accept import MOST_SECONDS, SERVER_CORE, Case, Measured, by_cpu, measure
from primetime.bench.servers import Server, free_port
from primetime.console import table
from primetime.errors import PrimetimeError, UsageError
from primetime.paths import REPO, cache
from primetime.quantities import seconds

SOURCES = REPO / "bench" / "servers"
THREADS = 64  # of puma: as many requests may wait for one fdatasync
JAVA_MB = 512
WARM_S = 2.0  # of load that is not counted, for those that compile what they run
COLUMNS = (
    "server",
    "batch",
    "updates/s",
    "ours / theirs",
    "by CPU second",
    "ours / theirs",
    "p50 ms",
    "p99 ms",
    "acknowledged",
    "stored",
)

# what must exist → the Debian package that brings it
PACKAGES = {"node": "nodejs", "go": "golang-go", "puma": "puma", "java": "default-jre-headless", "mvn": "maven"}
FILES = {f"/var/lib/dpkg/info/{package}.list": package for package in ("ruby-rack", "ruby-rails")}


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/peers", description=__doc__.partition("\n")[0])
    parser.add_argument("--for", dest="lasting", default="4s", help="how long each row is under load (default: 4s)")
    parser.add_argument("--batches", default="1,20", help="batch sizes (default: 1,20)")
    parser.add_argument("--connections", type=int, default=64, help="default: 64")
    parser.add_argument("--rounds", type=int, default=1, help="of all rows; the best of each is kept")
    parser.add_argument("--only", default=",".join(PEERS), help=f"of {', '.join(PEERS)}")
    arguments = parser.parse_args()
    accept.ready()
    names = arguments.only.split(",")
    if unknown := [name for name in names if name not in PEERS]:
        raise UsageError(f"no server {unknown[0]}: choose from {', '.join(PEERS)}")
    lasting = min(seconds(arguments.lasting), MOST_SECONDS)
    batches = [int(batch) for batch in arguments.batches.split(",")]
    print(table(compare(names, batches, arguments.connections, lasting, arguments.rounds), COLUMNS))


def compare(
    names: list[str], batches: list[int], connections: int, lasting_s: float, rounds: int
) -> list[tuple[str, ...]]:
    """A row for each server and batch size, best first; what cannot be had is a row that says why."""
    best: dict[tuple[int, str], Measured] = {}
    lacking: dict[str, str] = {}
    for _ in range(rounds):
        for batch in batches:
            for name in ["collector", *(name for name in names if name not in lacking)]:
                server = partial(servers.collector, SERVER_CORE) if name == "collector" else PEERS[name]
                case = Case(name, server, batch, connections, "flume" if name == "flume" else "post")
                try:
                    found = measure(case, lasting_s, WARM_S)
                except NotToBeHad as error:
                    lacking[name] = str(error)
                    continue
                best[batch, name] = max(best.get((batch, name), found), found, key=lambda one: one.answers.per_second)
                print(f"  {name}, batch {batch}: {found.answers.per_second * batch:,.0f}/s", file=sys.stderr)
    order = sorted(best, key=lambda key: (key[0], -best[key].answers.per_second))
    rows = [_row(name, batch, best[batch, name], best[batch, "collector"]) for batch, name in order]
    return rows + [(name, "-", "not to be had here", *"-" * 6, why) for name, why in lacking.items()]


def _row(name: str, batch: int, theirs: Measured, ours: Measured) -> tuple[str, ...]:
    answers = theirs.answers
    rates = f"{answers.per_second * batch:,.0f}", f"{by_cpu(theirs) * batch:,.0f}"
    ratios = f"{ours.answers.per_second / answers.per_second:.2f}", f"{by_cpu(ours) / by_cpu(theirs):.2f}"
    counted = f"{answers.acked * batch:,}", f"{theirs.stored:,}"
    return (
        name,
        str(batch),
        rates[0],
        ratios[0],
        rates[1],
        ratios[1],
        str(answers.p50_ms),
        str(answers.p99_ms),
        *counted,
    )


class NotToBeHad(PrimetimeError):
    """A server's platform is not on this machine and could not be brought here."""


@contextlib.contextmanager
def _writing(command: Callable[[int, Path], list[str]], **environment: str) -> Iterator[Server]:
    """A server that appends its events to one file."""
    with servers.folder() as root:
        data, port = root / "data", free_port()
        data.mkdir()
        file = data / "events"
        variables = {**os.environ, "HOME": str(root), "EVENTS_FILE": str(file), **environment}
        with servers.running(command(port, file), root, data, port, SERVER_CORE, env=variables) as server:
            yield server


def _bring(*commands: str, files: dict[str, str] | None = None) -> None:
    lacking = preflight.missing({command: PACKAGES[command] for command in commands}, files)
    try:
        preflight.install(lacking, lambda text: print(text, file=sys.stderr))
    except PrimetimeError as error:
        raise NotToBeHad(f"apt-get install {' '.join(lacking)}: {str(error).splitlines()[-1]}") from error


@contextlib.contextmanager
def _node() -> Iterator[Server]:
    _bring("node")
    with _writing(lambda port, file: ["node", str(SOURCES / "node.js"), str(port), str(file)]) as server:
        yield server


@contextlib.contextmanager
def _go() -> Iterator[Server]:
    _bring("go")
    with servers.folder() as built:
        binary = built / "server"
        settings = {**os.environ, "GOCACHE": str(cache() / "go"), "GO111MODULE": "off"}
        command = ["go", "build", "-o", str(binary), str(SOURCES / "server.go")]
        done = subprocess.run(
            command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=settings, cwd=built
        )
        if done.returncode:
            raise NotToBeHad(f"go build: {done.stderr[-300:]}")
        with _writing(lambda port, file: [str(binary), str(port), str(file)]) as server:
            yield server


@contextlib.contextmanager
def _puma(application: str) -> Iterator[Server]:
    _bring("puma", files=FILES)

    def command(port: int, file: Path) -> list[str]:
        threads = f"{THREADS}:{THREADS}"
        return [
            "puma",
            "-q",
            "-C",
            "-",
            "-e",
            "production",
            "-t",
            threads,
            "-b",
            f"tcp://127.0.0.1:{port}",
            str(SOURCES / application),
        ]

    with _writing(command) as server:
        yield server


@contextlib.contextmanager
def _flume() -> Iterator[Server]:
    _bring("java", "mvn")
    try:
        packed = jars.ensure(lambda text: print(f"Flume: {text}", file=sys.stderr), SOURCES / "flume") / jars.TAR
    except PrimetimeError as error:
        raise NotToBeHad(f"Maven: {str(error).splitlines()[0]}") from error
    with servers.folder() as root:
        data, port = root / "data", free_port()
        data.mkdir()
        with tarfile.open(packed) as archive:
            archive.extractall(root / "lib")
        template = Environment(undefined=StrictUndefined).from_string(
            (SOURCES / "flume" / "flume.properties.j2").read_text()
        )
        (root / "flume.properties").write_text(template.render(port=port, root=root, data=data))
        command = ["java", f"-Xmx{JAVA_MB}m", "-cp", f"{root}/lib/*", "org.apache.flume.node.Application"]
        command += ["-n", "a", "-f", str(root / "flume.properties"), "--no-reload-conf"]
        with servers.running(command, root, data, port, SERVER_CORE) as server:
            yield server


PEERS: dict[str, Callable[[], contextlib.AbstractContextManager[Server]]] = {
    "node": _node,
    "go": _go,
    "rack": partial(_puma, "rack.ru"),
    "rails": partial(_puma, "rails.ru"),
    "flume": _flume,
}


if __name__ == "__main__":
    main()
