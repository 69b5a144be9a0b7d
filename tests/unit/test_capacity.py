"""What a crowd needs, checked against cases worked out by hand."""

from __future__ import annotations

import json
import subprocess

import pytest

from primetime.capacity import Crowd, Figure, accepted_per_core, capacity, surviving
from primetime.errors import UsageError
from primetime.paths import REPO

ROUND = {
    name: Figure(value, "", "2026-11-24", "by hand", "none")
    for name, value in {
        "accept_batch_1": 100_000,
        "accept_batch_5": 300_000,
        "connection_bytes": 5_000,
        "tls_handshakes": 2_000,
        "store_updates": 100_000,
        "stored_bytes": 200,
        "spool_bytes": 200,
    }.items()
}


def test_a_million_in_five_seconds_one_by_one() -> None:
    found = capacity(Crowd(1_000_000, 5), ROUND).needs
    # 200,000/s over 70,000 a core: 3 cores on 2 machines, 1 in each of 3 zones
    assert (found["updates_per_s"], found["collector_cores"], found["collectors"]) == (200_000, 3, 3)
    # a phone each, 200,000 a second over 1,400: 142.9 cores of TLS; 5 KB each
    assert (found["connections"], found["tls_cores"], found["connection_memory_gb"]) == (1_000_000, 143, 5.0)


def test_the_store_and_the_spool_of_the_same_crowd() -> None:
    found = capacity(Crowd(1_000_000, 5, outage_s=100), ROUND).needs
    # 16,667/s need one RegionServer; three replicas need 3, two in each of three zones so that 4 are left
    assert found["stores"] == 6
    assert found["disk_gb"] == pytest.approx(0.6)
    # 1,000,000 + 100 s of 200,000/s = 21,000,000 of 200 bytes, on the 2 collectors that are left
    assert (found["spool_gb"], found["spool_gb_each"]) == (pytest.approx(4.2), pytest.approx(2.1))
    assert found["drain_s"] == pytest.approx(100)  # 21,000,000 / (3 x 70,000)


def test_a_batch_takes_fewer_requests_connections_and_cores() -> None:
    found = capacity(Crowd(10_000_000, 5, batch=5, per_connection=2, cores=1), ROUND).needs
    # 2,000,000/s over 210,000 a core: 10 cores; 5 in each of 3 zones
    assert (found["collector_cores"], found["collectors"], found["connections"]) == (10, 15, 1_000_000)


@pytest.mark.parametrize(("batch", "known"), [(1, 1), (4, 1), (5, 5), (100, 5)])
def test_a_batch_that_was_not_measured_counts_as_the_next_below(batch: int, known: int) -> None:
    assert accepted_per_core(batch, ROUND)[0] == known


@pytest.mark.parametrize(("need", "zones", "in_all"), [(1, 2, 2), (2, 3, 3), (3, 3, 6), (10, 2, 20)])
def test_what_is_needed_is_left_when_a_zone_is_lost(need: int, zones: int, in_all: int) -> None:
    assert surviving(need, zones) == in_all
    assert in_all - in_all // zones >= need


@pytest.mark.parametrize("wrong", [{"batch": 101}, {"batch": 0}, {"zones": 1}])
def test_what_no_figure_can_answer_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError):
        Crowd(1, 1, **wrong)


def test_every_number_has_its_sentence_and_every_figure_its_origin() -> None:
    command = [REPO / "bin" / "primetime", "show", "capacity", "--updates", "1e6", "--in", "5s", "--json"]
    said = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    assert len(said["steps"]) == len(said) - 2 == 11
    assert said["steps"][0] == "1,000,000 updates in 5 s are 200,000 updates/s"
    assert all(figure["date"] and figure["command"] for figure in said["figures"].values())
