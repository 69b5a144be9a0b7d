"""The Jenkinsfile, run under Groovy by a pipeline test library that notes every step. Jenkins itself is not here."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from primetime import jars
from primetime.cli.test import GROUPS
from primetime.paths import REPO

pytestmark = pytest.mark.long  # Maven brings the library the first time

# What Groovy of the library's time reaches into, by reflection, on Java 17.
OPENED = ("java.lang", "java.util", "java.util.stream")
STAGES = ["checks", *GROUPS, "validate"]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("library")
    tar = jars.ensure(source=REPO / "tests" / "jenkins") / jars.TAR
    subprocess.run(["tar", "-xf", tar, "-C", folder], check=True)
    return folder


def run(library: Path, failing: str = "-", **environment: str) -> dict[str, Any]:
    """`steps`, each with its name and arguments, and why the pipeline failed."""
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    command = ["java", *opens, "-cp", f"{library}/*", "groovy.ui.GroovyMain", "Run.groovy", str(REPO / "Jenkinsfile")]
    command += [failing, *(f"{name}={value}" for name, value in environment.items())]
    done = subprocess.run(command, cwd=REPO / "tests" / "jenkins", capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def stages(found: dict[str, Any]) -> list[str]:
    return [arguments[0] for name, arguments in found["steps"] if name == "stage"]


def shells(found: dict[str, Any]) -> list[str]:
    return [arguments[0] for name, arguments in found["steps"] if name == "sh"]


def test_it_checks_runs_each_group_and_validates(library: Path) -> None:
    found = run(library)
    assert (found["failed"], stages(found)) == (None, STAGES)
    assert shells(found) == [
        ".ci/run --checks",
        *(f".ci/run --group {group} --junit reports" for group in GROUPS),
        "bin/primetime validate --on bookworm,trixie --junit reports/validate.xml",
    ]


def test_a_change_request_validates_what_it_reaches(library: Path) -> None:
    assert shells(run(library, CHANGE_TARGET="main"))[-1].endswith(" --changed-since origin/main")


def test_a_stage_that_fails_ends_the_pipeline_and_reports_are_kept(library: Path) -> None:
    failing = ".ci/run --group wire --junit reports"
    found = run(library, failing)
    assert found["failed"] == f"exit code 3: {failing}"
    assert stages(found) == STAGES[:3]
    assert [name for name, _ in found["steps"]][-1] == "junit"
