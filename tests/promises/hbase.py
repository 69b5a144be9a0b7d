"""How the promises of HBase are broken."""

from primetime.hbase import admin
from roles.hbase.settings import HbaseThrift
from tests.conftest import Demo
from tests.promises.breaking import CONVERGED, Break, as_root, changed, closed, configured, heap, stopped

PORT = HbaseThrift().port
SITE = "hbase-site.xml"
STRANGER = 'sed -i "s/ $(hostname)$/ $(hostname) stranger/" /etc/hosts'
HOSTS = f"base: {CONVERGED}Write /etc/hosts with the nodes that it may look for"


def said(key: str, value: str) -> str:
    """The edit that gives a key of hbase-site.xml, which is there, another value."""
    return f"s#<name>{key}</name><value>[^<]*#<name>{key}</name><value>{value}#"


def renamed(group: str, key: str, *also: str) -> Break:
    """Restart a daemon under a name that its host has not been given."""
    wrong = configured(group, SITE, said(key, "stranger"), HOSTS, *also)
    return Break(f"{STRANGER}; {wrong.how}", f"sed -i 's/ stranger$//' /etc/hosts; {wrong.mend}", wrong.also)


def edited(group: str) -> Break:
    role = group.replace("_", "/", 1)
    return changed(
        f"/etc/primetime/{role}/{SITE}",
        "$ a <!-- by hand -->",
        f"{role}: {CONVERGED}Write {SITE}",
        f"{role}: {CONVERGED}Restart it on its new configuration",
    )


def drop_a_table(demo: Demo) -> None:
    admin.drop_table(*demo.endpoint("thrift"), "deadletters")


def converge(demo: Demo) -> None:
    demo.run("converge")


DROPPED = f"hbase: {CONVERGED}Make the tables that are missing"
DIVIDED = "the tables are divided as declared"
LISTED = "the gateway lists the tables"

LIVE = "hbase/master: every regionserver is live"
STOPPED_GATEWAY = (DROPPED, f"hbase/master: {DIVIDED}")  # through which the tables are looked at

MASTER = {
    "primetime-hbase-master is running": stopped(
        "hbase/master", "primetime-hbase-master", DROPPED, f"hbase/thrift: {LISTED}"
    ),
    DIVIDED: Break(drop_a_table, converge, (DROPPED, f"hbase/thrift: {LISTED}")),
    "one master is active": renamed("hbase_master", "hbase.master.hostname"),
    "every regionserver is live": renamed(
        "hbase_regionserver",
        "hbase.unsafe.regionserver.hostname",
        "hbase/regionserver: it answers by its node's name",
    ),
    "the master's heap is as given": heap("hbase_master"),
    "the master runs as its own user": as_root("hbase_master", "/var/lib/hbase", "hbase"),
    "is as converged": edited("hbase_master"),
}

REGIONSERVER = {
    "primetime-hbase-regionserver is running": stopped(
        "hbase/regionserver", "primetime-hbase-regionserver", LIVE, f"hbase/master: {DIVIDED}"
    ),
    "its log is synced to disk": configured("hbase_regionserver", SITE, said("hbase.wal.hsync", "false")),
    "its files have as many copies as declared": configured("hbase_regionserver", SITE, said("dfs.replication", "01")),
    "it answers by its node's name": renamed("hbase_regionserver", "hbase.unsafe.regionserver.hostname", LIVE),
    "its heap is as given": heap("hbase_regionserver"),
    "it runs as its own user": as_root("hbase_regionserver", "/var/lib/hbase", "hbase"),
    "is as converged": edited("hbase_regionserver"),
}

THRIFT = {
    "primetime-hbase-thrift is running": stopped("hbase/thrift", "primetime-hbase-thrift", *STOPPED_GATEWAY),
    # halted first: its loop would go on accepting from what is closed, and log each failure
    f"thrift listens where declared (port {PORT})": Break(
        f"systemctl kill -s STOP primetime-hbase-thrift; {closed(PORT)}",
        "systemctl restart primetime-hbase-thrift",
        STOPPED_GATEWAY,
    ),
    LISTED: Break(drop_a_table, converge, (DROPPED, f"hbase/master: {DIVIDED}")),
    "the gateway's heap is as given": heap("hbase_thrift"),
    "the gateway runs as its own user": as_root("hbase_thrift", "/var/lib/hbase", "hbase"),
    "is as converged": edited("hbase_thrift"),
}
