"""HDFS: one NameNode, and DataNodes."""

from pyinfra.api.deploy import deploy
from pyinfra.api.operation import OperationMeta
from pyinfra.operations import files

from primetime import here
from primetime.errors import UsageError
from roles.hdfs.settings import Hdfs, HdfsDatanode, HdfsNamenode
from roles.java import deploy as java

NAME_FOLDER = "/var/lib/hdfs/name"
DATA_FOLDER = "/var/lib/hdfs/data"


def the_namenode() -> here.Peer:
    """The host of the NameNode."""
    found = here.peers("hdfs_namenode")
    if len(found) != 1:
        names = ", ".join(peer.name for peer in found) or "none"
        raise UsageError(f"hdfs/namenode is on {names}: give this role to exactly one host of the topology")
    return found[0]


def replication() -> tuple[int, int]:
    """(copies of a block, copies without which a write is refused), of which there cannot be more than DataNodes."""
    settings, datanodes = here.mine(Hdfs), len(here.peers("hdfs_datanode"))
    copies = min(settings.replication, datanodes)
    return copies, min(settings.min_replication, copies)


def takes_writes() -> str:
    """The condition, for units, that the file system takes writes."""
    return f"hdfs:{the_namenode().name}:{here.mine(HdfsNamenode).http_port}"


@deploy("HDFS NameNode")
def hdfs_namenode() -> None:
    daemon = java.Daemon(
        group="hdfs_namenode",
        description="HDFS NameNode",
        main="org.apache.hadoop.hdfs.server.namenode.NameNode",
        ready=f"tcp:{here.address()}:{here.mine(HdfsNamenode).rpc_port}",
        serves=takes_writes(),
        formatted=f"{NAME_FOLDER}/current/VERSION",
        data=NAME_FOLDER,
    )
    java.install(daemon)
    config = _configure(daemon, NAME_FOLDER, "hdfs")
    log = java.log_to_journal(daemon)
    java.begin(daemon, config, log, java.define(daemon))


@deploy("HDFS NameNode")
def hdfs_namenode_runs() -> None:
    java.keep("hdfs_namenode")


@deploy("HDFS DataNode")
def hdfs_datanode() -> None:
    daemon = java.Daemon(
        group="hdfs_datanode",
        description="HDFS DataNode",
        main="org.apache.hadoop.hdfs.server.datanode.DataNode",
        ready=f"tcp:{here.address()}:{here.mine(HdfsDatanode).data_port}",
        serves=f"datanode:{{}}:{here.mine(HdfsDatanode).http_port}",
        after=(java.unit("hdfs_namenode"),),
        data=DATA_FOLDER,
    )
    java.install(daemon)
    config = _configure(daemon, DATA_FOLDER, "datanode")
    log = java.log_to_journal(daemon)
    java.begin(daemon, config, log, java.define(daemon))


@deploy("HDFS DataNode")
def hdfs_datanode_runs() -> None:
    java.keep("hdfs_datanode")


def _configure(daemon: java.Daemon, data: str, web: str) -> OperationMeta:
    files.directory(name="Make its data folder", path=data, user=daemon.user, group=daemon.user, mode="700")
    # The jars come without the web pages; the servers behind /jmx and /prom exit when their folder is missing.
    files.directory(name="Make its web folder", path=f"{daemon.configuration}/webapps/{web}", mode="755")
    copies, least_copies = replication()
    return java.configure(
        daemon,
        "hdfs-site.xml",
        node_name=here.name(),
        address=here.address(),
        namenode=the_namenode(),
        replication=copies,
        min_replication=least_copies,
        nn=here.mine(HdfsNamenode),
        dn=here.mine(HdfsDatanode),
    )
