"""What stands on the host that a role is validated on. Called by case and changed."""

from __future__ import annotations

from typing import Any

# role → (what runs on its host, MiB); HBase cannot start without a file system and a quorum
HOSTS: dict[str, tuple[list[str], int]] = {
    "base": (["base"], 256),
    "redis": (["redis"], 256),
    "monitoring": (["monitoring", "redis"], 320),  # with the exporters of both
    "nagios": (["nagios", "redis"], 256),
    "collectd": (["collectd/receiver", "monitoring"], 320),  # with an agent of its own
    "collector": (["collector"], 512),
    "shipper": (["shipper"], 384),
    "balancer": (["collector", "balancer"], 512),  # without a collector it has nothing to pass on to
    "guard": (["collector", "shipper", "guard"], 640),
    "zookeeper": (["zookeeper"], 512),
    "hdfs": (["hdfs/namenode", "hdfs/datanode"], 1024),
    "jenkins": (["jenkins"], 1024),
    "hbase": (
        ["zookeeper", "hdfs/namenode", "hdfs/datanode", "hbase/master", "hbase/regionserver", "hbase/thrift"],
        2304,
    ),
}

# Validated when they are named: what they install is neither Debian's nor ours, and not every site reaches it.
WHEN_NAMED = ("jenkins",)


def topology(role: str, release: str, name: str) -> dict[str, Any]:
    """A topology file's content: the role's host, ROLE-1, of a release."""
    roles, memory_mb = HOSTS[role]
    return {
        "name": name,
        "provider": "nspawn",
        "image": release,
        "shows": ["rehearsal"],
        "partial": True,
        "groups": {role: {"roles": roles, "count": 1, "memory_mb": memory_mb}},
        "settings": {"hdfs_replication": 1},
    }
