"""The Jenkinsfile and the jobs' pipelines, run under Groovy by a pipeline test library that notes every step.

Jenkins itself is not here.
"""

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


def run(library: Path, failing: str = "-", job: str = "", **environment: str) -> dict[str, Any]:
    """`steps`, each with its name and arguments, and why the pipeline failed."""
    opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
    command = ["java", *opens, "-cp", f"{library}/*", "groovy.ui.GroovyMain", "Run.groovy"]
    command += [str(REPO / ".ci" / "jenkins" / f"{job}.groovy" if job else REPO / "Jenkinsfile")]
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
    assert names(found)[-2:] == ["junit", "archiveArtifacts"]


def test_runs_keep_their_certificates_where_they_are_archived_from(library: Path) -> None:
    found = run(library, WORKSPACE="/w")
    assert [words for name, words in found["steps"] if name == "withEnv"] == [["[PRIMETIME_HOME=/w/home]"]]
    (archived,) = [words for name, words in found["steps"] if name == "archiveArtifacts"]
    assert "home/runs/**/certificate.*" in archived[0]


def names(found: dict[str, Any]) -> list[str]:
    return [name for name, _ in found["steps"]]


def test_every_night_each_role_is_validated_and_all_that_takes_long_is_run(library: Path) -> None:
    found = run(library, job="nightly")
    assert (found["failed"], names(found)[-1]) == (None, "junit")
    assert shells(found) == [
        "bin/primetime validate --on bookworm,trixie --junit reports/validate.xml",
        ".ci/run --all --junit reports",
    ]


def test_the_demo_goes_and_its_certificate_is_kept_also_when_it_fails(library: Path) -> None:
    demo = "bin/primetime demo --no-stage --json > demo.json"
    for failing in ("-", demo):
        found = run(library, failing, job="demo", WORKSPACE="/w")
        assert shells(found) == [demo, "bin/primetime down --yes"]
        assert names(found)[-1] == "archiveArtifacts"
        assert [words for name, words in found["steps"] if name == "withEnv"] == [["[PRIMETIME_HOME=/w/home]"]]
    assert found["failed"] == f"exit code 3: {demo}"


PLAN = "bin/primetime plan -t production"


def test_a_deploy_waits_for_somebody_who_has_read_the_plan(library: Path) -> None:
    found = run(library, job="deploy", TOPOLOGY="production")
    steps = [words[0] if name == "sh" else name for name, words in found["steps"] if name in ("sh", "input")]
    assert (found["failed"], steps) == (
        None,
        [PLAN, "input", *(f"bin/primetime {verb} -t production{yes}" for verb, yes in VERBS.items())],
    )
    (asked,) = [words for name, words in found["steps"] if name == "input"]
    assert "submitter=admin,ops" in asked[0] or "submitter:admin,ops" in asked[0]


VERBS = {"up": " --yes", "converge": "", "verify": ""}


BAKE = "bin/primetime up -t production --bake --yes"
ARCHIVE = [
    "bin/primetime demo --no-stage",
    "bin/primetime down --yes",
    "tar --numeric-owner --xattrs -czf primetime-cache.tar.gz cache",
    "sha256sum primetime-cache.tar.gz > primetime-cache.tar.gz.sha256",
]


def test_images_are_baked_when_the_archive_is_kept_and_somebody_has_read_the_plan(library: Path) -> None:
    found = run(library, job="bake", WORKSPACE="/w", TOPOLOGY="production")
    steps = [words[0] if name == "sh" else name for name, words in found["steps"] if name in NOTED]
    assert (found["failed"], steps) == (None, [*ARCHIVE, "archiveArtifacts", PLAN, "input", BAKE])
    (asked,) = [words for name, words in found["steps"] if name == "input"]
    assert "submitter=admin,ops" in asked[0] or "submitter:admin,ops" in asked[0]


NOTED = ("sh", "archiveArtifacts", "input")


def test_no_image_is_baked_when_nobody_agrees_and_the_archive_is_kept(library: Path) -> None:
    found = run(library, "input", job="bake", WORKSPACE="/w", TOPOLOGY="production")
    assert (found["failed"], shells(found)) == ("aborted", [*ARCHIVE, PLAN])
    assert "archiveArtifacts" in names(found)


def test_nothing_is_deployed_when_nobody_agrees(library: Path) -> None:
    found = run(library, "input", job="deploy", TOPOLOGY="production")
    assert (found["failed"], shells(found)) == ("aborted", [PLAN])


def test_a_converge_that_fails_ends_a_deploy(library: Path) -> None:
    failing = "bin/primetime converge -t production"
    found = run(library, failing, job="deploy", TOPOLOGY="production")
    assert (found["failed"], shells(found)[-1]) == (f"exit code 3: {failing}", failing)


@pytest.mark.parametrize("job", ["deploy", "bake"])
@pytest.mark.parametrize("topology", ["production; reboot", "../x", "", "Production"])
def test_a_parameter_is_a_name_and_no_command(library: Path, job: str, topology: str) -> None:
    found = run(library, job=job, TOPOLOGY=topology)
    assert (shells(found), found["failed"].startswith(f"TOPOLOGY is {topology}:")) == ([], True)
