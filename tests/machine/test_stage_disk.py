"""A collector's spool on a small disk: what it has stays, it feels that it is full, and nothing is left of the disk."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator

import pytest

from primetime.drivers.nspawn import leftovers
from primetime.inventory import live
from primetime.stage.hands import Hands
from primetime.topology import load
from tests.conftest import Bench
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NAME = "test-stage-disk"
NODE = "collector-1"
SPOOL = "/var/spool/primetime"
TEXT = (
    f"name: {NAME}\nprovider: nspawn\nimage: bookworm\nshows: [quiz]\npartial: true\n"
    "groups:\n  collector: {roles: [collector, shipper], count: 1, memory_mb: 256}\n"
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    path = tmp_path_factory.mktemp("topology") / f"{NAME}.yml"
    path.write_text(TEXT)
    found = Bench(path)
    try:
        found.run("up", "--yes")
        found.run("converge")
        yield found
    finally:
        leftovers.sweep(NAME)


@pytest.fixture
def hands(bench: Bench) -> Hands:
    return Hands(live(load(str(bench.topology))))


def listed(bench: Bench) -> list[str]:
    """Owners, modes and names in the spool, its own first; without what comes and goes with each start."""
    found = bench.ssh(NODE, "find", SPOOL, "-printf", "%u:%g %m %P\\n").splitlines()
    return sorted(line for line in found if line.endswith((" ", "spool.ulid", ".sealed")))


def loops() -> list[dict[str, str]]:
    """The loop devices of small disks."""
    said = subprocess.run(["losetup", "--json", "--list"], capture_output=True, text=True, check=True).stdout
    devices = json.loads(said)["loopdevices"] if said.strip() else []
    return [each for each in devices if NAME in each["back-file"]]


def post(bench: Bench, hands: Hands, number: int) -> None:
    event = f'[{{"id":"01JD6Q2V5K8X3M9R7T1W4Y6Z{number:02}","show":"quiz","pos_ms":1,"user":"u","type":"join"}}]'
    (address, port), *_ = hands.inventory.every_endpoint("collector", "http")
    words = ["curl", "-fsS", "--data", event, f"http://{address}:{port}/events"]
    subprocess.run(words, check=True, timeout=20)


def test_the_spool_moves_there_and_back_with_all_that_it_has(bench: Bench, hands: Hands) -> None:
    post(bench, hands, 10)
    bench.ssh(NODE, "systemctl", "restart", "primetime-collector")  # seals what is open
    before = listed(bench)
    assert any(line.endswith(".sealed") for line in before)
    fill = hands.fill(NODE)
    assert bench.ssh(NODE, "mountpoint", SPOOL)
    assert listed(bench) == before
    wait_for(lambda: hands.accepts(NODE), "it takes traffic there")
    fill()
    assert int(bench.ssh(NODE, "df", "--output=avail", SPOOL).split()[-1]) < 1024  # KiB
    hands.empty(NODE)
    assert listed(bench) == before
    wait_for(lambda: hands.accepts(NODE), "it takes traffic where it was")
    assert loops() == []
    assert bench.json("converge")["changes"] == []


def test_a_host_that_boots_meanwhile_begins_on_no_stale_spool_and_is_mended(bench: Bench, hands: Hands) -> None:
    hands.fill(NODE)
    post(bench, hands, 20)
    hands.kill(NODE)
    hands.start(NODE)
    hands.empty(NODE)
    wait_for(lambda: hands.accepts(NODE), "it takes traffic")
    stored = bench.ssh(NODE, "sh", "-c", f"cat {SPOOL}/*.sealed {SPOOL}/*.open | grep -a -c 01JD6Q2V5K8X3M9R7T1W4Y6Z20")
    assert stored.strip() == "1"
    assert loops() == []


def test_nothing_is_left_of_it_after_down(bench: Bench, hands: Hands) -> None:
    hands.fill(NODE)
    assert len(loops()) == 1
    assert bench.json("down", "--yes")["left"] == []
    wait_for(lambda: loops() == [], "the loop device is gone")
