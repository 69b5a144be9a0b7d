"""For each alert, made-up samples in which it stays quiet, and others in which it fires, as promtool reads them.

`series` are samples a quarter of a minute apart, in promtool's notation; `fires` is what is firing at `at`: labels, and
the sentence that the person who is called reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

STEP_S = 15


@dataclass(frozen=True)
class Case:
    """What an alert makes of `series` at a moment."""

    claim: str
    series: Mapping[str, str]
    at: str
    fires: Mapping[str, str] = field(default_factory=dict)  # its labels beside severity
    says: str = ""  # nothing: it stays quiet


UP = 'up{job="redis_exporter",node="redis-1",instance="10.0.0.5:1"}'
REDIS = {"job": "redis_exporter", "node": "redis-1", "instance": "10.0.0.5:1"}
PROBED = 'probe_success{job="probe",node="redis-1",group="redis",endpoint="redis",instance="10.0.0.5:2"}'
DISK = '{job="base_exporter",node="store-1",mountpoint="/",device="a",fstype="ext4"}'

MASTER = '{job="hbase_master",node="store-1"}'
NAMENODE = '{job="hdfs_namenode",node="store-1"}'

CASES: dict[str, tuple[Case, ...]] = {
    "Watchdog": (Case("always", {}, "1m", {}, "Alerts arrive."),),
    "TargetDown": (
        Case("it restarts", {UP: "1x4 0x3 1x20"}, "3m"),
        Case(
            "it stays away",
            {UP: "1x4 0x20"},
            "3m",
            REDIS,
            "redis_exporter on redis-1 has not told Prometheus anything for a minute.",
        ),
    ),
    "EndpointSilent": (
        Case("it answers", {PROBED: "1x20"}, "3m"),
        Case(
            "nobody answers",
            {PROBED: "1x4 0x20"},
            "3m",
            {"job": "probe", "node": "redis-1", "group": "redis", "endpoint": "redis", "instance": "10.0.0.5:2"},
            "redis on redis-1 does not answer at 10.0.0.5:2.",
        ),
    ),
    "DiskFullSoon": (
        Case(
            "it fills, and has room for a day",
            {f"node_filesystem_avail_bytes{DISK}": "40e9-1e6x200", f"node_filesystem_size_bytes{DISK}": "100e9x200"},
            "45m",
        ),
        Case(
            "it fills fast, and is nearly empty yet",
            {f"node_filesystem_avail_bytes{DISK}": "90e9-80e6x200", f"node_filesystem_size_bytes{DISK}": "100e9x200"},
            "45m",
        ),
        Case(
            "it was made ten minutes ago",
            {f"node_filesystem_avail_bytes{DISK}": "40e9-40e6x200", f"node_filesystem_size_bytes{DISK}": "100e9x200"},
            "10m",
        ),
        Case(
            "it is full in three hours",
            {f"node_filesystem_avail_bytes{DISK}": "40e9-40e6x200", f"node_filesystem_size_bytes{DISK}": "100e9x200"},
            "45m",
            {"job": "base_exporter", "node": "store-1", "mountpoint": "/", "device": "a", "fstype": "ext4"},
            "/ on store-1 is full in 4 hours, as it filled for the last 30 minutes.",
        ),
    ),
    "RedisNearlyFull": (
        Case(
            "a burst passes",
            {
                'redis_memory_used_bytes{job="redis_exporter",node="redis-1"}': "50 90x3 50x20",
                'redis_memory_max_bytes{job="redis_exporter",node="redis-1"}': "100x30",
            },
            "3m",
        ),
        Case(
            "it stays full",
            {
                'redis_memory_used_bytes{job="redis_exporter",node="redis-1"}': "50 90x30",
                'redis_memory_max_bytes{job="redis_exporter",node="redis-1"}': "100x30",
            },
            "3m",
            {"job": "redis_exporter", "node": "redis-1"},
            "Redis on redis-1 uses 90% of its memory: full, it cannot count.",
        ),
    ),
    "RegionsUnavailable": (
        Case("regions move", {f"assignment_manager_rit_count{MASTER}": "0 5x2 0x20"}, "3m"),
        Case(
            "nobody takes them",
            {f"assignment_manager_rit_count{MASTER}": "0 5x20"},
            "3m",
            {"job": "hbase_master", "node": "store-1"},
            "HBase's master on store-1 has 5 regions that no RegionServer serves.",
        ),
    ),
    "RegionServerDead": (
        Case("it starts again", {f"server_num_dead_region_servers{MASTER}": "0 1x2 0x20"}, "3m"),
        Case(
            "it stays away",
            {f"server_num_dead_region_servers{MASTER}": "0 1x20"},
            "3m",
            {"job": "hbase_master", "node": "store-1"},
            "HBase's master on store-1 counts 1 RegionServers as dead.",
        ),
    ),
    "BlocksMissing": (
        Case("a NameNode starts", {f"fs_namesystem_missing_blocks{NAMENODE}": "9x2 0x20"}, "3m"),
        Case(
            "no DataNode has them",
            {f"fs_namesystem_missing_blocks{NAMENODE}": "0 9x20"},
            "3m",
            {"job": "hdfs_namenode", "node": "store-1"},
            "The NameNode on store-1 misses 9 blocks: no DataNode has a copy.",
        ),
    ),
    "BlocksUnderReplicated": (
        Case("they are copied", {f"fs_namesystem_under_replicated_blocks{NAMENODE}": "0 9x30 0x90"}, "20m"),
        Case(
            "they cannot be placed",
            {f"fs_namesystem_under_replicated_blocks{NAMENODE}": "0 9x120"},
            "20m",
            {"job": "hdfs_namenode", "node": "store-1"},
            "The NameNode on store-1 has had 9 blocks with too few copies for 15 minutes.",
        ),
    ),
    "DataNodeDead": (
        Case("it restarts", {f"fs_namesystem_num_dead_data_nodes{NAMENODE}": "0 1x2 0x20"}, "3m"),
        Case(
            "it stays away",
            {f"fs_namesystem_num_dead_data_nodes{NAMENODE}": "0 1x20"},
            "3m",
            {"job": "hdfs_namenode", "node": "store-1"},
            "The NameNode on store-1 counts 1 DataNodes as dead.",
        ),
    ),
}
