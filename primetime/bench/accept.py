"""How many updates one core accepts for good, beside nginx that stores nothing: the collector alone, no shipper.

Called by bench/accept. The server has one core and the generator the other; then both share both. Each row counts in
the server's files afterwards: an update that was acknowledged and is not there fails the measurement.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from primetime import preflight
from primetime.bench import ladder, servers, wrk
from primetime.bench.servers import Server
from primetime.console import table
from primetime.errors import PrimetimeError
from primetime.quantities import seconds

SERVER_CORE, GENERATOR_CORE = 0, 1
MOST_SECONDS = 30.0  # of one row
COLUMNS = (
    "server",
    "batch",
    "connections",
    "updates/s",
    "of return 204",
    "by CPU second",
    "of return 204",
    "p50 ms",
    "p99 ms",
    "acknowledged",
    "stored",
)


@dataclass(frozen=True)
class Measured:
    """What a row is made of: the answers, what was found stored, and the server's CPU seconds meanwhile."""

    answers: wrk.Answers
    stored: int
    cpu_s: float


@dataclass(frozen=True)
class Case:
    """One row: a server, and what is sent to it."""

    name: str
    server: Callable[[], AbstractContextManager[Server]]
    batch: int
    connections: int
    shape: str = "post"
    stores: bool = True
    core: int | None = GENERATOR_CORE


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench/accept", description=__doc__.partition("\n")[0])
    parser.add_argument("--for", dest="lasting", default="4s", help="how long each row is under load (default: 4s)")
    parser.add_argument("--batches", default="1,5,10,20", help="batch sizes (default: 1,5,10,20)")
    parser.add_argument("--connections", default="64,128,1024", help="at batch 1 (default: 64,128,1024)")
    parser.add_argument(
        "--rounds", type=int, default=1, help="of all rows; the best of each is kept, of --ladder the median"
    )
    parser.add_argument("--ladder", action="store_true", help="what each guarantee costs, step by step, at batch 1")
    arguments = parser.parse_args()
    ready()
    lasting = min(seconds(arguments.lasting), MOST_SECONDS)
    batches = [int(batch) for batch in arguments.batches.split(",")]
    crowds = [int(number) for number in arguments.connections.split(",")]
    if arguments.ladder:
        found = [row for number in crowds for row in ladder.rows(number, lasting, arguments.rounds)]
        print(table(found, ladder.COLUMNS))
        return
    print(table(best_of(cases(batches, crowds), lasting, arguments.rounds), COLUMNS))


def ready() -> None:
    """Install what is lacking, and have two cores."""
    lacking = preflight.missing(wrk.PACKAGES | servers.PACKAGES, servers.MODULES)
    if lacking:
        preflight.require_root("this measurement")
        preflight.install(lacking + wrk.WITH, lambda text: print(text, file=sys.stderr))


def cases(batches: list[int], crowds: list[int]) -> list[Case]:
    """The rows, the yardstick first."""
    first = crowds[0]
    ours = "collector"
    return [
        *(Case("nginx return 204", lambda: servers.plain(SERVER_CORE), 1, number, stores=False) for number in crowds),
        Case("nginx access_log, not synced", lambda: servers.plain(SERVER_CORE, log=True), 1, first, "beacon"),
        *(Case(ours, lambda: servers.collector(SERVER_CORE), 1, number) for number in crowds if 1 in batches),
        *(Case(ours, lambda: servers.collector(SERVER_CORE), batch, first) for batch in batches if batch > 1),
        *(
            Case("collector, 2 cores shared", lambda: servers.collector(None, workers=2), batch, first, core=None)
            for batch in batches
        ),
    ]


def best_of(cases: list[Case], lasting_s: float, rounds: int) -> list[tuple[str, ...]]:
    """Every case in every round; of each the round with most updates a second, as a row."""
    best: dict[int, Measured] = {}
    for _ in range(rounds):
        for number, case in enumerate(cases):
            found = measure(case, lasting_s)
            best[number] = max(best.get(number, found), found, key=lambda one: one.answers.per_second)
            rate = found.answers.per_second * case.batch
            print(f"  {case.name}, batch {case.batch}, {case.connections}: {rate:,.0f}/s", file=sys.stderr)
    yardsticks = {case.connections: best[number] for number, case in enumerate(cases) if not case.stores}
    return [_row(case, best[number], yardsticks[case.connections]) for number, case in enumerate(cases)]


def _row(case: Case, found: Measured, yardstick: Measured) -> tuple[str, ...]:
    answers = found.answers
    ratios = ["-", "-"]
    if case.batch == 1 and case.core is not None:
        ratios[0] = f"{answers.per_second / yardstick.answers.per_second:.2f}"
        ratios[1] = f"{by_cpu(found) / by_cpu(yardstick):.2f}"
    rates = f"{answers.per_second * case.batch:,.0f}", f"{by_cpu(found) * case.batch:,.0f}"
    counted = f"{answers.acked * case.batch:,}", f"{found.stored:,}" if case.stores else "nothing"
    head = case.name, str(case.batch), str(case.connections), rates[0], ratios[0], rates[1], ratios[1]
    return *head, str(answers.p50_ms), str(answers.p99_ms), *counted


def by_cpu(found: Measured) -> float:
    """Requests answered in a second of the server's CPU time: what a core does, also where it must be shared."""
    return found.answers.acked / max(found.cpu_s, 1 / servers.TICKS)


def measure(case: Case, lasting_s: float, warm_s: float = 0) -> Measured:
    """One row, after `warm_s` uncounted; PrimetimeError when the server refused, or has less than it acknowledged."""

    def load(port: int, seconds: float) -> wrk.Answers:
        return wrk.load(port, seconds, shape=case.shape, batch=case.batch, connections=case.connections, core=case.core)

    with case.server() as server:
        if warm_s:
            load(server.port, warm_s)
        before = server.cpu_seconds()
        answers = load(server.port, lasting_s)
        spent = server.cpu_seconds() - before
        stored = server.stored(answers.run) if case.stores else 0
    if answers.refused or answers.broken or not answers.acked:
        raise PrimetimeError(
            f"{case.name}, batch {case.batch}: {answers.acked} acknowledged, {answers.refused} refused, "
            f"{answers.broken} broken: this is no measurement; look at the server alone first"
        )
    if case.stores and stored < answers.acked * case.batch:
        raise PrimetimeError(f"{case.name}: {answers.acked * case.batch} acknowledged and only {stored} stored")
    return Measured(answers, stored, spent)


if __name__ == "__main__":
    main()
