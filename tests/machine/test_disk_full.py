"""A disk without room, here or on a host: it is named, nothing is left half done, and with room it works again."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from primetime.paths import REPO, STATE
from tests.conftest import Bench

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="hosts by systemd-nspawn need root")

PRIMETIME = REPO / "bin" / "primetime"
TOPOLOGY = {
    "provider": "nspawn",
    "image": "bookworm",
    "shows": ["rehearsal"],
    "groups": {"redis": {"roles": ["redis"], "count": 1, "memory_mb": 256}},
}


def alone(script: str) -> subprocess.CompletedProcess[str]:
    """A shell script whose mounts nobody else sees."""
    return subprocess.run(["unshare", "--mount", "sh", "-c", script], capture_output=True, text=True)


def written(folder: Path, name: str) -> Path:
    path = folder / f"{name}.yml"
    path.write_text(yaml.safe_dump({**TOPOLOGY, "name": name}))
    return path


def test_the_command_itself_says_how_much_room_its_environment_takes(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=20m tmpfs {tmp_path}"
    done = alone(f"{mount}; PRIMETIME_CACHE={tmp_path} {PRIMETIME} status; ls {tmp_path}/venv")
    assert f"{tmp_path} has 20 MB left and the Python environment takes" in done.stderr
    assert done.stdout.split() == ["lock"]


@pytest.mark.parametrize("verb", ["up", "demo"])
def test_a_disk_too_small_for_the_hosts_is_named_before_anything_is_made(verb: str, tmp_path: Path) -> None:
    path = written(tmp_path, "test-full")
    mount = f"mkdir -p {STATE}; mount -t tmpfs -o size=100m tmpfs {STATE}"
    done = alone(f"{mount}; {PRIMETIME} {verb} -t {path}; echo $?; ls -A {STATE}")
    assert done.stdout.split() == ["1"], done.stderr
    assert f"disk: 104 MB free at {STATE}, 300 needed: free 246 MB there" in done.stderr


def test_a_disk_that_fills_up_is_named_and_with_room_again_the_same_command_succeeds(tmp_path: Path) -> None:
    path = written(tmp_path, "test-filling")
    steps = (
        f"mkdir -p {STATE}; mount -t tmpfs -o size=600m tmpfs {STATE}",
        f"{PRIMETIME} up -t {path} >&2; echo up $?",
        f"cat /dev/zero >{STATE}/fill",
        f"{PRIMETIME} converge -t {path} >&2; echo converge $?",
        f"rm {STATE}/fill",
        f"{PRIMETIME} demo -t {path} >&2; echo demo $?",
        f"{PRIMETIME} down -t {path} --json --yes",
    )
    done = alone("\n".join(steps))
    *said, down = done.stdout.splitlines()
    assert said == ["up 0", "converge 1", "demo 0"], done.stderr[-6000:]
    assert f"the disk is full at {STATE} (0 MB left)" in done.stderr
    assert json.loads(down) == {"left": []}


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with Bench(written(tmp_path_factory.mktemp("topology"), "test-host-full")).converged() as bench:
        yield bench


def test_a_full_disk_of_a_host_is_named_by_converge_and_verify_until_it_has_room(host: Bench) -> None:
    folder = "/etc/primetime/redis"
    fill = f"mount -t tmpfs -o size=64k tmpfs {folder} && ! cat /dev/zero >{folder}/fill 2>/dev/null"
    host.ssh("redis-1", "sh", "-c", fill)
    try:
        converged = host.run("converge", "--json", check=False)
        verified = json.loads(host.run("verify", "--json", check=False).stdout.splitlines()[-1])
    finally:
        host.ssh("redis-1", "umount", folder)
    (failure, *_) = json.loads(converged.stdout.splitlines()[-1])["failed"]
    assert (converged.returncode, failure["host"]) == (1, "redis-1")
    assert failure["operation"] == "Redis | Write redis.conf"
    assert failure["said"]
    assert {"node": "redis-1", "role": "base", "promise": "its disks have room"} in verified["failed"]
    assert host.json("converge")["changes"] == []
    assert host.json("verify")["failed"] == []
