"""Each role alone on a fresh host: it converges, keeps its promises, and a second converge changes nothing.

By `validate`, whose matrix, report and traces are looked at on the way.
"""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from primetime.drivers.nspawn import leftovers
from primetime.drivers.nspawn.images import RELEASES
from primetime.paths import REPO
from primetime.validation import HOSTS as EVERY
from primetime.validation import STEPS
from primetime.validation.hosts import WHEN_NAMED

HOSTS = [role for role in EVERY if role not in WHEN_NAMED]
SELDOM = ["nagios", "collectd"]  # much to install, and off unless a topology asks: where there is time
NAME = "test"  # of its networks, so that a `validate` on this machine is not touched


@dataclass(frozen=True)
class Validated:
    """What `validate` of all roles on one release said."""

    roles: list[str]
    code: int
    steps: dict[str, dict[str, dict[str, object]]]  # role → step → what it came to
    suites: dict[str, ElementTree.Element]


CASES = [
    pytest.param((RELEASES[0], [role for role in HOSTS if role not in SELDOM]), id=RELEASES[0]),
    pytest.param((RELEASES[0], SELDOM), id=f"{RELEASES[0]}-seldom", marks=pytest.mark.long),
    *(pytest.param((release, HOSTS), id=release, marks=pytest.mark.long) for release in RELEASES[1:]),
]


@pytest.fixture(scope="module", params=CASES)
def validated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Validated:
    report = tmp_path_factory.mktemp("report") / "junit.xml"
    release, roles = request.param
    command = [REPO / "bin" / "primetime", "validate", *roles, "--on", release, "--name", NAME]
    command += ["--junit", report, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.stdout, done.stderr[-6000:]
    steps = {
        case["role"]: {step["name"]: step for step in case["steps"]}
        for case in json.loads(done.stdout.splitlines()[-1])["validated"]
    }
    suites = {suite.attrib["name"].split()[0]: suite for suite in ElementTree.parse(report).getroot()}
    return Validated(roles, done.returncode, steps, suites)


@pytest.mark.parametrize("step", STEPS)
def test_a_role_alone_on_a_fresh_host_passes(validated: Validated, step: str) -> None:
    found = {role: (steps[step]["verdict"], steps[step]["said"]) for role, steps in validated.steps.items()}
    assert found == dict.fromkeys(validated.roles, ("ok", []))


def test_the_report_has_a_test_for_each_step_of_each_role(validated: Validated) -> None:
    told = {role: [test.attrib["name"] for test in suite.iter("testcase")] for role, suite in validated.suites.items()}
    assert told == {role: list(STEPS) for role in validated.roles}


def test_all_is_fine_and_exits_so(validated: Validated) -> None:
    assert validated.code == 0


def test_nothing_of_it_is_left(validated: Validated) -> None:
    assert [
        name for role in validated.roles for name in leftovers.networks() if name.startswith(f"{NAME}-{role}-")
    ] == []
