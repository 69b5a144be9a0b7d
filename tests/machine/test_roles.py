"""Each role alone on a fresh host: it converges, keeps its promises, and a second converge changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import Bench

# role → (what runs on its host, MiB); HBase cannot start without a file system and a quorum
HOSTS = {
    "redis": (["redis"], 256),
    "monitoring": (["monitoring", "redis"], 320),  # with the exporters of both
    "collector": (["collector"], 512),
    "shipper": (["shipper"], 384),
    "zookeeper": (["zookeeper"], 512),
    "hdfs": (["hdfs/namenode", "hdfs/datanode"], 1024),
    "hbase": (
        ["zookeeper", "hdfs/namenode", "hdfs/datanode", "hbase/master", "hbase/regionserver", "hbase/thrift"],
        2304,
    ),
}


TRIXIE = ("redis",)  # the roles that are proved there
CASES = [
    *(pytest.param((role, "bookworm"), id=role) for role in sorted(HOSTS)),
    *(pytest.param((role, "trixie"), id=f"{role}-trixie", marks=pytest.mark.long) for role in TRIXIE),
]


@pytest.fixture(scope="module", params=CASES)
def role_host(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    role, image = request.param
    roles, memory_mb = HOSTS[role]
    topology = {
        "name": f"test-{role}-{image}",
        "provider": "nspawn",
        "image": image,
        "shows": ["rehearsal"],
        "partial": True,
        "groups": {role: {"roles": roles, "count": 1, "memory_mb": memory_mb}},
        "settings": {"hdfs_replication": 1},
    }
    path = tmp_path_factory.mktemp("topology") / f"{topology['name']}.yml"
    path.write_text(yaml.safe_dump(topology))
    bench = Bench(Path(path))
    try:
        bench.run("up", "--yes")
        bench.run("converge")
        yield bench
    finally:
        assert bench.json("down", "--yes")["left"] == []


def test_a_second_converge_changes_nothing(role_host: Bench) -> None:
    assert role_host.json("converge")["changes"] == []


def test_every_promise_is_kept(role_host: Bench) -> None:
    assert role_host.json("verify")["failed"] == []
