"""`validate` finds defects that are planted in roles, by name, and leaves nothing behind, whatever ends it."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from primetime.drivers.nspawn import leftovers
from primetime.paths import REPO
from primetime.validation import Case
from tests.waiting import wait_for

pytestmark = pytest.mark.long  # tests/machine/test_roles.py is the quick look

NAME = "test"


@dataclass(frozen=True)
class Defect:
    """Edits of the repository (file, what stands there, what is planted for it), the step that finds it, its words."""

    edits: tuple[tuple[str, str, str], ...]
    step: str
    said: str


DEFECTS = {
    "redis": Defect(
        (
            (
                "roles/redis/deploy.py",
                '        _if=restart_due("primetime-redis", config, unit, script, reads=CONFIG),\n',
                "",
            ),
        ),
        "idempotence",
        "redis-1: changed again: Redis | Restart Redis on its new configuration",
    ),
    "collector": Defect(
        (
            (
                "templates/collector/nginx.conf.j2",
                "reuseport backlog=4096;",
                "reuseport backlog=4096;\n        listen {{ address }}:8099;",
            ),
        ),
        "verify",
        "collector-1: base: nothing undeclared listens (something listens on 8099 (tcp)",
    ),
    "zookeeper": Defect(
        (("roles/java/deploy.py", 'group=daemon.user, mode="750")', 'group=daemon.user, mode="755")'),),
        "verify",
        "zookeeper-1: zookeeper: nobody else reads its data",
    ),
    "shipper": Defect(
        (("roles/shipper/deploy.py", "running=True, enabled=True)", "running=True, enabled=False)"),),
        "verify",
        "shipper-1: shipper: primetime-shipper is enabled (it is disabled)",
    ),
    "base": Defect(
        (
            ("roles/base/deploy.py", "import apt, files, systemd", "import apt, files, server, systemd"),
            (
                "roles/base/deploy.py",
                "    _firewall(settings)\n",
                "    _firewall(settings)\n"
                '    if host.name == "base-1":\n'
                '        server.shell(name="Fail", commands=["echo planted >&2; false"])\n',
            ),
        ),
        "converge",
        "base-1: Base | Fail: planted",
    ),
}


def copy_of_the_repository(to: Path) -> Path:
    shutil.copytree(REPO, to, ignore=shutil.ignore_patterns(".git", ".*_cache", "__pycache__"))
    return to


def plant(repository: Path, name: str, there: str, planted: str) -> None:
    text = (repository / name).read_text()
    assert there in text
    (repository / name).write_text(text.replace(there, planted))


def validate(repository: Path, *words: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, what each role came to, and what was shown to people beside it."""
    command = [repository / "bin" / "primetime", "validate", *words, "--on", "bookworm", "--name", NAME, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.stdout, done.stderr[-3000:]
    return done.returncode, {case["role"]: case for case in json.loads(done.stdout)["validated"]}, done.stderr


def left() -> list[str]:
    return [name for role in DEFECTS for name in leftovers.networks() if name == Case(role, "bookworm", NAME).network]


@pytest.fixture(scope="module")
def defective(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, dict[str, Any]]]:
    repository = copy_of_the_repository(tmp_path_factory.mktemp("copy") / "primetime")
    for edit in (edit for defect in DEFECTS.values() for edit in defect.edits):
        plant(repository, *edit)
    code, found, _ = validate(repository, *DEFECTS)
    yield code, found


@pytest.mark.parametrize("role", DEFECTS)
def test_a_planted_defect_is_named(defective: tuple[int, dict[str, Any]], role: str) -> None:
    told = {each["name"]: each["said"] for each in defective[1][role]["steps"]}
    assert any(sentence.startswith(DEFECTS[role].said) for sentence in told[DEFECTS[role].step]), told


def test_planted_defects_leave_nothing_and_end_with_3(defective: tuple[int, dict[str, Any]]) -> None:
    assert (defective[0], left()) == (3, [])


def test_a_leaked_secret_is_named_and_its_host_is_kept_on_demand(tmp_path: Path) -> None:
    repository = copy_of_the_repository(tmp_path / "primetime")
    deploy, put = "roles/redis/deploy.py", '    config = files.template(\n        name="Write redis.conf"'
    leak = 'src=StringIO(here.secret("redis_controller").text), dest="/etc/leak", mode="644"'
    plant(repository, deploy, put, f'    files.put(name="Leak", {leak})\n{put}')
    plant(repository, deploy, "import json", "import json\nfrom io import StringIO")
    try:
        code, found, _ = validate(repository, "redis", "--keep")
        told = {each["name"]: each["said"] for each in found["redis"]["steps"]}
        assert code == 3
        assert "redis_controller is in redis-1: /etc/leak, which others may read" in told["secrets"]
        ssh = [str(REPO / "bin" / "primetime"), *found["redis"]["kept"][1:], "--", "hostname"]
        assert subprocess.run(ssh, capture_output=True, text=True).stdout == "redis-1\n"
        validate(REPO, "base")
        assert left() == ["test-redis-bookworm"], "what was kept stays while others are validated"
    finally:
        leftovers.sweep("test-redis-bookworm")
    assert left() == []


@pytest.fixture
def at_work() -> Iterator[subprocess.Popen[str]]:
    """`validate base`, whose host is there."""
    command = [REPO / "bin" / "primetime", "validate", "base", "--on", "bookworm", "--name", NAME, "--keep"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        wait_for(lambda: any("runs" in thing for thing in leftovers.find("test-base-bookworm")), "its host")
        yield process
    finally:
        process.kill()
        process.wait()
        leftovers.sweep("test-base-bookworm")


def test_ctrl_c_leaves_nothing(at_work: subprocess.Popen[str]) -> None:
    at_work.send_signal(signal.SIGTERM)  # which ends children as Ctrl-C on a terminal does
    assert (at_work.wait(120), left()) == (130, [])


def test_what_a_killed_run_left_is_swept_by_the_next(at_work: subprocess.Popen[str]) -> None:
    at_work.kill()
    at_work.wait()
    assert left() == ["test-base-bookworm"]
    code, _, said = validate(REPO, "base")
    assert (code, left()) == (0, [])
    assert "removed what an earlier run left: test-base-bookworm" in said


def test_two_runs_of_one_name_do_not_meet(at_work: subprocess.Popen[str]) -> None:
    command = [REPO / "bin" / "primetime", "validate", "redis", "--name", NAME]
    done = subprocess.run(command, capture_output=True, text=True)
    assert (done.returncode, "validate has to wait: `validate` (pid" in done.stderr) == (1, True)
