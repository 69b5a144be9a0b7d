"""Faults that end a process or a whole host with SIGKILL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.fault.cluster import COLLECTOR, REDIS, STORE, Cluster
from tests.fault.faults import Fault

AWAY_S = 180
REGIONS_BACK_S = 20  # what a show in progress can do without


def unit(
    name: str, node: str, service: str, recovered: Callable[[Cluster], bool], *, spares: str = "", **more: Any
) -> Fault:
    """All processes of a unit at once; systemd starts it again, and says so by another pid and one more restart.

    `spares`: another unit of the node, which must outlive it.
    """

    def look(cluster: Cluster) -> list[str]:
        if spares:
            cluster.kept["spared"] = pid(cluster, node, spares)
        return cluster.ssh(node, f"systemctl show -P MainPID -P NRestarts {service}").split()

    def do(cluster: Cluster) -> None:
        cluster.ssh(node, f"systemctl kill --kill-whom=all -s KILL {service}")

    def proof(cluster: Cluster, before: list[str]) -> str:
        killed, restarts = before

        def again() -> bool:
            now, count = cluster.ssh(node, f"systemctl show -P MainPID -P NRestarts {service}").split()
            return now not in ("0", killed) and int(count) > int(restarts)

        cluster.wait(again, f"{service} with another pid than {killed}, started again by systemd")
        return f"pid {killed}, then {pid(cluster, node, service)}, started again by systemd"

    def back(cluster: Cluster) -> bool:
        if not recovered(cluster):
            return False
        assert not spares or pid(cluster, node, spares) == cluster.kept["spared"], f"{spares} did not outlive {service}"
        return True

    return Fault(f"{name} killed -9", do, proof, back, look=look, **more)


def pid(cluster: Cluster, node: str, service: str) -> str:
    return cluster.ssh(node, f"systemctl show -P MainPID {service}").strip()


WORKERS = "pgrep -P $(systemctl show -P MainPID primetime-collector)"


def kill_a_worker(cluster: Cluster) -> None:
    cluster.ssh(COLLECTOR, f"kill -9 $({WORKERS} | head -n 1)")


def worker_is_another(cluster: Cluster, before: str) -> str:
    """The master lives, and has another worker in the place of one."""
    cluster.wait(
        lambda: len(set(workers(cluster).split()) ^ set(before.split())) == 2, "one worker in the place of another"
    )
    return f"workers {' '.join(before.split())}, then {' '.join(workers(cluster).split())}"


def workers(cluster: Cluster) -> str:
    return cluster.ssh(COLLECTOR, WORKERS)


def booted(cluster: Cluster, node: str) -> str:
    """When the host's first process started; empty while it does not answer."""
    return cluster.asked(node, "systemctl show -P UserspaceTimestampMonotonic").strip()


def restarted(whose: str, node: str, recovered: Callable[[Cluster], bool], **more: Any) -> Fault:
    """A host is killed whole and started again; its data stay."""

    def do(cluster: Cluster) -> None:
        cluster.driver.ex_kill(cluster.node(node))
        cluster.start(node)

    def proof(cluster: Cluster, before: str) -> str:
        cluster.wait(lambda: booted(cluster, node) not in ("", before), f"another boot of {node} than {before}")
        return f"{node} booted anew"

    return Fault(
        f"{whose} host killed -9 and started again",
        do,
        proof,
        recovered,
        look=lambda cluster: booted(cluster, node),
        undo=lambda cluster: cluster.start(node),
        **more,
    )


def take_the_store_away(cluster: Cluster) -> None:
    cluster.driver.ex_kill(cluster.node(STORE))


def store_is_away(cluster: Cluster, _: object) -> str:
    """The host is down, and the shipper knows."""
    state = cluster.node(STORE).state
    assert state == "stopped", f"{STORE} is {state}"

    def failure() -> str:
        sink = cluster.shipper().get("sinks", {}).get("hbase", {})
        return str(sink["last_error"]) if sink.get("failing_s") else ""

    cluster.wait(failure, "a shipper that fails")
    return f"{STORE} stopped; the shipper says: {failure()[:90]}"


FAULTS = [
    unit("collector's nginx", COLLECTOR, "primetime-collector", Cluster.accepts, quick=True),
    Fault(
        "one worker of nginx killed -9",
        kill_a_worker,
        worker_is_another,
        Cluster.accepts,
        look=workers,
        quick=True,
    ),
    unit("shipper", COLLECTOR, "primetime-shipper", Cluster.arrives, quick=True),
    unit("Redis", REDIS, "primetime-redis", Cluster.counts),
    unit("Thrift gateway", STORE, "primetime-hbase-thrift", Cluster.arrives),
    unit(
        "RegionServer",
        STORE,
        "primetime-hbase-regionserver",
        Cluster.serves,
        recovers_within_s=REGIONS_BACK_S,
    ),
    unit("HBase master", STORE, "primetime-hbase-master", Cluster.arrives),
    unit(
        "DataNode",
        STORE,
        "primetime-hdfs-datanode",
        Cluster.arrives,
        spares="primetime-hbase-regionserver",
    ),
    unit("NameNode", STORE, "primetime-hdfs-namenode", Cluster.arrives),
    unit("ZooKeeper", STORE, "primetime-zookeeper", Cluster.arrives),
    restarted("collector", COLLECTOR, Cluster.accepts, quick=True),
    restarted("Redis", REDIS, Cluster.counts),
    Fault(
        f"HBase away for {AWAY_S // 60} minutes: its host killed -9",
        take_the_store_away,
        store_is_away,
        Cluster.arrives,
        undo=lambda cluster: cluster.start(STORE),
        lasts_s=AWAY_S,
    ),
]
