"""CI servers do what .ci/run does, part by part. The Jenkinsfile is run in tests/wire/test_jenkinsfile.py."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from primetime.cli import _parser
from primetime.cli.test import GROUPS
from primetime.drivers.nspawn.images import RELEASES
from primetime.paths import REPO

WORKFLOW = yaml.safe_load((REPO / ".github" / "workflows" / "ci.yml").read_text())
JENKINSFILE = (REPO / "Jenkinsfile").read_text()
JOBS = [path.read_text() for path in sorted((REPO / ".ci" / "jenkins").glob("*.groovy"))]
HOOKS = yaml.safe_load((REPO / ".pre-commit-config.yaml").read_text())["repos"]


def commands(job: str) -> list[str]:
    return [step["run"] for step in WORKFLOW["jobs"][job]["steps"] if "run" in step]


def test_the_workflow_has_a_stage_for_every_group() -> None:
    assert WORKFLOW["jobs"]["suite"]["strategy"]["matrix"]["group"] == list(GROUPS)


def test_the_jenkinsfile_has_a_stage_for_every_group() -> None:
    [groups] = re.findall(r"for \(group in \[(.*)\]\)", JENKINSFILE)
    assert re.findall(r"'(\w+)'", groups) == list(GROUPS)


def test_both_validate_roles_on_every_distribution_that_is_proved() -> None:
    on = f"validate --on {','.join(RELEASES)} "
    assert [on in text for text in (*commands("validate"), JENKINSFILE)] == [True, True]


@pytest.mark.parametrize(
    "command",
    [
        *commands("suite"),
        *commands("validate"),
        *re.findall(r"sh ['\"](.*)['\"]", JENKINSFILE),
        *(word for text in JOBS for word in re.findall(r"sh ['\"]([.b].*)['\"]", text)),
        *(hook["entry"] for repo in HOOKS for hook in repo["hooks"]),
    ],
)
def test_what_they_call_is_this_repository_s_and_is_understood(command: str) -> None:
    text = re.sub(r"\$\{(BASE:.*|since)\}.*", "", re.sub(r"\$\{\{? ?(matrix\.)?group ?\}?\}", "unit", command))
    script, *words = text.replace("${topology}", "production").partition(" > ")[0].split()
    assert os.access(REPO / script, os.X_OK)
    words = ["test", *words] if script == ".ci/run" else words
    assert _parser(words).parse_args(words).verb == words[0]


@pytest.mark.parametrize("job", WORKFLOW["jobs"])
def test_the_workflow_keeps_reports_whatever_happens(job: str) -> None:
    kept: list[dict[str, Any]] = [s for s in WORKFLOW["jobs"][job]["steps"] if "upload-artifact" in s.get("uses", "")]
    assert [(step["if"], step["with"]["path"].endswith(".xml")) for step in kept] == [("always()", True)]


def test_hooks_download_nothing() -> None:
    assert {(repo["repo"], hook["language"]) for repo in HOOKS for hook in repo["hooks"]} == {("local", "system")}


@pytest.mark.parametrize("path", ["reports/unit.xml", "home/keys/demo.key", "cache/images/x", "demo.json"])
def test_what_pipelines_write_beside_the_repository_is_no_change_of_it(path: str, tmp_path: Path) -> None:
    """`validate --changed-since` would take it for one that reaches all roles."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    (tmp_path / ".gitignore").write_text((REPO / ".gitignore").read_text())
    assert subprocess.run(["git", "-C", tmp_path, "check-ignore", "-q", path]).returncode == 0
