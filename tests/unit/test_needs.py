"""What roles need of each other: declared once, without circles, and started in that order."""

import re

from primetime.needs import daemons, label, missing, needing, needs, role
from primetime.paths import REPO
from primetime.settings import known

DAEMONS = [group for group, cls in known().items() if getattr(cls, "services", None)]


def test_a_role_stands_for_its_daemons() -> None:
    assert daemons("hdfs") == ["hdfs_namenode", "hdfs_datanode"]


def test_every_need_names_something_that_runs() -> None:
    named = {name for cls in known().values() for name in getattr(cls, "needs", ())}
    assert [name for name in named if not daemons(name)] == []


def test_nothing_needs_itself_by_way_of_others() -> None:
    assert [group for group in DAEMONS if group in needing(group, DAEMONS)] == []


def test_deploy_py_starts_what_is_needed_before_what_needs_it() -> None:
    order = re.findall(r"^    (\w+)\(\)$", (REPO / "deploy.py").read_text(), re.MULTILINE)
    wrong = [(group, need) for group in DAEMONS for need in needs(group) if order.index(need) > order.index(group)]
    assert wrong == []


def test_deploy_py_waits_for_what_is_needed_of_another_role_before_what_needs_it() -> None:
    order = re.findall(r"^    (\w+)\(\)$", (REPO / "deploy.py").read_text(), re.MULTILINE)
    pairs = [(group, f"{need}_runs") for group in DAEMONS for need in needs(group) if role(need) != role(group)]
    waited = [(group, runs) for group, runs in pairs if runs in order]
    assert {runs for _, runs in waited} > {"zookeeper_runs", "hdfs_datanode_runs"}
    assert [(group, runs) for group, runs in waited if order.index(runs) > order.index(group)] == []


def test_what_is_done_for_a_role_as_a_whole_needs_all_of_its_daemons() -> None:
    assert "hbase_tables" in needing("hbase_thrift", ["hbase_tables"])


def test_a_lost_name_node_reaches_as_far_as_the_shipper() -> None:
    assert {label(part) for part in needing("hdfs_namenode", DAEMONS)} == {
        "hdfs/datanode",
        "hbase/master",
        "hbase/regionserver",
        "hbase/thrift",
        "shipper",
        "guard",
    }


def test_what_is_missing_is_told_by_who_needs_it() -> None:
    assert missing(["hdfs_datanode", "redis"]) == {"hdfs_datanode": ["hdfs_namenode"]}
