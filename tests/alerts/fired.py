"""Which alerts are fired for real by the tests of this folder: what breaks, and what the runbook asks of a person."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from primetime.inventory import live
from primetime.paths import home
from primetime.topology import load
from tests.alerts import disk, spool
from tests.conftest import Bench
from tests.promises.breaking import do
from tests.promises.jenkins import another_certificate

Step = Callable[[Bench], None]


def nothing(bench: Bench) -> None:
    """No step."""


@dataclass(frozen=True)
class Fault:
    """`how` breaks it, on the hosts of `cluster`, a fixture. Then its runbook's commands are run, after what that asks
    somebody to do by hand; those with the word SEGMENT for each of `segments`. `after` takes away what only the test
    has made."""

    alert: str
    how: Step
    by_hand: Step = nothing
    segments: Callable[[Bench], list[str]] = lambda bench: []
    after: Step = nothing
    cluster: str = "watched"


def stopped(alert: str, service: str, *nodes: str) -> Fault:
    """A service that does not run."""

    def stop(bench: Bench) -> None:
        for node in nodes:
            bench.ssh(node, "systemctl", "stop", service)

    return Fault(alert, stop)


# A text as long as nine tenths of its memory: the user that may load others makes one that may write.
FILL_REDIS = (
    "cd /run/primetime-redis; export REDISCLI_AUTH=$(cat reload.password); cp users.acl users.kept; "
    "echo 'user filler on nopass ~* +@all' >> users.acl; "
    "at=$(sed -n 's/^bind //p' /etc/primetime/redis/redis.conf); "
    "redis-cli -h $at --user reload --no-auth-warning ACL LOAD; unset REDISCLI_AUTH; "
    "redis-cli -h $at --user filler --pass x --no-auth-warning SETRANGE filling 60000000 x; "
    "mv users.kept users.acl; REDISCLI_AUTH=$(cat reload.password) "
    "redis-cli -h $at --user reload --no-auth-warning ACL LOAD"
)


def fill_redis(bench: Bench) -> None:
    bench.ssh("redis-1", "sh", "-c", FILL_REDIS)


def give_redis_more(bench: Bench) -> None:
    """As its runbook says: in the topology."""
    content = yaml.safe_load(bench.topology.read_text())
    content["settings"]["redis_maxmemory_mb"] *= 2
    bench.topology.write_text(yaml.safe_dump(content))


def age_secrets(bench: Bench) -> None:
    """What was set today was set 340 days ago, as the topology's file has it and then its hosts."""
    name = yaml.safe_load(bench.topology.read_text())["name"]
    file = home() / "secrets" / f"{name}.secrets"
    long_ago = (datetime.now(UTC) - timedelta(days=340)).isoformat(timespec="seconds")
    file.write_text(re.sub(r"set: '[^']*'", f"set: '{long_ago}'", file.read_text()))
    bench.run("converge")


def stop_shipping(bench: Bench) -> None:
    spool.wait_until_empty(bench)
    bench.ssh(spool.NODE, "systemctl", "stop", "primetime-shipper")


def leave_an_event(bench: Bench) -> None:
    stop_shipping(bench)
    spool.post(bench, 1)


def fill_the_spool(bench: Bench) -> None:
    stop_shipping(bench)
    spool.post(bench, 20_000, bytes_each=2_400)


def take_a_segment_away(bench: Bench) -> None:
    """It has an event that nobody has stored; the next segment of its writer shows that it is gone."""
    stop_shipping(bench)
    spool.post(bench, 1)
    spool.take_away(bench)
    bench.ssh(spool.NODE, "systemctl", "start", "primetime-shipper")
    for _ in range(20):  # a connection each: both workers get some
        spool.post(bench, 1)


def damage_a_segment(bench: Bench) -> None:
    stop_shipping(bench)
    spool.post(bench, 1)
    spool.take_away(bench)
    spool.put_back_damaged(bench)
    bench.ssh(spool.NODE, "systemctl", "start", "primetime-shipper")


def slip_in_an_unfit_event(bench: Bench) -> None:
    with TemporaryDirectory() as folder:
        spool.slip_in(bench, Path(folder), b'{"id":"nonsense","show":"rehearsal","pos_ms":1}')


def let_a_certificate_run_out(bench: Bench) -> None:
    name = f"DNS:jenkins-1,IP:{live(load(str(bench.topology))).located['jenkins-1'].address}"
    do(another_certificate(3, name).how, bench, "jenkins-1")


FIRED = (
    stopped("TargetDown", "primetime-base-exporter", "redis-1"),
    stopped("EndpointSilent", "primetime-collector", "collector-1"),
    stopped("ShowSoon", "primetime-collector", "collector-1"),
    stopped("QuorumThin", "primetime-zookeeper", "side-1"),
    Fault("SpoolOld", leave_an_event),
    Fault("SpoolFilling", fill_the_spool),
    Fault("EventsMissing", take_a_segment_away, by_hand=spool.bring_back),
    Fault("EventsMissing", damage_a_segment, by_hand=spool.bring_back, segments=spool.kept),
    Fault("DeadLettersRising", slip_in_an_unfit_event),
    Fault("SecretExpiring", age_secrets),
    Fault("RedisNearlyFull", fill_redis, by_hand=give_redis_more),
    Fault("DiskFullSoon", disk.fill, by_hand=disk.make_room, after=disk.take_away),
    stopped("RegionServerDead", "primetime-hbase-regionserver", "store-1"),
    stopped("RegionsUnavailable", "primetime-hbase-regionserver", "store-1"),
    stopped("BlocksUnderReplicated", "primetime-hdfs-datanode", "side-2"),
    stopped("DataNodeDead", "primetime-hdfs-datanode", "side-1"),
    Fault("CertificateExpiring", let_a_certificate_run_out, cluster="signed"),
    stopped("BlocksMissing", "primetime-hdfs-datanode", "store-1", "side-1", "side-2"),
)
NAMES = {fault.alert for fault in FIRED}
