"""After a failure: others finish, what needs it is left out. pyinfra runs for real; only its connector is a fake.

Each part of the site starts its daemon and then restarts it from host to host; the fake notes what hosts were told.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

import pyinfra
import pytest
from pyinfra import host
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all
from pyinfra.api.deploy import deploy
from pyinfra.api.exceptions import ConnectError, PyinfraError
from pyinfra.api.inventory import Inventory
from pyinfra.api.operations import run_ops
from pyinfra.api.state import State, StateStage
from pyinfra.connectors.base import BaseConnector
from pyinfra.connectors.util import CommandOutput, OutputLine
from pyinfra.context import ctx_config, ctx_host, ctx_inventory, ctx_state
from pyinfra.operations import server

from primetime.converge.dependants import Dependants, _parts_by_deploy
from primetime.converge.watch import Watch

GROUPS = {
    "redis": ["cache-1", "cache-2", "store-1"],
    "zookeeper": ["store-1", "store-2", "store-3"],
    "hdfs_namenode": ["store-1"],
    "hdfs_datanode": ["store-2"],
    "hbase_master": ["store-2"],
    "collector": ["cache-1"],
}


def daemon(name: str) -> None:
    server.shell(name="Start it", commands=[f"start {name}"])
    server.shell(name="Restart it", commands=[f"restart {name}"], _serial=True)


# The names are those of the roles' own deploys.
redis = deploy("Redis")(lambda: daemon("redis"))
zookeeper = deploy("ZooKeeper")(lambda: daemon("zookeeper"))
namenode = deploy("HDFS NameNode")(lambda: daemon("namenode"))
datanode = deploy("HDFS DataNode")(lambda: daemon("datanode"))
master = deploy("HBase master")(lambda: daemon("master"))
tables = deploy("HBase tables")(lambda: server.shell(name="Make them", commands=["make tables"]))
collector = deploy("Collector")(lambda: daemon("collector"))


def site() -> None:
    if "redis" in host.groups:
        redis()
    if "zookeeper" in host.groups:
        zookeeper()
    if "hdfs_namenode" in host.groups:
        namenode()
    if "hdfs_datanode" in host.groups:
        datanode()
    if "hbase_master" in host.groups:
        master()
    if "hbase_master" in host.groups:
        tables()
    if "collector" in host.groups:
        collector()


@dataclass
class World:
    """What is broken in it, and what the hosts were told to do."""

    broken: set[tuple[str, str]] = field(default_factory=set)
    told: list[tuple[str, str]] = field(default_factory=list)


class Fake(BaseConnector):
    handles_execution = True
    world = World()

    def connect(self) -> None:
        if (self.host.name, "connect") in self.world.broken:
            raise ConnectError("Could not connect (nobody is there)")

    @staticmethod
    def make_names_data(name: str) -> Iterator[Any]:
        yield f"@fake/{name}", {}, []

    def put_file(self, *args: Any, **kwargs: Any) -> bool:
        raise NotImplementedError

    get_file = put_file

    def run_shell_command(self, command: Any, *args: Any, **arguments: Any) -> tuple[bool, CommandOutput]:
        word = command.get_raw_value()
        self.world.told.append((self.host.name, word))
        failing = (self.host.name, word) in self.world.broken
        return not failing, CommandOutput([OutputLine("stderr", f"{word}: no luck")] if failing else [])


@dataclass
class Run:
    told: list[tuple[str, str]]
    failures: list[dict[str, str]]
    not_tried: list[str]

    def was_told(self, name: str) -> set[str]:
        return {word for host, word in self.told if host == name}


@pytest.fixture(autouse=True)
def in_order_of_lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(pyinfra, "is_cli", True)
    for role in ("redis", "zookeeper", "hdfs", "hbase", "collector"):
        import_module(f"roles.{role}.deploy")
    yield
    for context in (ctx_state, ctx_config, ctx_inventory):
        context.reset()


def converge(*broken: tuple[str, str]) -> Run:
    Fake.world = world = World(set(broken))
    names = sorted({name for hosts in GROUPS.values() for name in hosts})
    state, config = State(), Config()
    hosts = Inventory((names, {}), **{group: (members, {}) for group, members in GROUPS.items()})
    for one in hosts:
        one.connector_cls = Fake
    ctx_state.set(state)
    ctx_config.set(config)
    ctx_inventory.set(hosts)
    config.lock_current_state()
    state.init(hosts, config)
    state.cwd = "."
    state.current_deploy_filename = __file__
    watch, dependants = Watch(lambda message: None), Dependants()
    state.add_callback_handler(watch)
    state.add_callback_handler(dependants)
    state.set_stage(StateStage.Connect)
    connect_all(state)
    watch.note_lost(state, "connect")
    state.set_stage(StateStage.Prepare)
    for one in state.inventory.get_active_hosts():
        with ctx_host.use(one):
            site()
    state.set_stage(StateStage.Execute)
    dependants.begin(state)
    with suppress(PyinfraError):
        run_ops(state)
    watch.settle(state)
    return Run(world.told, watch.failures, [str(left_out) for left_out in dependants.not_tried])


def test_nothing_is_left_out_when_nothing_fails() -> None:
    run = converge()
    assert (run.failures, run.not_tried, len(run.told)) == ([], [], 21)


def test_a_failure_names_host_operation_and_what_was_said() -> None:
    assert converge(("cache-2", "start redis")).failures == [
        {"host": "cache-2", "operation": "Redis | Start it", "said": "start redis: no luck"}
    ]


def test_other_hosts_finish_what_does_not_need_it() -> None:
    run = converge(("store-2", "start zookeeper"))
    assert run.was_told("cache-1") == {"start redis", "restart redis", "start collector", "restart collector"}
    assert run.was_told("store-1") >= {"start zookeeper", "start namenode", "restart namenode"}


def test_what_needs_it_is_left_out_on_every_host_by_way_of_others_too() -> None:
    run = converge(("store-1", "start namenode"))
    assert run.was_told("store-2") == {"start zookeeper", "restart zookeeper"}
    assert run.not_tried == [
        "not tried: hbase/master on store-2, because hdfs/namenode failed on store-1",
        "not tried: hbase/tables on store-2, because hdfs/namenode failed on store-1",
        "not tried: hdfs/datanode on store-2, because hdfs/namenode failed on store-1",
    ]


def test_what_a_failed_host_did_not_come_to_is_missing_elsewhere_too() -> None:
    run = converge(("store-1", "start redis"))
    assert "not tried: zookeeper on store-1, because redis failed on store-1" in run.not_tried
    assert "not tried: hbase/master on store-2, because redis failed on store-1" in run.not_tried
    assert run.was_told("store-3") == {"start zookeeper"}


def test_after_a_member_s_restart_failed_the_next_ones_are_not_restarted() -> None:
    run = converge(("store-1", "restart zookeeper"))
    restarted = [name for name, word in run.told if word == "restart zookeeper"]
    assert restarted[-1] == "store-1"


def test_members_restarted_before_the_failure_are_not_called_untried() -> None:
    run = converge(("store-2", "restart zookeeper"))
    restarted = [name for name, word in run.told if word == "restart zookeeper"]
    untried = [line.split(" on ")[1].split(",")[0] for line in run.not_tried if "zookeeper: Restart it" in line]
    assert sorted([*restarted, *untried]) == ["store-1", "store-2", "store-3"]


def test_a_host_that_is_not_reached_counts_as_its_parts_failing() -> None:
    run = converge(("store-3", "connect"))
    assert run.failures[0] == {
        "host": "store-3",
        "operation": "connect",
        "said": "Could not connect (nobody is there)",
    }
    assert "not tried: hbase/master on store-2, because store-3 was not reached" in run.not_tried
    assert run.was_told("store-1") >= {"start zookeeper", "start namenode", "restart namenode"}
    assert "restart zookeeper" not in run.was_told("store-1")


def test_the_last_host_s_failure_is_told_as_any_other() -> None:
    names = sorted({name for hosts in GROUPS.values() for name in hosts})
    everywhere = [(name, word) for name in names for word in ("start redis", "start zookeeper")]
    assert {failure["host"] for failure in converge(*everywhere).failures} == set(names)


def test_what_keeps_a_daemon_running_is_a_part_of_that_daemon_as_what_begins_it() -> None:
    parts = _parts_by_deploy()
    assert [parts[title] for title in ("ZooKeeper", "HDFS NameNode", "HBase master", "HBase tables")] == [
        "zookeeper",
        "hdfs_namenode",
        "hbase_master",
        "hbase_tables",
    ]
