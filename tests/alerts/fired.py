"""Which alerts are fired for real by the tests of this folder, and how: shell commands on the host that has it all."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """`how` breaks it, `mend` mends it."""

    how: str
    mend: str


def stopped(service: str) -> Fault:
    return Fault(f"systemctl stop {service}", f"systemctl start {service}")


# A text as long as nine tenths of its memory: the user that may load others makes one that may write.
REDIS = (
    "cd /run/primetime-redis; export REDISCLI_AUTH=$(cat reload.password); cp users.acl users.kept; "
    "echo 'user filler on nopass ~* +@all' >> users.acl; "
    "at=$(sed -n 's/^bind //p' /etc/primetime/redis/redis.conf); "
    "redis-cli -h $at --user reload --no-auth-warning ACL LOAD; unset REDISCLI_AUTH; "
    "redis-cli -h $at --user filler --pass x --no-auth-warning {command}; "
    "mv users.kept users.acl; REDISCLI_AUTH=$(cat reload.password) "
    "redis-cli -h $at --user reload --no-auth-warning ACL LOAD"
)

FIRED: dict[str, Fault] = {
    "TargetDown": stopped("primetime-base-exporter"),
    "EndpointSilent": stopped("primetime-redis"),
    "RegionServerDead": stopped("primetime-hbase-regionserver"),
    "RegionsUnavailable": stopped("primetime-hbase-regionserver"),
    "DataNodeDead": stopped("primetime-hdfs-datanode"),
    "BlocksMissing": stopped("primetime-hdfs-datanode"),
    "RedisNearlyFull": Fault(REDIS.format(command="SETRANGE filling 60000000 x"), REDIS.format(command="FLUSHALL")),
}
