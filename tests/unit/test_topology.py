"""A topology file is checked as a whole: each problem with its line and what to write instead."""

import pytest

from primetime import topology
from primetime.errors import UsageError

GOOD = """\
name: small
provider: nspawn
image: bookworm
shows: [quiz-20261121]
groups:
  cache: {roles: [redis], count: 2, memory_mb: 256}
  store:
    roles: [zookeeper, hdfs/namenode]
    count: 1
    memory_mb: 1024
settings:
  redis_maxmemory_mb: 64
"""


def complaints(text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        topology.parse(text, "small.yml")
    return str(caught.value).splitlines()


def test_a_group_s_count_makes_that_many_numbered_nodes() -> None:
    assert [node.name for node in topology.parse(GOOD, "small.yml").nodes] == ["cache-1", "cache-2", "store-1"]


def test_a_daemon_puts_its_host_into_the_role_s_group_and_its_own() -> None:
    assert topology.parse(GOOD, "small.yml").nodes[2].groups == ("base", "zookeeper", "hdfs", "hdfs_namenode")


@pytest.mark.parametrize("name", topology.names())
def test_every_topology_of_the_repository_is_sound(name: str) -> None:
    assert topology.load(name).nodes


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("image: bookworm", "imgae: bookworm", 3, "unknown key imgae"),
        ("provider: nspawn", "provider: docker", 2, "'docker' is not known: write one of nspawn"),
        ("[redis]", "[reddis]", 6, "role reddis of group cache is not known"),
        ("count: 2", "count: two", 6, "count of group cache: write a whole number"),
        ("memory_mb: 1024", "memory: 1024", 10, "unknown key memory in group store"),
        ("[quiz-20261121]", "[Quiz]", 4, "show 'Quiz': write small letters"),
        ("count: 1", "count: 2", 9, "2 zookeeper hosts tolerate no more failures than 1"),
        ("redis_maxmemory_mb: 64", "redis_maxmemory_mb: lots", 12, "'lots' is str, not int"),
        ("redis_maxmemory_mb: 64", "rediss_port: 1", 12, "no role has such a setting"),
    ],
)
def test_a_mistake_is_told_with_its_line(old: str, new: str, line: int, says: str) -> None:
    assert any(text.startswith(f"small.yml:{line}:") and says in text for text in complaints(GOOD.replace(old, new)))


def test_all_mistakes_are_told_at_once() -> None:
    assert len(complaints(GOOD.replace("nspawn", "docker").replace("[redis]", "[reddis]"))) == 2


def test_what_is_not_yaml_is_told_with_its_line() -> None:
    assert complaints("name: [a\nb: c\n")[0].startswith("small.yml:2: not YAML")


def test_a_topology_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(UsageError, match="choose one of demo"):
        topology.load("nowhere")
