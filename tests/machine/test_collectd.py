"""Collectd on a real host and its agent on another: figures arrive, and again once the receiver is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import Bench
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NAME = "test-collectd"
LOAD = "/var/lib/primetime-collectd/guest-1/load/load.rrd"


def topology() -> str:
    groups = {
        "watch": {"roles": ["collectd/receiver"], "count": 1, "memory_mb": 160},
        "guest": {"roles": ["base"], "count": 1, "memory_mb": 128},
    }
    head = {"name": NAME, "provider": "nspawn", "image": "bookworm", "shows": ["rehearsal"], "partial": True}
    return yaml.safe_dump({**head, "settings": {"collectd_receiver_interval_s": 2}, "groups": groups})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    file = tmp_path_factory.mktemp("topology") / f"{NAME}.yml"
    file.write_text(topology())
    bench = Bench(file)
    try:
        bench.run("up", "--yes")
        bench.run("converge")
        yield bench
    finally:
        assert bench.json("down", "--yes")["left"] == []


def written(bench: Bench) -> float:
    """When the receiver last wrote the guest's load."""
    return float(bench.ssh("watch-1", "stat", "-c", "%.9Y", LOAD))


def test_every_promise_is_kept(bench: Bench) -> None:
    assert bench.json("verify")["failed"] == []


def test_a_second_converge_changes_nothing(bench: Bench) -> None:
    assert bench.json("converge")["changes"] == []


def test_a_receiver_that_was_away_takes_figures_again(bench: Bench) -> None:
    bench.ssh("watch-1", "systemctl", "stop", "primetime-collectd-receiver")
    before = written(bench)
    bench.ssh("watch-1", "systemctl", "start", "primetime-collectd-receiver")
    wait_for(lambda: written(bench) > before, "a new figure of the guest's load", 60)


def test_a_new_secret_reaches_both_and_figures_arrive(bench: Bench) -> None:
    bench.run("secret", "rotate", "collectd_receiver_agents")
    changed = {(each["node"], each["operation"].partition(" | ")[2]) for each in bench.json("converge")["changes"]}
    assert ("watch-1", "Restart collectd's receiver on its new configuration") in changed
    assert ("guest-1", "Restart collectd's agent on its new configuration") in changed
    assert bench.json("verify")["failed"] == []
