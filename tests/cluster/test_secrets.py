"""A quick look that the demo's secrets show nowhere; tests/machine/test_secrets_stay_hidden.py takes its time."""

from __future__ import annotations

import secrets

import pytest

from primetime.secrets import topology as store
from primetime.topology import load
from tests.conftest import Demo
from tests.hidden import Processes, Search

NODES = ("collector-1", "redis-1")  # that have them


def known(demo: Demo) -> dict[str, str]:
    """The demo's secrets as they are now."""
    topology = load(str(demo.topology))
    return {name: store.value(topology, name).text for name in store.declared(topology)}


def test_a_rotation_brings_its_value_to_its_place_and_nowhere_else(demo: Demo) -> None:
    before = known(demo)
    with Processes() as processes:
        done = [demo.run("secret", "rotate", "redis_shipper"), demo.run("converge"), demo.run("status", "--json")]
    after = known(demo)
    assert after["redis_shipper"] != before["redis_shipper"]
    assert demo.ssh("collector-1", "cat", "/etc/primetime/shipper/redis.password").strip() == after["redis_shipper"]
    search = Search({*before.values(), *after.values()})
    hits = [hit for ran in done for hit in search.text(" ".join(ran.args[1:]), ran.stdout, ran.stderr)]
    hits += search.text("processes", *processes.seen)
    hits += [hit for node in NODES for hit in search.host(demo, node)]
    assert hits == []


@pytest.mark.parametrize("node", NODES)
def test_a_planted_value_is_found(demo: Demo, node: str) -> None:
    planted = f"planted-{secrets.token_hex(20)}"
    try:
        demo.ssh(node, "sh", "-c", 'echo "$0" >/run/leak', planted)
        assert Search([planted]).host(demo, node) == [f"{node}: /run/leak"]
    finally:
        demo.ssh(node, "rm", "/run/leak")
