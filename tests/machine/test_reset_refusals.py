"""`demo reset` says when there is nothing to reset, and leaves every other topology alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from primetime.drivers.nspawn import leftovers
from primetime.inventory import live
from primetime.live_counts import client_of
from primetime.providers import driver_for
from primetime.topology import load
from tests.conftest import Bench

pytestmark = pytest.mark.long

TEXT = (
    "name: {name}\nprovider: nspawn\nimage: bookworm\nshows: [quiz]\npartial: true\n"
    "groups:\n  redis: {{roles: [redis], count: 1, memory_mb: 128}}\n"
)


@contextmanager
def topology(folder: Path, name: str) -> Iterator[Bench]:
    path = folder / f"{name}.yml"
    path.write_text(TEXT.format(name=name))
    try:
        yield Bench(path)
    finally:
        leftovers.sweep(name)


def keys(bench: Bench) -> int:
    client = client_of(live(load(str(bench.topology))))
    assert client
    return int(client.dbsize())


def show(bench: Bench) -> None:
    """What a show leaves: counts, and a cable that is slow."""
    declared = load(str(bench.topology))
    client = client_of(live(declared))
    assert client
    client.set("total:quiz", 7)
    driver = driver_for(declared)
    driver.ex_delay(driver.list_nodes()[0], 5)


def faults(bench: Bench) -> list[str]:
    return [str(fault) for node in driver_for(load(str(bench.topology))).list_nodes() for fault in node.extra["faults"]]


def test_one_topology_is_reset_and_another_is_left_alone(tmp_path: Path) -> None:
    with topology(tmp_path, "test-reset-a") as one, topology(tmp_path, "test-reset-b") as other:
        for each in (one, other):
            each.run("demo")
            show(each)
        said = one.json("demo", "reset")
        assert said["healed"] == ["healed: delay 5 ms"]
        assert (keys(one), faults(one)) == (0, [])
        assert (keys(other), faults(other)) == (1, ["delay 5 ms"])
        assert one.json("demo", "reset")["healed"] == []


def test_without_a_demo_there_is_a_sentence(tmp_path: Path) -> None:
    with topology(tmp_path, "test-reset-none") as none:
        refused = none.run("demo", "reset", check=False)
    assert refused.returncode == 1
    assert "there is no test-reset-none to reset: bin/primetime demo -t" in refused.stderr
