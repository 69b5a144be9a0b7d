"""Faults of the power: a host and the disk of its volume (volume.py) lose it at once, and what was not synced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from primetime.hbase import admin
from tests.fault.cluster import STORE, Cluster
from tests.fault.disk import MB, spool
from tests.fault.faults import Fault
from tests.fault.killed import booted
from tests.fault.volume import held, volume
from tests.waiting import wait_for

HDFS = "/var/lib/hdfs"
STORE_UNITS = (
    "primetime-hdfs-namenode",
    "primetime-hdfs-datanode",
    "primetime-hbase-master",
    "primetime-hbase-regionserver",
    "primetime-hbase-thrift",
)
STORE_MB = 6144
STORE_STARTS_S = 300


def cut_power(cluster: Cluster) -> None:
    held(cluster).lose_power()
    held(cluster).power_on()


def power_on(cluster: Cluster) -> None:
    held(cluster).power_on()


def boot(cluster: Cluster) -> str:
    return booted(cluster, held(cluster).node)


def lost_its_cache(cluster: Cluster, before: str) -> str:
    assert boot(cluster) != before, f"{held(cluster).node} was not started again"
    assert held(cluster).lacks_witness(), "what was written and not synced is there"
    return "booted anew; what was written and not synced just before is gone"


@contextmanager
def store_volume(cluster: Cluster) -> Iterator[None]:
    """HDFS' folders on a volume: blocks and names."""
    with volume(cluster, STORE, HDFS, STORE_UNITS, STORE_MB):
        wait_for(cluster.arrives, "a store on its volume", STORE_STARTS_S)
        yield
    wait_for(cluster.arrives, "a store as converged", STORE_STARTS_S)


def blocks(cluster: Cluster) -> int:
    return int(cluster.ssh(STORE, f"find {HDFS} -name 'blk_*' ! -name '*.meta' | wc -l"))


def flush_and_cut(cluster: Cluster) -> None:
    """All cells are in store files, whose WALs HBase may then drop: they must be on disk."""
    admin.flush_table(*cluster.demo.endpoint("thrift"), "events")
    cluster.kept["blocks"] = blocks(cluster)
    cut_power(cluster)


def flushed_and_cut(cluster: Cluster, before: str) -> str:
    lost = lost_its_cache(cluster, before)
    return f"{cluster.kept['blocks']} blocks after the flush; {lost}"


FAULTS = [
    Fault(
        "power of the collector's host and disk lost",
        cut_power,
        lost_its_cache,
        Cluster.accepts,
        look=boot,
        undo=power_on,
        around=lambda cluster: spool(cluster, segment_bytes=MB),  # so that segments come and go at that moment
    ),
    Fault(
        "power of the store's host and disk lost after a flush",
        flush_and_cut,
        flushed_and_cut,
        Cluster.arrives,
        look=boot,
        undo=power_on,
        around=store_volume,
        recovers_within_s=STORE_STARTS_S,
    ),
]
