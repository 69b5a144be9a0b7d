"""Machines by vagrant-lxc, with our own box: made, converged, proved, stopped, and what goes wrong with them.

One machine is shared by all tests but the last: a box with roles, vagrant by hand, and the whole demo.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from primetime import preflight
from primetime.drivers.nspawn import leftovers
from primetime.drivers.vagrant import boxes, containers, errors, project
from primetime.inventory import live
from primetime.paths import REPO, cache, home
from primetime.providers import driver_for
from primetime.stage.hands import Hands
from primetime.topology import load
from tests.conftest import Bench, Demo
from tests.waiting import CLUSTER_S, wait_for

pytestmark = [pytest.mark.skipif(os.geteuid() != 0, reason="containers need root"), pytest.mark.long]

NAME = f"test-vagrant-{os.getpid()}"
TOPOLOGY = f"""name: {NAME}
provider: vagrant:lxc
image: bookworm
shows: [quiz]
partial: true
groups:
  redis: {{roles: [redis], count: 1, memory_mb: 256}}
"""


def vagrants_own_home() -> Path:
    return Path(os.environ.get("VAGRANT_HOME") or cache() / "vagrant")


def gone(name: str) -> list[str]:
    return [*leftovers.find(name), *containers.left(name)]


@pytest.fixture(scope="module", autouse=True)
def plain_boxes() -> Iterator[None]:
    """What vagrant needs is here; boxes with roles that somebody has baked are left out."""
    preflight.install(preflight.missing_for("vagrant:lxc"), print)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(project.PLAIN, "1")
        yield


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One machine, converged."""
    path = tmp_path_factory.mktemp("topology") / f"{NAME}.yml"
    path.write_text(TOPOLOGY)
    with Bench(path).converged() as bench:
        yield bench
    assert gone(NAME) == []


@pytest.fixture
def driver(bench: Bench) -> Any:
    return driver_for(load(str(bench.topology)))


@pytest.fixture
def node(bench: Bench, driver: Any) -> Any:
    """The machine, running and open to us, whatever the test before has done to it."""
    bench.run("up", "--yes")
    (found,) = driver.list_nodes()
    return found


def test_every_promise_is_kept(bench: Bench) -> None:
    assert bench.json("verify")["failed"] == []


def test_a_second_converge_changes_nothing(bench: Bench) -> None:
    assert bench.json("converge")["changed"] == 0


def test_a_machine_that_was_stopped_comes_up_with_its_data_and_its_promises(
    bench: Bench, driver: Any, node: Any
) -> None:
    bench.ssh("redis-1", "touch", "/root/kept")
    driver.stop_node(node)
    assert [each.state for each in driver.list_nodes()] == ["stopped"]
    bench.run("up", "--yes")
    bench.ssh("redis-1", "test", "-f", "/root/kept")
    assert bench.json("verify")["failed"] == []


def test_its_cap_on_memory_is_in_force(node: Any) -> None:
    tree, payload = Path("/sys/fs/cgroup"), f"lxc.payload.primetime_{NAME}_redis-1"
    (limit,) = [*tree.glob(f"memory/{payload}/memory.limit_in_bytes"), *tree.glob(f"{payload}/memory.max")]
    assert int(limit.read_text()) == 256 << 20


def test_vagrant_s_own_way_in_opens_it_too(driver: Any, node: Any, tmp_path: Path) -> None:
    config = tmp_path / "ssh_config"
    config.write_text(driver.ex_ssh_config(node))
    done = subprocess.run(["ssh", "-F", config, "redis-1", "sudo", "hostname"], capture_output=True, text=True)
    assert done.stdout == "redis-1\n", done.stderr


def test_a_snapshot_brings_a_machine_s_disk_back(bench: Bench, driver: Any, node: Any) -> None:
    bench.ssh("redis-1", "touch", "/root/before")
    driver.ex_snapshot(node, "clean")
    bench.ssh("redis-1", "rm", "/root/before")
    driver.ex_restore(node, "clean")
    bench.ssh("redis-1", "test", "-f", "/root/before")


def test_a_machine_frozen_behind_vagrant_s_back_is_named_and_up_lets_it_run(bench: Bench, node: Any) -> None:
    subprocess.run(["lxc-freeze", "--name", f"primetime_{NAME}_redis-1"], check=True)
    status = bench.run("status", check=False)
    assert (status.returncode, "redis-1: paused" in status.stdout) == (3, True)
    bench.run("up", "--yes")
    assert bench.ssh("redis-1", "hostname") == "redis-1\n"


