"""Collectd on two real hosts: their figures arrive, and again once the receiver is back."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import Bench
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NAME = "test-collectd"
RECEIVER = "primetime-collectd-receiver"
ASK = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=10).read().decode())"


def topology() -> str:
    groups = {
        "watch": {"roles": ["monitoring", "collectd/receiver"], "count": 1, "memory_mb": 320},
        "guest": {"roles": ["base"], "count": 1, "memory_mb": 128},
    }
    head = {"name": NAME, "provider": "nspawn", "image": "bookworm", "shows": ["rehearsal"], "partial": True}
    return yaml.safe_dump({**head, "settings": {"collectd_agent_interval_s": 2}, "groups": groups})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    file = tmp_path_factory.mktemp("topology") / f"{NAME}.yml"
    file.write_text(topology())
    with Bench(file).converged() as bench:
        yield bench


def shown(bench: Bench) -> str:
    """What the receiver shows of the guest's load."""
    at = bench.ssh("watch-1", "sh", "-c", "ss -Hltn sport = :9103 | awk '{print $4}'").strip()
    lines = bench.ssh("watch-1", "python3", "-c", ASK, f"http://{at}/metrics").splitlines()
    return "".join(line for line in lines if line.startswith('collectd_load_load_shortterm{host="guest-1"}'))


def test_every_promise_is_kept(bench: Bench) -> None:
    assert bench.json("verify")["failed"] == []


def test_a_second_converge_changes_nothing(bench: Bench) -> None:
    assert bench.json("converge")["changes"] == []


def test_an_agent_leaves_no_udp_socket_bound(bench: Bench) -> None:
    assert bench.ssh("guest-1", "sh", "-c", "ss -Hlunp | grep collectd || true") == ""
    assert "collectd" in bench.ssh("guest-1", "ss", "-Htnp", "dport", "=", ":2003")


def test_a_receiver_that_was_away_takes_figures_again(bench: Bench) -> None:
    bench.ssh("watch-1", "systemctl", "stop", RECEIVER)
    bench.ssh("watch-1", "systemctl", "start", RECEIVER)  # it remembers nothing
    wait_for(lambda: shown(bench) != "", "a new figure of the guest's load", 60)
