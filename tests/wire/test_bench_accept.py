"""The measurements of accepting still work: tiny runs, whose numbers say nothing."""

from __future__ import annotations

import subprocess

import pytest

from primetime.bench import accept, ladder, servers, wrk
from primetime.errors import PrimetimeError
from primetime.paths import REPO


def bench(*words: str) -> str:
    command = [REPO / "bin" / "primetime", "bench", *words]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.long
def test_what_is_acknowledged_is_counted_in_the_spool() -> None:
    """Each row: server, ..., acknowledged, stored."""
    rows = bench("accept", "--for", "1s", "--batches", "5", "--connections", "8").splitlines()[1:]
    ours = [row.split() for row in rows if row.startswith("collector")]
    assert len(ours) == 2
    assert all(int(row[-1].replace(",", "")) >= int(row[-2].replace(",", "")) > 0 for row in ours)


@pytest.mark.long
def test_each_step_of_the_ladder_answers_and_only_the_last_two_write() -> None:
    said = bench("accept", "--ladder", "--for", "1s", "--connections", "8").splitlines()[1:]
    acknowledged, stored = zip(
        *([int(word.replace(",", "")) for word in row.split()[-2:]] for row in said), strict=True
    )
    assert [row.split("  ")[0] for row in said] == list(ladder.STEPS)
    assert all(acknowledged)
    assert not any(stored[:-2])
    assert stored[-1] >= acknowledged[-1]


@pytest.mark.long
def test_a_server_that_acknowledges_and_stores_nothing_is_no_measurement() -> None:
    accept.ready()
    case = accept.Case("liar", lambda: servers.plain(None), batch=1, connections=4, core=None)
    with pytest.raises(PrimetimeError, match="acknowledged and only 0 stored"):
        accept.measure(case, 1)


@pytest.mark.long
@pytest.mark.parametrize("shape", ["post", "close", "beacon", "beacon-close"])
def test_no_two_events_of_the_generator_are_the_same(shape: str) -> None:
    accept.ready()
    with servers.collector(None) as server:
        answers = wrk.load(server.port, 1, shape=shape, connections=4)
        assert server.stored(answers.run) >= answers.acked > 0
        assert answers.refused == 0


@pytest.mark.long
def test_every_peer_keeps_what_it_acknowledges_or_says_why_it_is_not_here() -> None:
    rows = bench("peers", "--for", "1s", "--batches", "2", "--connections", "8").splitlines()[1:]
    assert sorted(row.split()[0] for row in rows) == ["collector", "flume", "go", "node", "rack", "rails"]


@pytest.mark.long
def test_a_small_crowd_is_held_and_shakes_hands() -> None:
    said = bench("crowd", "--connections", "200", "--for", "1s").splitlines()
    assert said[0].startswith("200 connections held, each answered once")
    assert sum(row.startswith(("full handshake", "resumed")) for row in said) == 4
