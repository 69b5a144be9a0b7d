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

SPOOL = '{job="collector",node="collector-1"}'
SHIPPER = '{job="shipper",node="collector-1",sink="hbase"}'
LANE = '{job="shipper",node="collector-1",sink="hbase",lane="hbase-%d"}'
SECRET = '{job="base_exporter",node="redis-1",secret="redis_shipper"}'


MEMBER = {"job": "collector", "node": "collector-i-0123456789abcdef0", "instance": "10.0.0.9:9145"}
ASKED = {"job": "probe", "group": "collector", "endpoint": "http", "instance": "10.0.0.9:8080"}
TLS = '{job="probe",node="jenkins-1",group="jenkins",endpoint="https"}'
SHOW = {"job": "monitoring_calendar", "node": "watch-1", "show": "quiz"}
TOO_FEW = "quiz begins within 15 minutes, or is on, and needs 2 collectors: fewer take traffic, as watch-1 sees it."


def of_member(metric: str, **labels: str) -> str:
    """A series of a member of a group that scales."""
    told = ",".join(f'{label}="{value}"' for label, value in {**MEMBER, **labels}.items())
    return f"{metric}{{{told}}}"


def before_a_show(begins_s: int, *ready: str) -> dict[str, str]:
    """A show that needs two collectors and begins then; whether each that there is takes traffic. All answer."""
    show = ",".join(f'{label}="{value}"' for label, value in SHOW.items())
    found = {
        f"primetime_show_collectors{{{show}}}": "2x60",
        f"primetime_show_begins_timestamp_seconds{{{show}}}": f"{begins_s}x60",
    }
    for number, takes in enumerate(ready, 1):
        found[f'primetime_collector_ready{{job="collector",node="collector-{number}"}}'] = takes
        found[f'probe_success{{job="probe",group="collector",node="collector-{number}"}}'] = "1x60"
    return found


