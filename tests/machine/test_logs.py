"""A host whose unit never stops talking: the disk that logs take stays bounded, and everything else lives."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from roles.base.settings import Base
from tests.conftest import Bench

NODE = "redis-1"
LINES, WIDTH = 400_000, 500  # 200 MB: three times the limit
# Beside Redis, in its own unit's place in the journal's rate limit; `unlimited` talks past that as well.
FLOOD = f"import sys; [sys.stdout.write(str(n).rjust({WIDTH}) + chr(10)) for n in range({LINES})]"


@pytest.fixture(scope="module")
def redis_host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    topology = {
        "name": "test-logs",
        "provider": "nspawn",
        "image": "bookworm",
        "shows": ["rehearsal"],
        "groups": {"redis": {"roles": ["redis"], "count": 1, "memory_mb": 256}},
    }
    path = tmp_path_factory.mktemp("topology") / "test-logs.yml"
    path.write_text(yaml.safe_dump(topology))
    with Bench(Path(path)).converged() as bench:
        yield bench


def flood(host: Bench, *properties: str) -> None:
    host.ssh(NODE, "systemd-run", "--wait", "--collect", "--quiet", *properties, "/usr/bin/python3", "-c", FLOOD)


def logs_mb(host: Bench) -> int:
    return int(host.ssh(NODE, "du", "-sm", "/var/log").split()[0])


@pytest.mark.long
@pytest.mark.parametrize("properties", [[], ["-pLogRateLimitIntervalSec=0"]], ids=["limited", "unlimited"])
def test_a_flood_of_a_unit_s_log_fills_no_disk_and_stops_nothing(redis_host: Bench, properties: list[str]) -> None:
    flood(redis_host, *properties)
    assert logs_mb(redis_host) <= Base().journal_max_mb + 2  # dpkg's and apt's are beside it
    active = redis_host.ssh(NODE, "systemctl", "is-active", "primetime-redis", "systemd-journald", "ssh")
    assert active.split() == ["active"] * 3
    redis_host.ssh(NODE, "logger", "after-the-flood")
    redis_host.ssh(NODE, "journalctl", "--sync")
    assert "after-the-flood" in redis_host.ssh(NODE, "journalctl", "--no-pager", "-n", "5")
    assert redis_host.json("verify")["failed"] == []
