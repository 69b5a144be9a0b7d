"""What HBase promises beyond running and listening."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest

from primetime.hbase import admin
from roles.hbase.settings import Hbase, HbaseMaster, HbaseRegionserver, HbaseThrift
from roles.hbase.tables import tables
from roles.hdfs.settings import Hdfs
from roles.java import promises as java

master = pytest.mark.daemon("hbase_master")
regionserver = pytest.mark.daemon("hbase_regionserver")
thrift = pytest.mark.daemon("hbase_thrift")

NAMED_S = 15  # HBase takes its metrics away when regions move, and Hadoop looks at them anew every 10 s


def master_web(node: Any) -> tuple[str, int]:
    return node.address, node.mine(HbaseMaster).http_port


def regionserver_web(node: Any) -> tuple[str, int]:
    return node.address, node.mine(HbaseRegionserver).http_port


def gateway(node: Any) -> tuple[str, int]:
    return node.peers("hbase_thrift")[0].address, node.mine(HbaseThrift).port


@master
def test_one_master_is_active(host: Any, node: Any) -> None:
    data = json.loads(java.fetch(master_web(node), "/api/v1/admin/cluster_metrics"))["data"]
    active = data["master_name"]["server_name"].split(",")[0]
    assert active in {peer.name for peer in node.peers("hbase_master")}


@master
def test_every_regionserver_is_live(host: Any, node: Any) -> None:
    answer = json.loads(java.fetch(master_web(node), "/api/v1/admin/cluster_metrics/live_servers"))
    live = {server["server_name"]["server_name"].split(",")[0] for server in answer["data"]}
    assert live == {peer.name for peer in node.peers("hbase_regionserver")}


@master
def test_the_tables_are_divided_as_declared(host: Any, node: Any) -> None:
    declared = tables(len(node.peers("hbase_regionserver")), node.mine(Hbase).regions_per_server)
    lacking = {
        table for table, splits in declared.items() if {b"", *splits} - set(admin.regions(*gateway(node), table))
    }
    assert lacking == set()


@master
def test_the_master_s_heap_is_as_given(host: Any, node: Any) -> None:
    assert java.heap_mb(host, "hbase_master") == node.heap_mb("hbase_master")


@master
def test_the_master_runs_as_its_own_user(host: Any) -> None:
    assert java.user(host, "hbase_master") == "hbase"


@regionserver
def test_its_log_is_synced_to_disk(host: Any, node: Any) -> None:
    assert java.effective(regionserver_web(node), "hbase.wal.hsync") == "true"


@regionserver
def test_its_files_have_as_many_copies_as_declared(host: Any, node: Any) -> None:
    wanted = min(node.mine(Hdfs).replication, len(node.peers("hdfs_datanode")))
    assert java.effective(regionserver_web(node), "dfs.replication") == str(wanted)


def _server_name(node: Any) -> str:
    """What a RegionServer is called; empty while its metrics are not there, as after a start or an opened region."""
    with suppress(AssertionError):
        server = java.bean(regionserver_web(node), "Hadoop:service=HBase,name=RegionServer,sub=Server")
        return str(server.get("tag.serverName", ""))
    return ""


@regionserver
def test_it_answers_by_its_node_s_name(host: Any, node: Any) -> None:
    ends = time.monotonic() + NAMED_S
    while not (name := _server_name(node)) and time.monotonic() < ends:
        time.sleep(0.5)
    assert name.split(",")[0] == node.name


@regionserver
def test_its_heap_is_as_given(host: Any, node: Any) -> None:
    assert java.heap_mb(host, "hbase_regionserver") == node.heap_mb("hbase_regionserver")


@regionserver
def test_it_runs_as_its_own_user(host: Any) -> None:
    assert java.user(host, "hbase_regionserver") == "hbase"


@thrift
def test_the_gateway_lists_the_tables(host: Any, node: Any) -> None:
    found = admin.tables(node.address, node.mine(HbaseThrift).port)
    assert {"events", "deadletters", "ledger"} <= set(found)


@thrift
def test_the_gateway_s_heap_is_as_given(host: Any, node: Any) -> None:
    assert java.heap_mb(host, "hbase_thrift") == node.heap_mb("hbase_thrift")


@thrift
def test_the_gateway_runs_as_its_own_user(host: Any) -> None:
    assert java.user(host, "hbase_thrift") == "hbase"
