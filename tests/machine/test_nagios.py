"""Nagios on a real host beside a Redis: it shows what is so, notices what stops, and knows who may look."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from tests.conftest import Bench
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NAME = "test-nagios"
CHECK = ("cache-1", "redis redis")


def topology() -> str:
    groups = {
        "watch": {"roles": ["nagios"], "count": 1, "memory_mb": 160},
        "cache": {"roles": ["redis"], "count": 1, "memory_mb": 160},
    }
    head = {"name": NAME, "provider": "nspawn", "image": "bookworm", "shows": ["rehearsal"], "partial": True}
    settings = {"nagios_interval_s": 5, "nagios_retry_s": 2}
    return yaml.safe_dump({**head, "settings": settings, "groups": groups})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    file = tmp_path_factory.mktemp("topology") / f"{NAME}.yml"
    file.write_text(topology())
    with Bench(file).converged() as bench:
        yield bench


def shown(bench: Bench, check: tuple[str, str]) -> tuple[str, str]:
    """What Nagios' own file says of a check: its state, 0 to 3, and what was answered."""
    text = bench.ssh("watch-1", "cat", "/run/primetime-nagios/status.dat")
    for block in text.split("servicestatus {")[1:]:
        found = dict(line.strip().split("=", 1) for line in block.partition("}")[0].splitlines() if "=" in line)
        if (found["host_name"], found["service_description"]) == check:
            return found["current_state"], found["plugin_output"]
    raise AssertionError(f"no check of {check}")


def test_every_promise_is_kept(bench: Bench) -> None:
    assert bench.json("verify")["failed"] == []


def test_a_second_converge_changes_nothing(bench: Bench) -> None:
    assert bench.json("converge")["changes"] == []


def test_the_dry_run_names_what_the_next_converge_then_changes(bench: Bench) -> None:
    bench.ssh(
        "watch-1",
        "sh",
        "-c",
        "echo '# by hand' | tee -a /etc/primetime/nagios/objects.cfg >>/etc/primetime/nagios-web/users",
    )
    planned = bench.json("converge", "--dry")["changes"]
    assert bench.json("converge")["changes"] == planned
    assert {change["operation"].partition(" | ")[2] for change in planned} == {
        "Write what Nagios checks",
        "Restart Nagios on its new configuration",
        "Write who may see Nagios' page",
        "Restart Nagios' page on its new configuration",
    }
    assert bench.json("converge")["changes"] == []


def test_an_endpoint_that_stops_becomes_critical_and_is_well_again_when_it_is_back(bench: Bench) -> None:
    wait_for(lambda: shown(bench, CHECK)[0] == "0", "Redis is shown as well", 60)
    bench.ssh("cache-1", "systemctl", "stop", "primetime-redis")
    wait_for(lambda: shown(bench, CHECK)[0] == "2", "Redis is shown as critical", 60)
    assert "refused" in shown(bench, CHECK)[1]
    bench.ssh("cache-1", "systemctl", "start", "primetime-redis")
    wait_for(lambda: shown(bench, CHECK)[0] == "0", "Redis is shown as well again", 60)
