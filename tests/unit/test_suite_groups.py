"""The suite: its groups are its folders, and it is alone on a machine."""

import argparse
from pathlib import Path

import pytest

from primetime.cli import test as suite
from primetime.cli.test import GROUPS
from primetime.console import Console
from primetime.drivers.nspawn import lock
from primetime.errors import PrimetimeError
from primetime.paths import REPO


def test_every_folder_of_tests_is_a_group() -> None:
    folders = {path.parent.name for path in (REPO / "tests").glob("*/test_*.py")}
    assert folders == set(GROUPS), "name the folder, and what it is for, in GROUPS of primetime/cli/test.py"


def test_a_second_suite_is_told_of_the_first_and_touches_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suite, "AT_WORK", tmp_path / "at-work")
    monkeypatch.setattr(suite.preflight, "require_root", lambda verb: None)
    monkeypatch.setattr(suite, "_suite", lambda *_: pytest.fail("it ran"))
    nothing_asked = argparse.Namespace(list_groups=False, checks=False)
    with lock.held(tmp_path / "at-work", "test"), pytest.raises(PrimetimeError, match=r"`test` \(pid \d+, since "):
        suite.run(nothing_asked, Console())


def test_hosts_that_share_a_cluster_run_beside_hosts_alone_and_beside_servers() -> None:
    shared, alone, servers = suite._lanes(list(GROUPS), together=True)
    assert (alone, servers) == (("machine",), ("wire",))
    assert {*shared, *alone, *servers, "unit"} == set(GROUPS)


def test_with_all_hosts_of_one_kind_at_a_time_so_that_what_is_measured_is_comparable() -> None:
    hosts, servers = suite._lanes(list(GROUPS), together=False)
    assert ({*hosts, "unit"}, servers) == (set(GROUPS) - {"wire"}, ("wire",))


@pytest.mark.parametrize("together", [True, False])
def test_no_two_files_of_one_lane_have_the_same_name(together: bool) -> None:
    """pytest takes them for one module, and runs nothing at all."""
    for lane in suite._lanes(list(GROUPS), together):
        names = [path.name for group in lane for path in (REPO / "tests" / group).glob("test_*.py")]
        assert sorted(names) == sorted(set(names)), lane


def test_one_group_is_one_lane_and_units_are_none() -> None:
    assert suite._lanes(["cluster"], together=True) == [("cluster",)]
    assert suite._lanes(["unit"], together=True) == []


def test_keys_secrets_and_records_of_tests_go_and_those_of_others_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path))
    kept = [tmp_path / "keys" / "demo.key", tmp_path / "runs" / "demo" / "01M8" / "run.json", tmp_path / "faults.jsonl"]
    gone = [
        tmp_path / "keys" / "test-a.key",
        tmp_path / "secrets" / "test-a.secrets",
        tmp_path / "runs" / "test-a" / "r",
    ]
    for path in kept + gone:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    suite.forget("test-")
    assert [path.exists() for path in kept + gone] == [True] * 3 + [False] * 3
    assert not (tmp_path / "runs" / "test-a").exists()
