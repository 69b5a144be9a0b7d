"""`validate`: which cases are asked for, what a change reaches, what CI is told, what is at work at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from primetime import artifacts
from primetime.cli import main
from primetime.drivers.nspawn import state
from primetime.paths import REPO
from primetime.secrets.keys import Key
from primetime.secrets.store import Store
from primetime.settings import known
from primetime.topology import parse
from primetime.validation import ERROR, FAILED, HOSTS, OK, SKIPPED, Case, Outcome, Step, changed, junit, leaks, matrix
from primetime.validation.changed import depends_on, reached
from primetime.validation.hosts import topology


def test_every_role_has_a_host_to_be_validated_on() -> None:
    roles = {path.parent.name for path in (REPO / "roles").glob("*/settings.py")}
    assert roles == set(HOSTS), "write the role into HOSTS of primetime/validation/hosts.py"


@pytest.mark.parametrize("role", HOSTS)
def test_a_role_s_host_is_a_topology_that_passes_its_check(role: str) -> None:
    checked = parse(yaml.safe_dump(topology(role, "trixie", Case(role, "trixie").network)), "validated.yml")
    assert {group for group in checked.all_groups() if group in known()} & {
        group for group, cls in known().items() if cls.__module__ == f"roles.{role}.settings"
    }


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["reddis"], "no role reddis: did you mean redis? There are base, redis, "),
        (["nobody"], "no role nobody: choose of base, redis, "),
        (["--on", "trixi"], "no distribution trixi: did you mean trixie? There are bookworm, trixie"),
        (
            ["--on", "jammy"],
            "no hosts of jammy (Ubuntu 22.04) can be made here: roles are written for it",
        ),
        (["--on", ","], "--on names no distribution: choose of bookworm, trixie"),
        (
            ["--junit", "/dev/null/all.xml"],
            "--junit /dev/null/all.xml: /dev/null cannot be made (File exists)",
        ),
        (
            ["--changed-since", "nobody"],
            "--changed-since nobody: git knows no such revision",
        ),
        (["--name", "Too long to be"], "--name Too long to be: write at most 10 small letters, digits and dashes"),
    ],
)
def test_what_there_is_not_is_answered_in_a_sentence(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["primetime", "validate", *words])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)  # whatever it takes for right, it makes no host
    with pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code, capsys.readouterr().err.startswith(f"primetime: {said}")) == (2, True)


@pytest.mark.parametrize(
    ("files", "roles"),
    [
        (
            ["roles/redis/deploy.py"],
            ["redis", "monitoring", "nagios", "shipper", "guard"],
        ),  # one stands beside it, the other reads where it listens
        (["templates/collector/nginx.conf.j2"], ["collector", "shipper", "balancer", "guard"]),
        (["roles/java/deploy.py"], ["shipper", "guard", "zookeeper", "hdfs", "jenkins", "hbase"]),
        (["roles/hbase/tables.py"], ["shipper", "guard", "hbase"]),
        (["roles/zookeeper/settings.py"], ["shipper", "guard", "zookeeper", "hbase"]),
        (["jars/pom.xml"], ["shipper", "guard", "zookeeper", "hdfs", "hbase"]),
        (["docs/changes.md", "tests/unit/test_validation.py", "README.md", ".ci/run", "Jenkinsfile"], []),
        (["templates/base/hardened.j2"], list(HOSTS)),
        (["primetime/here.py"], list(HOSTS)),
        (["deploy.py"], list(HOSTS)),
        (["group_data/all.py"], list(HOSTS)),
        (["requirements/shipper.lock"], list(HOSTS)),
        (["roles/__init__.py"], list(HOSTS)),
        ([], []),
    ],
)
def test_a_change_reaches_the_roles_that_depend_on_it(files: list[str], roles: list[str]) -> None:
    assert reached(files) == roles


def test_what_stands_on_its_host_is_something_a_role_depends_on() -> None:
    assert {"zookeeper", "hdfs", "java", "base"} <= depends_on("hbase")


def test_changes_are_those_committed_those_not_and_new_files(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        command = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.invalid", *words]
        subprocess.run(command, check=True, capture_output=True)

    git("init", "-q")
    for name in ("committed", "edited", "same"):
        (tmp_path / name).write_text("before")
    git("add", "-A")
    git("commit", "-qm", "first")
    (tmp_path / "committed").write_text("after")
    git("commit", "-qam", "second")
    (tmp_path / "edited").write_text("after")
    (tmp_path / "new").touch()
    assert changed.files_since("HEAD~1", tmp_path) == ["committed", "edited", "new"]


def test_a_kind_of_artifact_is_named_as_it_is_made() -> None:
    assert set(changed.OF_A_KIND.values()) <= set(artifacts.KINDS)


CASE = Case("redis", "trixie")
BROKEN = Outcome(
    CASE,
    (
        Step("create", OK, 1.0),
        Step("converge", OK, 2.0),
        Step("idempotence", FAILED, 3.0, ("redis-1: changed again: Redis | Restart \x1b<it>", "and more")),
        Step("verify", ERROR, 4.0, ("no luck",)),
        Step("destroy", SKIPPED),
    ),
)


def test_what_is_not_as_declared_goes_before_what_could_not_be_done() -> None:
    assert BROKEN.verdict == FAILED
    assert Outcome(CASE, BROKEN.steps[3:]).verdict == ERROR
    assert Outcome(CASE, BROKEN.steps[:2]).verdict == OK


def test_junit_tells_failures_errors_and_what_was_not_tried_apart() -> None:
    root = ElementTree.fromstring(junit.report([BROKEN]).encode())
    [suite] = root
    counts = {key: suite.attrib[key] for key in ("tests", "failures", "errors", "skipped", "time")}
    assert counts == {"tests": "5", "failures": "1", "errors": "1", "skipped": "1", "time": "10.0"}
    told = {test.attrib["name"]: [(what.tag, what.text) for what in test] for test in suite}
    assert told == {
        "create": [],
        "converge": [],
        "idempotence": [("failure", "redis-1: changed again: Redis | Restart ?<it>\nand more")],
        "verify": [("error", "no luck")],
        "destroy": [("skipped", None)],
    }


def test_hosts_that_do_not_fit_into_memory_together_wait_for_each_other() -> None:
    budget, entered = matrix.Budget(1000), threading.Event()

    def another() -> None:
        with budget.of(600):
            entered.set()

    waiting = threading.Thread(target=another)
    with budget.of(600):
        waiting.start()
        assert not entered.wait(0.1)
    assert entered.wait(60)
    waiting.join()


def test_a_host_larger_than_the_memory_is_tried_alone() -> None:
    with matrix.Budget(1000).of(5000):
        pass


def test_a_secret_where_others_may_read_is_a_leak_and_in_its_owner_s_file_it_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(state, "STATE", tmp_path / "state")
    network = state.Network("leaking")
    network.nodes.mkdir(parents=True)
    record = state.NodeRecord("redis-1", "10.0.0.10", 256, None, "bookworm", "/nowhere")
    network.add(record, {"etc/own": ("x canary y", 0o600), "etc/open": ("x canary y", 0o640), "etc/other": ("", 0o644)})
    said = tmp_path / "said.log"
    said.write_text("set to canary\n")
    assert leaks.find("leaking", {b"canary": "redis_shipper"}, said) == [
        "redis_shipper is in what the verbs said",
        "redis_shipper is in redis-1: /etc/open, which others may read",
    ]
    assert leaks.find("leaking", {b"another": "redis_shipper"}, said) == []


def test_the_values_of_a_home_are_those_that_were_kept_in_it(tmp_path: Path) -> None:
    Store(tmp_path / "secrets" / "a.secrets", Key(tmp_path / "keys" / "a.key")).set({"redis_shipper": "canary"})
    assert leaks.values(tmp_path, "a") == {b"canary": "redis_shipper"}
    assert leaks.values(tmp_path, "nobody") == {}
