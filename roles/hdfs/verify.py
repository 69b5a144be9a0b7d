"""What HDFS promises beyond running and listening."""

import json
from typing import Any

import pytest

from roles.hdfs.settings import Hdfs, HdfsDatanode, HdfsNamenode
from roles.java import promises as java

namenode = pytest.mark.daemon("hdfs_namenode")
datanode = pytest.mark.daemon("hdfs_datanode")


def namenode_web(node: Any) -> tuple[str, int]:
    return node.peers("hdfs_namenode")[0].address, node.mine(HdfsNamenode).http_port


def datanode_web(node: Any) -> tuple[str, int]:
    return node.address, node.mine(HdfsDatanode).http_port


@namenode
def test_it_takes_writes(host: Any, node: Any) -> None:
    state = java.bean(namenode_web(node), "Hadoop:service=NameNode,name=FSNamesystemState")
    assert state["FSState"] == "Operational"


@namenode
def test_every_datanode_is_live(host: Any, node: Any) -> None:
    info = java.bean(namenode_web(node), "Hadoop:service=NameNode,name=NameNodeInfo")
    live = {name.rsplit(":", 1)[0] for name in json.loads(info["LiveNodes"])}
    assert live == {peer.name for peer in node.peers("hdfs_datanode")}


@namenode
def test_no_block_is_missing(host: Any, node: Any) -> None:
    info = java.bean(namenode_web(node), "Hadoop:service=NameNode,name=NameNodeInfo")
    assert info["NumberOfMissingBlocks"] == 0


@namenode
def test_a_write_needs_as_many_disks_as_declared(host: Any, node: Any) -> None:
    datanodes, hdfs = len(node.peers("hdfs_datanode")), node.mine(Hdfs)
    wanted = min(hdfs.min_replication, hdfs.replication, datanodes)
    assert java.effective(namenode_web(node), "dfs.namenode.replication.min") == str(wanted)


@namenode
def test_its_heap_is_as_given(host: Any, node: Any) -> None:
    assert java.heap_mb(host, "hdfs_namenode") == node.heap_mb("hdfs_namenode")


@namenode
def test_it_runs_as_its_own_user(host: Any) -> None:
    assert java.user(host, "hdfs_namenode") == "hdfs"


@namenode
def test_nobody_else_reads_the_names(host: Any) -> None:
    folder = host.file("/var/lib/hdfs/name")
    assert (folder.user, folder.mode) == ("hdfs", 0o700)


@datanode
def test_it_serves_the_namenode(host: Any, node: Any) -> None:
    info = java.bean(datanode_web(node), "Hadoop:service=DataNode,name=DataNodeInfo")
    assert [actor["ActorState"] for actor in json.loads(info["BPServiceActorInfo"])] == ["RUNNING"]


@datanode
def test_no_disk_of_it_has_failed(host: Any, node: Any) -> None:
    state = java.bean(datanode_web(node), "Hadoop:service=DataNode,name=FSDatasetState*")
    assert state["NumFailedVolumes"] == 0


@datanode
def test_a_closed_block_is_synced(host: Any, node: Any) -> None:
    assert java.effective(datanode_web(node), "dfs.datanode.synconclose") == "true"


@datanode
def test_its_heap_is_what_it_was_given(host: Any, node: Any) -> None:
    assert java.heap_mb(host, "hdfs_datanode") == node.heap_mb("hdfs_datanode")


@datanode
def test_it_runs_as_the_file_system_s_user(host: Any) -> None:
    assert java.user(host, "hdfs_datanode") == "hdfs"


@datanode
def test_nobody_else_reads_the_blocks(host: Any) -> None:
    folder = host.file("/var/lib/hdfs/data")
    assert (folder.user, folder.mode) == ("hdfs", 0o700)
