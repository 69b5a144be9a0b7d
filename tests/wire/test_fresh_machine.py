"""A machine on which nothing was installed yet: what the verbs that do not mend by themselves say of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from primetime.paths import REPO
from primetime.preflight import DEMO

# In a mount namespace of its own: /usr with the tools of DEMO taken out, in memory; then the verb.
BARE = """
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay overlay -o "lowerdir=/usr,upperdir=$1/upper,workdir=$1/work" /usr
for tool in $TOOLS; do
    while found=$(command -v "$tool"); do rm "$found"; hash -r; done
done
shift
exec "$@"
"""


def on_a_bare_machine(scratch: Path, verb: str) -> subprocess.CompletedProcess[str]:
    scratch.mkdir()
    environment = {**os.environ, "PRIMETIME_HOME": str(scratch.parent / "home"), "TOOLS": " ".join(DEMO)}
    command = ["unshare", "-m", "sh", "-c", BARE, "sh", scratch, sys.executable, "-m", "primetime", *verb.split()]
    return subprocess.run(command, cwd=REPO, env=environment, capture_output=True, text=True, timeout=60)


def test_doctor_names_every_package_that_is_missing_and_the_one_command_that_brings_them(tmp_path: Path) -> None:
    done = on_a_bare_machine(tmp_path / "scratch", "doctor")
    assert (done.returncode, done.stderr) == (3, "")
    mend = next(line for line in done.stdout.splitlines() if "apt-get install" in line)
    assert set(DEMO.values()) <= set(mend.split())
    assert done.stdout.splitlines()[-1].startswith("1 of ")  # nothing else is said to be broken


def test_a_verb_that_makes_machines_says_what_it_needs_and_leaves_nothing(tmp_path: Path) -> None:
    done = on_a_bare_machine(tmp_path / "scratch", "up --yes")
    assert done.returncode == 1
    assert done.stderr.startswith("primetime: up needs ")
    assert set(DEMO.values()) <= set(done.stderr.replace(",", "").replace(":", "").split())
    assert not (tmp_path / "home").exists()
