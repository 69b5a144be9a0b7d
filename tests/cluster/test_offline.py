"""From a filled cache everything works without a network: proved where no route is and no name server answers."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

from primetime import artifacts
from primetime.drivers.nspawn import leftovers
from primetime.paths import REPO
from primetime.topology import load
from tests.conftest import Bench

# A namespace that ends with its first process, and what is in it: no link but lo, no route, a resolver that is nowhere,
# and nothing of this machine's own hosts. sysfs anew, since it shows the links of the namespace that mounted it.
ALONE = """
mount --bind "$0" /var/lib
mount -t tmpfs tmpfs /run
mkdir /run/groups
mount --rbind /sys/fs/cgroup /run/groups
mount -t sysfs sysfs /sys
mount --rbind /run/groups /sys/fs/cgroup
echo nameserver 192.0.2.53 > /run/resolv.conf
mount --bind /run/resolv.conf "$(readlink -f /etc/resolv.conf)"
ip link set lo up
[ -z "$(ip route)" ]
exec sh -ec "$1"
"""
WITHIN = ("setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork")
VERBS = ("demo", "verify", "demo reset", "down --yes")


@pytest.mark.long
def test_the_demo_runs_and_is_reset_from_a_filled_cache_where_there_is_no_route(tmp_path: Path) -> None:
    topology = tmp_path / "test-island.yml"
    topology.write_text((REPO / "inventories" / "demo.yml").read_text().replace("name: demo", "name: test-island"))
    fill_the_cache(Bench(topology))
    # in /var/lib, whose file system surely carries the layers of hosts
    with tempfile.TemporaryDirectory(prefix="primetime-test-", dir="/var/lib") as state:
        demo, verified, reset, down = alone(topology, Path(state))
    assert (demo["certificate"]["acked"], demo["certificate"]["missing"]) == (100_000, 0)
    assert demo["stage"].startswith("http://127.0.0.1:")
    assert verified["failed"] == []
    assert reset["seeded"]["sha256"] == demo["seeded"]["sha256"]
    assert down["left"] == []


def fill_the_cache(bench: Bench) -> None:
    try:
        bench.run("up", "--yes")
        artifacts.ensure(load(str(bench.topology)).all_groups(), "bookworm")
    finally:
        bench.run("down", "--yes")


def alone(topology: Path, state: Path) -> list[dict[str, Any]]:
    """What VERBS say, one after the other, in a namespace of their own; each must exit 0."""
    script = "\n".join(f'"{REPO}/bin/primetime" {verb} --json -t "{topology}"' for verb in VERBS)
    command = [*WITHIN, "--kill-child", "sh", "-ec", ALONE, str(state), script]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    leftovers.sweep("test-island")  # its control groups, had it died
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return [json.loads(line) for line in done.stdout.splitlines()]
