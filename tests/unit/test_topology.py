"""A topology file is checked as a whole: each problem with its line and what to write instead.

The table of bad files is `bad_topologies.yml`: a file's sentence, its text, and all that is said about it.
"""

from pathlib import Path
from typing import Any

import pytest
import yaml

from primetime import topology
from primetime.errors import UsageError
from primetime.paths import REPO

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
BAD: list[dict[str, Any]] = yaml.safe_load((REPO / "tests" / "unit" / "bad_topologies.yml").read_text())


def complaints(text: str) -> list[str]:
    with pytest.raises(UsageError) as caught:
        topology.parse(text, "t.yml")
    return str(caught.value).splitlines()


def edited(case: dict[str, Any]) -> str:
    """The text of a case: its own, or GOOD with one thing put in another's place, or appended."""
    if "text" in case:
        return str(case["text"])
    old, new = case.get("replace", ["", ""])
    assert old in GOOD
    return GOOD.replace(old, new, 1) + case.get("append", "")


@pytest.mark.parametrize("case", BAD, ids=lambda case: case["claim"])
def test_a_bad_topology_is_told_line_by_line(case: dict[str, Any]) -> None:
    assert complaints(edited(case)) == case["says"]


def test_a_group_s_count_makes_that_many_numbered_nodes() -> None:
    assert [node.name for node in topology.parse(GOOD, "t.yml").nodes] == ["cache-1", "cache-2", "store-1"]


def test_a_group_s_cpu_cap_and_weight_are_its_nodes() -> None:
    text = GOOD.replace("memory_mb: 1024", "memory_mb: 1024\n    cpus: 0.5\n    cpu_weight: 200")
    sizes = [(node.cpus, node.cpu_weight) for node in topology.parse(text, "t.yml").nodes]
    assert sizes == [(None, 100), (None, 100), (0.5, 200)]


def test_a_daemon_puts_its_host_into_the_role_s_group_and_its_own() -> None:
    assert topology.parse(GOOD, "t.yml").nodes[2].groups == ("base", "zookeeper", "hdfs", "hdfs_namenode")


def test_no_two_groups_make_nodes_of_one_name() -> None:
    groups = ("a", "a-1", "a-1-1", "a-11", "a-", "a--1")
    more = "".join(f"  {name}: {{roles: [redis], count: 12, memory_mb: 256}}\n" for name in groups)
    nodes = [node.name for node in topology.parse(GOOD.replace("  store:", f"{more}  store:"), "t.yml").nodes]
    assert len(set(nodes)) == len(nodes) == 3 + 12 * len(groups)


def test_anchors_and_merged_keys_are_read_as_yaml_means_them() -> None:
    text = GOOD.replace("cache: {", "cache: &small {") + "  redis_port: 6380\n"
    text = text.replace("  store:", "  other: {<<: *small, count: 1}\n  store:")
    assert [node.name for node in topology.parse(text, "t.yml").nodes] == ["cache-1", "cache-2", "other-1", "store-1"]


def test_hosts_get_the_addresses_that_their_group_declares() -> None:
    text = GOOD.replace("memory_mb: 256", "memory_mb: 256, addresses: [10.20.30.10, 10.20.30.11]")
    parsed = topology.parse(f"{text}network: 10.20.30.0/24\n", "t.yml")
    assert [(node.name, node.address) for node in parsed.nodes] == [
        ("cache-1", "10.20.30.10"),
        ("cache-2", "10.20.30.11"),
        ("store-1", None),
    ]


def test_a_partial_topology_may_lack_what_its_roles_need() -> None:
    assert topology.parse(f"{GOOD.replace('[redis]', '[shipper]')}partial: true\n", "t.yml").nodes


@pytest.mark.parametrize("name", topology.names())
def test_every_topology_of_the_repository_is_sound(name: str) -> None:
    assert topology.load(name).nodes


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"name: caf\xe9\n", "{path}:1: byte 0xe9 is not UTF-8: save the file as UTF-8"),
        (b"a: 1\nb: \x00\n", "{path}:2: not YAML: it holds a control character (#x0000): remove it"),
        (b"[" * 5000, "{path}: lists or mappings are nested too deeply: a topology has four levels"),
    ],
)
def test_a_file_that_is_no_text_says_so(content: bytes, says: str, tmp_path: Path) -> None:
    path = tmp_path / "t.yml"
    path.write_bytes(content)
    with pytest.raises(UsageError) as caught:
        topology.load(str(path))
    assert str(caught.value) == says.format(path=path)


def test_a_directory_is_no_topology(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"is a directory: name a topology file in it"):
        topology.load(f"{tmp_path}/")


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = tmp_path / "t.yml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert topology.load(str(path)).name == "small"


@pytest.mark.parametrize(("name", "says"), [("nowhere", "choose one of demo"), ("dmo", "did you mean demo?")])
def test_a_topology_that_does_not_exist_names_those_that_do(name: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        topology.load(name)
    assert says in str(caught.value)


def test_aliases_that_multiply_are_not_followed() -> None:
    bomb = "x0: &x0 [a, a]\n" + "".join(f"x{n}: &x{n} [*x{n - 1}, *x{n - 1}]\n" for n in range(1, 40))
    assert complaints(f"{bomb}shows: *x39\n")[0] == (
        "t.yml:1:1: unknown key x0: a topology has name, provider, image, network, shows, seeded, partial, groups, "
        "settings"
    )
