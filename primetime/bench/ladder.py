"""What each guarantee of a 204 costs: the collector put together step by step, beside nginx that stores nothing.

Called by accept (`bench accept --ladder`). A step is the collector with one of its Lua modules replaced by that of
`bench/ladder/STEP/`, which leaves out what comes after the step. All steps are measured in every round, in another
order each time, and compared with what the same round has of `return 204`: so other work moves all of them.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from statistics import median

from primetime.bench import servers, wrk
from primetime.bench.servers import Server
from primetime.errors import PrimetimeError
from primetime.paths import REPO

SERVER_CORE, GENERATOR_CORE = 0, 1
WARM_S = 1.0
FIRST, LAST = "nginx return 204", "+ synced: the collector"
STEPS = {
    FIRST: None,
    "+ a handler in Lua": "answers",
    "+ reads the body": "reads",
    "+ checks it": "scans",
    "+ waits for its group": "waits",
    "+ a thread takes the group": "threads",
    "+ and writes it": "unsynced",
    LAST: None,
}
COLUMNS = (
    "server",
    "connections",
    "µs CPU a request",
    "more",
    "of return 204",
    "requests/s",
    "of return 204",
    "p50 ms",
    "acknowledged",
    "stored",
)


@dataclass(frozen=True)
class Sample:
    """One step in one round."""

    cpu_us: float  # of the server's, a request
    per_second: float
    p50_ms: float


@dataclass
class Step:
    """One row: its server, what it took, and how much of that is in its files."""

    name: str
    server: Server
    samples: list[Sample]
    acked: int = 0
    stored: int = 0


def rows(connections: int, lasting_s: float, rounds: int) -> list[tuple[str, ...]]:
    """The ladder at one number of connections, batch 1, as rows; PrimetimeError when the last step lost something."""
    with ExitStack() as running:
        steps = [Step(name, running.enter_context(_server(name)), []) for name in STEPS]
        for step in steps:
            _load(step, WARM_S, connections)
        for number in range(rounds):
            for step in random.sample(steps, len(steps)):
                _measure(step, lasting_s, connections)
            print(f"  {connections} connections: {number + 1} of {rounds} rounds", file=sys.stderr)
    whole = steps[-1]
    if whole.stored < whole.acked:
        raise PrimetimeError(f"{whole.name}: {whole.acked} acknowledged and only {whole.stored} stored")
    return [_row(step, before, steps[0], connections) for before, step in zip([None, *steps], steps, strict=False)]


def _server(name: str) -> AbstractContextManager[Server]:
    if name == FIRST:
        return servers.plain(SERVER_CORE)
    return _replaced(STEPS[name])


@contextmanager
def _replaced(folder: str | None) -> Iterator[Server]:
    """The collector, with the modules of `bench/ladder/FOLDER/` in place of its own."""
    modules = sorted((REPO / "bench" / "ladder" / folder).glob("*.lua")) if folder else []
    with servers.collector(SERVER_CORE, modules) as server:
        yield server


def _load(step: Step, lasting_s: float, connections: int) -> wrk.Answers:
    answers = wrk.load(step.server.port, lasting_s, connections=connections, core=GENERATOR_CORE)
    if answers.refused or answers.broken or not answers.acked:
        raise PrimetimeError(
            f"{step.name}: {answers.acked} acknowledged, {answers.refused} refused, {answers.broken} broken: this is "
            "no measurement; look at the server alone first"
        )
    return answers


def _measure(step: Step, lasting_s: float, connections: int) -> None:
    before = step.server.cpu_seconds()
    answers = _load(step, lasting_s, connections)
    spent = step.server.cpu_seconds() - before
    step.samples.append(Sample(spent / answers.acked * 1e6, answers.per_second, answers.p50_ms))
    step.acked += answers.acked
    if step.name != FIRST:
        step.stored += step.server.stored(answers.run)


def _row(step: Step, before: Step | None, first: Step, connections: int) -> tuple[str, ...]:
    def cpu_us(one: Step) -> float:
        return median(sample.cpu_us for sample in one.samples)

    both = list(zip(step.samples, first.samples, strict=True))
    return (
        step.name,
        str(connections),
        f"{cpu_us(step):.2f}",
        f"{cpu_us(step) - cpu_us(before):.2f}" if before else "-",
        f"{median(bare.cpu_us / own.cpu_us for own, bare in both):.2f}",
        f"{median(sample.per_second for sample in step.samples):,.0f}",
        f"{median(own.per_second / bare.per_second for own, bare in both):.2f}",
        f"{median(sample.p50_ms for sample in step.samples):.2f}",
        f"{step.acked:,}",
        f"{step.stored:,}",
    )
