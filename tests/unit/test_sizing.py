"""Heaps follow from the size that the topology gives a host."""

import pytest

from primetime import sizing
from primetime.errors import UsageError
from primetime.inventory import heap_mb
from primetime.sizing import heaps
from primetime.topology import load
from roles.redis.settings import Redis


def test_what_is_left_is_split_by_weight() -> None:
    split = heaps(2000, {"master": 1, "regionserver": 3})
    assert split["regionserver"] == 3 * split["master"]


def test_heaps_and_overheads_fit_the_host() -> None:
    assert sum(heaps(2000, {"a": 1, "b": 2}).values()) + 2 * 110 + 160 <= 2000


def test_a_host_without_jvms_has_no_heaps() -> None:
    assert heaps(64, {}) == {}


def test_a_host_that_is_too_small_says_what_would_do() -> None:
    with pytest.raises(UsageError, match=r"400 MiB is too little for a, b: give the group memory_mb \d+"):
        heaps(400, {"a": 1, "b": 2})


def test_the_size_it_says_would_do_does() -> None:
    with pytest.raises(UsageError) as caught:
        heaps(400, {"a": 1, "b": 2})
    assert heaps(int(str(caught.value).rsplit(" ", 1)[1]), {"a": 1, "b": 2})


@pytest.mark.parametrize("node", load("demo").nodes, ids=lambda node: node.name)
def test_every_host_of_the_demo_is_large_enough_for_its_daemons(node: object) -> None:
    assert min(heap_mb(node).values(), default=32) >= 32  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("said", "host_mb", "shared", "bound_mb"),
    [(0, 256, False, 112), (0, 8192, False, 4080), (0, 4096, True, 112), (300, 8192, False, 300)],
)
def test_redis_takes_half_of_its_host_unless_told_otherwise(
    said: int, host_mb: int, shared: bool, bound_mb: int
) -> None:
    assert Redis(maxmemory_mb=said).bound_mb(host_mb, shared) == bound_mb


def test_jvms_beside_redis_leave_it_its_part() -> None:
    beside = sizing.on_a_host(1024, ["redis", "zookeeper"])["zookeeper"]
    assert sizing.on_a_host(1024, ["zookeeper"])["zookeeper"] - beside == Redis.reserved_mb