def ensemble(*serving: str) -> dict[str, str]:
    """Members zk-1, zk-2, ...: whether each serves; while one does not, its exporter tells just that."""
    return {
        f'{name}{{job="zookeeper_exporter",node="zk-{number}"}}': values
        for number, serves in enumerate(serving, 1)
        for name, values in (("zookeeper_up", serves), ("up", "1x30"))
    }


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
        Case("a new member has not converged yet", {of_member("up"): "0x110"}, "25m"),
        Case(
            "a member converged, and then it died",
            {of_member("up"): "0x20 1x4 0x20"},
            "9m",
            MEMBER,
            "collector on collector-i-0123456789abcdef0 has not told Prometheus anything for a minute.",
        ),
        Case(
            "a member never converged, and is there for longer than its hook",
            {of_member("up"): "0x200"},
            "40m",
            MEMBER,
            "collector on collector-i-0123456789abcdef0 has not told Prometheus anything for a minute.",
        ),
        Case(
            "a member served for hours before it died",
            {of_member("up"): "1x400 0x200"},
            "140m",
            MEMBER,
            "collector on collector-i-0123456789abcdef0 has not told Prometheus anything for a minute.",
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
        Case("a new member does not answer yet", {of_member("probe_success", **ASKED): "0x110"}, "25m"),
        Case(
            "a member answers no more",
            {of_member("probe_success", **ASKED): "0x20 1x4 0x20"},
            "9m",
            {**MEMBER, **ASKED},
            "collector on collector-i-0123456789abcdef0 does not answer at 10.0.0.9:8080.",
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
            "it is full, and fills no more",
            {f"node_filesystem_avail_bytes{DISK}": "0x200", f"node_filesystem_size_bytes{DISK}": "100e9x200"},
            "45m",
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
    "SpoolOld": (
        Case(
            "a RegionServer dies and comes back",
            {f"primetime_collector_spool_oldest_seconds{SPOOL}": "0+15x7 0x20"},
            "3m",
        ),
        Case(
            "nobody empties it",
            {f"primetime_collector_spool_oldest_seconds{SPOOL}": "0+15x40"},
            "3m",
            {"job": "collector", "node": "collector-1"},
            "collector-1 has an event that is 3m 0s old, and does not get rid of it.",
        ),
    ),
    "SpoolFilling": (
        Case(
            "a burst passes",
            {
                f"primetime_collector_spool_bytes{SPOOL}": "1 6x1 1x20",
                f"primetime_collector_spool_budget_bytes{SPOOL}": "10x30",
            },
            "2m",
        ),
        Case(
            "it stays",
            {
                f"primetime_collector_spool_bytes{SPOOL}": "1 6x20",
                f"primetime_collector_spool_budget_bytes{SPOOL}": "10x30",
            },
            "2m",
            {"job": "collector", "node": "collector-1"},
            "The spool of collector-1 takes 60% of its budget: full, it refuses.",
        ),
    ),
    "EventsMissing": (
        Case(
            "nothing is lost or kept",
            {f"primetime_shipper_lost_segments{SHIPPER}": "0x20", f"primetime_shipper_kept_segments{SHIPPER}": "0x20"},
            "1m",
        ),
        Case(
            "segments are gone",
            {
                f"primetime_shipper_lost_segments{SHIPPER}": "0 3x20",
                f"primetime_shipper_kept_segments{SHIPPER}": "0x20",
            },
            "1m",
            {"job": "shipper", "node": "collector-1", "sink": "hbase"},
            "collector-1 has 3 segments of its spool that are gone, or cannot be stored whole.",
        ),
        Case(
            "one is damaged, and what is lost is not known yet",
            {f"primetime_shipper_kept_segments{SHIPPER}": "0 1x20"},
            "1m",
            {"job": "shipper", "node": "collector-1", "sink": "hbase"},
            "collector-1 has 1 segments of its spool that are gone, or cannot be stored whole.",
        ),
    ),
    "DeadLettersRising": (
        Case("there were some long ago", {f"primetime_shipper_dead_letters_total{LANE % 0}": "0 5x80"}, "15m"),
        Case("a lane begins anew", {f"primetime_shipper_dead_letters_total{LANE % 0}": "0x4 _x2 0x20"}, "5m"),
        Case(
            "both lanes find some",
            {
                f"primetime_shipper_dead_letters_total{LANE % 0}": "0x20 10x60",
                f"primetime_shipper_dead_letters_total{LANE % 1}": "0x20 30x60",
            },
            "15m",
            {"node": "collector-1"},
            "collector-1 found 40 events in 10 minutes that cannot be stored as they are.",
        ),
    ),
    "QuorumThin": (
        Case("a member restarts", ensemble("1x4 0x3 1x20", "1x30", "1x30"), "3m"),
        Case("one of five is away", ensemble("1x4 0x20", *["1x30"] * 4), "3m"),
        Case("there is but one, and it serves", ensemble("1x30"), "3m"),
        Case(
            "one of three is away",
            ensemble("1x4 0x20", "1x30", "1x30"),
            "3m",
            {"job": "zookeeper_exporter", "node": "zk-1"},
            "ZooKeeper on zk-1 does not serve, and the ensemble has no other member to spare.",
        ),
        Case(
            "the host of one of three is away",
            {
                **ensemble("1x30", "1x30"),
                'up{job="zookeeper_exporter",node="zk-3"}': "1x4 0x20",
                'zookeeper_up{job="zookeeper_exporter",node="zk-3"}': "1x4 stale",
            },
            "3m",
            {"job": "zookeeper_exporter", "node": "zk-3"},
            "ZooKeeper on zk-3 does not serve, and the ensemble has no other member to spare.",
        ),
        Case(
            "the only one is away",
            ensemble("1x4 0x20"),
            "3m",
            {"job": "zookeeper_exporter", "node": "zk-1"},
            "ZooKeeper on zk-1 does not serve, and the ensemble has no other member to spare.",
        ),
    ),
    "SecretExpiring": (
        Case(
            "it was set 300 days ago", {f"primetime_secret_set_timestamp_seconds{SECRET}": f"{-300 * 86400}x20"}, "1m"
        ),
        Case(
            "it was set 340 days ago",
            {f"primetime_secret_set_timestamp_seconds{SECRET}": f"{-340 * 86400}x20"},
            "1m",
            {"job": "base_exporter", "node": "redis-1", "secret": "redis_shipper"},
            "redis_shipper on redis-1 is 340 days old: replace it within a year.",
        ),
    ),
    "ShowSoon": (
        Case("it is an hour away", before_a_show(3600, "0x60"), "10m"),
        Case("all are there", before_a_show(900, "1x60", "1x60"), "10m"),
        Case("one restarts", before_a_show(900, "1x60", "1x8 0x1 1x60"), "3m"),
        Case("one takes no traffic", before_a_show(900, "1x60", "0x60"), "10m", SHOW, TOO_FEW),
        Case("there is none, and it is on", before_a_show(0), "10m", SHOW, TOO_FEW),
        Case(
            "one says that it does, and does not answer",
            {
                **before_a_show(900, "1x60", "1x60"),
                'probe_success{job="probe",group="collector",node="collector-2"}': "0x60",
            },
            "10m",
            SHOW,
            TOO_FEW,
        ),
    ),
    "CertificateExpiring": (
        Case("it lasts another month", {f"probe_ssl_earliest_cert_expiry{TLS}": f"{31 * 86400}x20"}, "3m"),
        Case(
            "it lasts ten days",
            {f"probe_ssl_earliest_cert_expiry{TLS}": f"{10 * 86400}x20"},
            "3m",
            {"job": "probe", "node": "jenkins-1", "group": "jenkins", "endpoint": "https"},
            "The certificate that jenkins on jenkins-1 shows ends in 10 days.",
        ),
    ),
}
