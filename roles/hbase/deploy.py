"""HBase: master, RegionServers, Thrift gateways, and the tables."""

from pyinfra.api.deploy import deploy
from pyinfra.api.operation import OperationMeta
from pyinfra.operations import files

from primetime import here
from roles.hbase.settings import Hbase, HbaseMaster, HbaseRegionserver, HbaseThrift
from roles.hbase.tables import create_tables, tables
from roles.hdfs.deploy import replication, takes_writes, the_namenode
from roles.hdfs.settings import HdfsNamenode
from roles.java import deploy as java
from roles.zookeeper.deploy import serves
from roles.zookeeper.settings import Zookeeper

BELOW = (java.unit("zookeeper"), java.unit("hdfs_namenode"), java.unit("hdfs_datanode"))


@deploy("HBase master")
def hbase_master() -> None:
    daemon = java.Daemon(
        group="hbase_master",
        description="HBase master",
        main="org.apache.hadoop.hbase.master.HMaster start",
        needs=(serves(), takes_writes()),
        ready=f"tcp:{here.address()}:{here.mine(HbaseMaster).port}",
        serves=f"tcp:{{}}:{here.mine(HbaseMaster).port}",
        after=BELOW,
    )
    java.install(daemon)
    config = _configure(daemon, "master")
    log = java.log_to_journal(daemon, "org.apache.hadoop.hbase.master.HMaster")
    java.begin(daemon, config, log, java.define(daemon))


@deploy("HBase master")
def hbase_master_runs() -> None:
    java.keep("hbase_master")


@deploy("HBase RegionServer")
def hbase_regionserver() -> None:
    daemon = java.Daemon(
        group="hbase_regionserver",
        description="HBase RegionServer",
        main="org.apache.hadoop.hbase.regionserver.HRegionServer start",
        needs=(serves(), takes_writes()),
        ready=f"tcp:{here.address()}:{here.mine(HbaseRegionserver).port}",
        serves=f"tcp:{{}}:{here.mine(HbaseRegionserver).port}",
        # Stopping, it writes what it holds to HDFS: it goes first, and hangs when HDFS has gone before.
        after=(*BELOW, java.unit("hbase_master")),
        stop_s=120,
        young_share=0.25,  # the rest holds memstores and block cache
    )
    java.install(daemon)
    config = _configure(daemon, "regionserver")
    log = java.log_to_journal(daemon, "org.apache.hadoop.hbase.regionserver.HRegionServer")
    java.begin(daemon, config, log, java.define(daemon))


@deploy("HBase RegionServer")
def hbase_regionserver_runs() -> None:
    java.keep("hbase_regionserver")


@deploy("HBase Thrift")
def hbase_thrift() -> None:
    daemon = java.Daemon(
        group="hbase_thrift",
        description="HBase Thrift gateway",
        main="org.apache.hadoop.hbase.thrift2.ThriftServer start",
        needs=(serves(),),
        ready=f"tcp:{here.address()}:{here.mine(HbaseThrift).port}",
        serves=f"tcp:{{}}:{here.mine(HbaseThrift).port}",
        after=(*BELOW, java.unit("hbase_regionserver")),
        young_share=0.5,  # it keeps nothing
        pages_in_jars=True,
    )
    java.install(daemon)
    config = _configure(daemon, "thrift")
    log = java.log_to_journal(daemon)
    java.begin(daemon, config, log, java.define(daemon))


@deploy("HBase Thrift")
def hbase_thrift_runs() -> None:
    java.keep("hbase_thrift")


@deploy("HBase tables")
def hbase_tables() -> None:
    """For the first master only, through the first gateway; the operation runs on the controlling machine."""
    gateways = here.peers("hbase_thrift")
    if here.name() != here.peers("hbase_master")[0].name or not gateways:
        return
    servers = len(here.peers("hbase_regionserver"))
    create_tables(
        name="Make the tables that are missing",
        gateway=gateways[0].address,
        port=here.mine(HbaseThrift).port,
        wanted=tables(servers, here.mine(Hbase).regions_per_server),
    )


def _configure(daemon: java.Daemon, web: str) -> OperationMeta:
    # The jars come without the web pages; the servers behind /jmx and /prometheus exit when their folder is missing.
    files.directory(name="Make its web folder", path=f"{daemon.configuration}/hbase-webapps/{web}", mode="755")
    copies, _ = replication()
    return java.configure(
        daemon,
        "hbase-site.xml",
        node_name=here.name(),
        address=here.address(),
        namenode=the_namenode(),
        namenode_port=here.mine(HdfsNamenode).rpc_port,
        replication=copies,
        spare_datanodes=len(here.peers("hdfs_datanode")) - copies,
        quorum=here.peers("zookeeper"),
        zookeeper_port=here.mine(Zookeeper).client_port,
        servers=len(here.peers("hbase_regionserver")),
        hbase=here.mine(Hbase),
        master=here.mine(HbaseMaster),
        regionserver=here.mine(HbaseRegionserver),
        thrift=here.mine(HbaseThrift),
    )