def test_a_machine_that_another_vagrant_works_on_is_busy(driver: Any, node: Any) -> None:
    place = f"{project.VAGRANTFILE}{project.of(NAME, 'lxc').dotfile}redis-1"
    machine = hashlib.md5(place.encode()).hexdigest()  # as vagrant names its lock
    with (vagrants_own_home() / "data" / f"lock.machine-action-{machine}.lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(errors.MachineBusy, match="another process is already executing"):
            driver.stop_node(node)


def test_a_machine_that_vagrant_forgot_is_in_the_way_and_down_removes_it(bench: Bench, driver: Any, node: Any) -> None:
    (Path(project.of(NAME, "lxc").dotfile) / "machines/redis-1/lxc/id").unlink()
    with pytest.raises(errors.VagrantError, match=r"primetime_.*_redis-1"):
        driver.ex_create_nodes(["redis-1"])
    assert bench.json("down", "--yes")["left"] == []
    bench.run("up", "--yes")
    bench.run("converge")


def test_a_machine_deleted_behind_vagrant_s_back_is_made_again(bench: Bench, node: Any) -> None:
    containers.remove(f"primetime_{NAME}_redis-1")
    refused = bench.run("converge", check=False)
    assert (refused.returncode, "bin/primetime up" in refused.stderr) == (2, True)
    bench.run("up", "--yes")
    assert bench.ssh("redis-1", "hostname") == "redis-1\n"


def test_a_box_that_lost_a_part_is_mended(bench: Bench, driver: Any, node: Any) -> None:
    driver.destroy_node(node)
    box = boxes.ensure("bookworm")
    (vagrants_own_home() / "boxes" / f"primetime-VAGRANTSLASH-{box.stem}" / "0" / "lxc" / "rootfs.tar.gz").unlink()
    bench.run("up", "--yes")
    assert bench.ssh("redis-1", "hostname") == "redis-1\n"


@pytest.mark.parametrize(
    ("provider", "brings"),
    [
        ("libvirt", "apt-get install vagrant-libvirt"),
        ("vmware_desktop", "vagrant plugin install vagrant-vmware-desktop"),
        ("virtualbox", "install VirtualBox, so that VBoxManage is on the PATH"),
    ],
)
def test_a_provider_that_is_not_here_is_refused_with_what_brings_it_and_nothing_is_left(
    tmp_path: Path, provider: str, brings: str
) -> None:
    if shutil.which("VBoxManage") and provider == "virtualbox":
        pytest.skip("VirtualBox is here")
    path = tmp_path / "test-vagrant-none.yml"
    path.write_text(TOPOLOGY.replace(NAME, "test-vagrant-none").replace("vagrant:lxc", f"vagrant:{provider}"))
    refused = Bench(path).run("up", "--yes", check=False)
    assert (refused.returncode, brings in refused.stderr) == (1, True), refused.stderr
    assert gone("test-vagrant-none") == []


def other_bench(folder: Path, kind: str) -> Bench:
    path = folder / f"test-vagrant-{kind}-{os.getpid()}.yml"
    path.write_text(TOPOLOGY.replace(NAME, path.stem))
    return Bench(path)


def test_a_machine_of_a_box_with_roles_has_them_and_starts_nothing_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(project.PLAIN)
    bench = other_bench(tmp_path, "box")
    name = bench.topology.stem
    there = set((cache() / "boxes").glob("*.box"))
    try:
        (made,) = bench.json("up", "--bake", "--yes")["boxes"]
        (node,) = driver_for(load(str(bench.topology))).list_nodes()
        assert node.extra["box"] == f"primetime/{Path(made).stem}"
        assert (gone(f"{name}-bake"), [*home().glob(f"*/{name}-bake*")]) == ([], [])
        bench.ssh("redis-1", "test", "-x", "/usr/bin/redis-server")
        started = bench.ssh("redis-1", "systemctl", "list-units", "--no-legend", "--state=active,failed", "primetime-*")
        assert started == ""
        bench.run("converge")
        assert bench.json("verify")["failed"] == []
        assert bench.json("converge")["changed"] == 0
    finally:
        assert bench.json("down", "--yes")["left"] == []
        for box in {*(cache() / "boxes").glob("*.*.box")} - there:
            box.unlink()
            shutil.rmtree(vagrants_own_home() / "boxes" / f"primetime-VAGRANTSLASH-{box.stem}", ignore_errors=True)


def test_vagrant_up_by_hand_ends_converged_and_destroy_leaves_nothing(tmp_path: Path) -> None:
    bench = other_bench(tmp_path, "hand")
    by_hand = {
        "PRIMETIME_TOPOLOGY": str(bench.topology),
        "VAGRANT_DOTFILE_PATH": str(tmp_path / "dotfile"),
        "VAGRANT_HOME": str(vagrants_own_home()),
    }

    def vagrant(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, **by_hand}
        return subprocess.run(
            ["vagrant", *words],
            cwd=REPO / "vagrant",
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
        )

    try:
        up = vagrant("up", "--provider=lxc")
        assert up.returncode == 0, up.stdout[-3000:] + up.stderr[-3000:]
        assert "promises kept" in up.stdout
        asked = vagrant("ssh", "redis-1", "--", "sudo", "systemctl", "is-active", "primetime-redis")
        assert asked.stdout == "active\n", asked.stderr
        assert vagrant("halt").returncode == 0
        again = vagrant("up")
        assert (again.returncode, "promises kept" in again.stdout) == (0, True), (
            again.stdout[-3000:] + again.stderr[-3000:]
        )
        assert bench.json("converge")["changed"] == 0
    finally:
        destroyed = vagrant("destroy", "--force")
        left = gone(bench.topology.stem)
        if left:
            bench.run("down", "--yes")
    assert (destroyed.returncode, left) == (0, []), destroyed.stdout + destroyed.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """The whole demo, by vagrant."""
    name = f"test-vagrant-demo-{os.getpid()}"
    path = tmp_path_factory.mktemp("topology") / f"{name}.yml"
    path.write_text((REPO / "inventories" / "demo.yml").read_text().replace("name: demo", f"name: {name}"))
    try:
        yield Demo(path, result=Bench(path).json("demo", "--provider", "vagrant:lxc"))
    finally:
        assert Bench(path).json("down", "--yes")["left"] == []
        assert gone(name) == []


def test_the_demo_by_vagrant_loses_nothing_and_serves_its_page(whole: Demo) -> None:
    certificate = whole.result["certificate"]
    assert (certificate["missing"], certificate["unanswered"]) == (0, 0)
    assert certificate["stored"] >= certificate["acked"] > 0
    assert whole.json("verify")["failed"] == []
    with urllib.request.urlopen(whole.result["stage"].partition("#")[0], timeout=60) as page:
        assert (page.status, b"<title>" in page.read()) == (200, True)


def test_a_reset_brings_the_seeded_state_back_over_pulled_cables_killed_machines_and_edits(whole: Demo) -> None:
    driver = driver_for(load(str(whole.topology)))
    nodes = {node.name: node for node in driver.list_nodes()}
    driver.ex_link_down(nodes["redis-1"])
    driver.ex_kill(nodes["watch-1"])
    whole.ssh("store-1", "systemctl", "stop", "primetime-hbase-thrift")
    whole.ssh("collector-1", "sh", "-c", "echo '# by hand' >> /etc/primetime/collector/nginx.conf")
    said = whole.json("demo", "reset")
    assert said["healed"] == ["healed: link down", "1 machines made or started"]
    assert (said["seeded"], said["beside"]) == (whole.result["seeded"], {})
    other = whole.json("demo", "reset", "--seed", "2")["seeded"]
    assert other["sha256"] != said["seeded"]["sha256"]


def test_a_machine_that_is_beyond_repair_is_made_anew_by_a_reset(whole: Demo) -> None:
    whole.ssh("redis-1", "rm", "-rf", "/usr/sbin", "/usr/bin")
    said = whole.json("demo", "reset", "--seed", "1")
    assert (said["healed"], said["seeded"], said["beside"]) == (["redis-1 made anew"], whole.result["seeded"], {})
    assert whole.json("verify")["failed"] == []


def test_the_stage_adds_a_machine_and_removes_it_and_kills_another(whole: Demo) -> None:
    hands, told = Hands(live(load(str(whole.topology)))), list[str]()
    try:
        assert hands.add(told.append)["checked"] > 0
        assert hands.accepts("collector-2")
    finally:
        hands.remove("collector-2", told.append)
    assert [node["name"] for node in whole.json("status")["nodes"]] == hands.nodes("base")
    hands.kill("collector-1")
    hands.start("collector-1")
    wait_for(lambda: hands.accepts("collector-1"), "it accepts again", CLUSTER_S)
    assert hands.diskless.startswith("hosts of nspawn alone get a small disk")


def test_a_demo_by_vagrant_removes_itself_when_its_time_is_over(whole: Demo) -> None:
    assert whole.json("demo", "--no-stage", "--updates", "1000", "--expires", "1s")["expires"]
    wait_for(lambda: gone(whole.topology.stem) == [], "it has removed itself", CLUSTER_S)
