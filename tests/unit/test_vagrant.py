"""The vagrant driver against recorded rows: what each is read as, which error each becomes, how vagrant is called.

The recordings are of vagrant 2.3.4 with vagrant-lxc 1.4.3 (folders renamed). Where the driver runs vagrant, a stand-in
that prints a recording takes its place on the PATH; tests/machine/test_vagrant_lxc.py has the real one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState

from primetime import providers
from primetime.drivers.nspawn import state
from primetime.drivers.vagrant import errors, project
from primetime.drivers.vagrant.driver import VagrantNodeDriver
from primetime.drivers.vagrant.errors import VagrantError, error_of
from primetime.drivers.vagrant.rows import Row, by_target, parse, progress, rows
from primetime.errors import PrimetimeError, UsageError
from primetime.paths import REPO
from primetime.topology import load

RECORDED = REPO / "tests" / "unit" / "recorded" / "vagrant"
NAME = "test-vagrant"
TOPOLOGY = """name: test-vagrant
provider: vagrant:lxc
image: bookworm
shows: [quiz]
partial: true
groups:
  redis: {roles: [redis], count: 2, memory_mb: 256}
"""


def recorded(name: str) -> list[Row]:
    return rows((RECORDED / name).read_text())


def test_a_row_is_time_target_kind_and_data() -> None:
    assert parse("1795593306,redis-1,state,running") == Row(1795593306, "redis-1", "state", ("running",))


def test_a_row_s_data_have_their_commas_and_line_ends_again() -> None:
    row = parse("1,,ui,info,a%!(VAGRANT_COMMA) b\\nc\\rd,second")
    assert row and row.data == ("info", "a, b\nc\rd", "second")


def test_a_row_may_have_no_data() -> None:
    assert parse("1,redis-1,action") == Row(1, "redis-1", "action", ())


@pytest.mark.parametrize("line", ["", "Host redis-1", "  User vagrant", "a,b,c", "12,no comma after"])
def test_what_is_no_row_is_left_out(line: str) -> None:
    assert parse(line) is None


def test_the_plain_copy_of_a_way_in_is_not_read_twice() -> None:
    blocks = by_target(recorded("ssh-config"), "ssh-config")
    assert blocks.keys() == {"redis-1"}
    assert blocks["redis-1"].startswith("Host redis-1\n  HostName 10.")


def test_what_vagrant_says_to_people_is_told_without_its_arrows_and_details() -> None:
    said = [line for row in recorded("up-two") for line in progress(row)]
    assert "redis-1: Machine booted and ready!" in said
    assert not [line for line in said if line.startswith("==>") or "SSH address" in line]


ERRORS = {
    "up-locked": (errors.MachineBusy, "another process is already executing an action", "wait until that vagrant"),
    "up-no-provider": (errors.ProviderMissing, "'nonsense' could not be found, but was requested", "mend it"),
    "up-no-plugin": (errors.ProviderMissing, "'libvirt' could not be found", "apt-get install -y vagrant-libvirt"),
    "up-no-virtualbox": (errors.ProviderMissing, "could not detect VirtualBox", "install VirtualBox"),
    "up-no-libvirt": (
        errors.HypervisorSilent,
        "Failed to connect socket to '/var/run/libvirt/",
        "libvirt-daemon-system",
    ),
    "status-no-machine": (errors.MachineUnknown, "'redis-9' was not found configured", "bin/primetime status"),
    "snapshot-unsupported": (errors.NoSnapshots, "doesn't support snapshots", "vagrant snapshot list"),
    "up-other-provider": (errors.OtherProvider, "Active provider: lxc", "remove it first"),
    "up-half-box": (errors.BoxBroken, "the box has no rootfs.tar.gz", "vagrant box remove"),
    "up-two-failed": (errors.ToolFailed, "redis-2: this failed: lxc-create -B dir", "the command by hand says why"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_an_error_has_a_type_vagrant_s_own_reason_and_the_next_step(name: str) -> None:
    kind, reason, step = ERRORS[name]
    error = error_of(["up", "redis-1"], recorded(name), "")
    assert type(error) is kind
    assert str(error).startswith("vagrant up redis-1: ")
    assert reason in str(error)
    assert step in str(error).rpartition(": ")[2] or str(error).endswith(step)
    assert "\n" not in str(error)


def test_each_machine_that_failed_is_named_with_its_own_reason() -> None:
    error = error_of(["up"], recorded("up-two-failed"), "")
    assert [reason.machine for reason in error.reasons] == ["redis-1", "redis-2"]
    assert all(f'"primetime-{NAME}-{reason.machine}"' in reason.text for reason in error.reasons)


def test_an_end_before_the_first_row_is_told_by_vagrant_s_plain_words() -> None:
    error = error_of(["up"], [], (RECORDED / "early-end.stderr").read_text())
    assert type(error) is errors.BoxBroken
    assert 'vagrant up: The "metadata.json" file for the box' in str(error)


def test_an_end_without_a_word_is_an_error_all_the_same() -> None:
    assert "it ended with an error and no word" in str(error_of(["halt"], [], ""))


Stand = Callable[..., VagrantNodeDriver]


def stand_in(folder: Path, program: str, script: str) -> None:
    """A program that takes the place of another, first on the PATH."""
    file = folder / "bin" / program
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!/bin/sh\n{script}")
    file.chmod(0o755)


@pytest.fixture
def vagrant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """A driver whose vagrant is a stand-in that prints a recording and notes what it was called with."""
    monkeypatch.setattr(state, "STATE", tmp_path / "state")
    monkeypatch.setattr(state, "RUN", tmp_path / "run")
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    monkeypatch.setenv("VAGRANT_LOG", "debug")
    (tmp_path / "t.yml").write_text(TOPOLOGY)

    def stand(recording: str, made: bool = True, code: int = 0, provider: str = "libvirt") -> VagrantNodeDriver:
        noted = f'echo "$VAGRANT_LOG$VAGRANT_DOTFILE_PATH $*" >> {tmp_path}/calls'
        stand_in(tmp_path, "vagrant", f"{noted}\ncat {RECORDED / recording}\nexit {code}\n")
        if made:
            here = project.of(NAME, provider)
            here.network.folder.mkdir(parents=True, exist_ok=True)
            here.remember(str(tmp_path / "t.yml"))
            Path(here.dotfile).mkdir(exist_ok=True)
            addresses = {"redis-1": "10.141.239.133", "redis-2": "10.141.239.36"}
            (Path(here.dotfile) / "primetime.json").write_text(json.dumps(addresses))
        driver: VagrantNodeDriver = get_driver("vagrant")(
            NAME, ex_provider=provider, ex_topology=str(tmp_path / "t.yml")
        )
        return driver

    return stand


def note(made: project.Project, machine: str) -> None:
    """As vagrant notes what a machine of its is called."""
    noted = Path(made.dotfile) / "machines" / machine / made.provider / "id"
    noted.parent.mkdir(parents=True)
    noted.write_text(f"primetime_{NAME}_{machine}")


def calls(tmp_path: Path) -> Sequence[str]:
    noted = tmp_path / "calls"
    return noted.read_text().splitlines() if noted.exists() else []


def test_nodes_are_listed_with_address_and_state_by_one_call(vagrant: Stand, tmp_path: Path) -> None:
    nodes = vagrant("status-running").list_nodes()
    found = [(node.name, node.state, node.private_ips) for node in nodes]
    assert found == [
        ("redis-1", NodeState.RUNNING, ["10.141.239.133"]),
        ("redis-2", NodeState.RUNNING, ["10.141.239.36"]),
    ]
    assert calls(tmp_path) == [f"{tmp_path}/state/{NAME}/vagrant --machine-readable status"]


def test_machines_that_are_gone_are_not_listed(vagrant: Stand) -> None:
    assert vagrant("status-none").list_nodes() == []


def test_a_frozen_machine_is_there_and_does_not_run(vagrant: Stand) -> None:
    node = vagrant("status-frozen").list_nodes()[0]
    assert (node.state, node.extra["state"]) == (NodeState.PAUSED, "frozen")


def test_containers_are_listed_by_lxc_s_own_word_and_one_that_is_gone_is_not(vagrant: Stand, tmp_path: Path) -> None:
    driver = vagrant("status-none", provider="lxc")
    for machine in ("redis-1", "redis-2"):
        note(project.of(NAME, "lxc"), machine)
    stand_in(tmp_path, "lxc-info", f'test "$2" = primetime_{NAME}_redis-1 && echo "State:          FROZEN"\n')
    found = [(node.name, node.state, node.extra["state"], node.private_ips) for node in driver.list_nodes()]
    assert found == [("redis-1", NodeState.PAUSED, "frozen", ["10.141.239.133"])]
    assert calls(tmp_path) == []


def test_vagrant_is_not_asked_about_a_topology_that_it_never_made(vagrant: Stand, tmp_path: Path) -> None:
    assert vagrant("status-running", made=False).list_nodes() == []
    assert calls(tmp_path) == []


def test_a_failed_call_raises_vagrant_s_error(vagrant: Stand) -> None:
    with pytest.raises(VagrantError, match="another process is already executing"):
        vagrant("up-locked", code=1).list_nodes()


def test_machines_are_removed_in_one_call(vagrant: Stand, tmp_path: Path) -> None:
    driver = vagrant("status-running")
    driver.ex_destroy_nodes(driver.list_nodes())
    assert calls(tmp_path)[1:] == [
        f"{tmp_path}/state/{NAME}/vagrant --machine-readable destroy --force --parallel redis-1 redis-2"
    ]


@pytest.mark.parametrize(("id_of_another", "machines"), [(True, 2), (False, 1)])
def test_a_topology_without_a_machine_that_is_there_does_not_take_the_place_of_the_one_it_was_made_by(
    vagrant: Stand, tmp_path: Path, id_of_another: bool, machines: int
) -> None:
    vagrant("status-running")
    made = project.of(NAME, "libvirt")
    if id_of_another:
        note(made, "redis-2")
    narrower = tmp_path / "narrower.yml"
    narrower.write_text(TOPOLOGY.replace("count: 2", "count: 1"))
    VagrantNodeDriver(NAME, ex_provider="libvirt", ex_topology=narrower)._take_topology(made)
    assert len(load(str(made.topology)).nodes) == machines


def test_machines_that_are_no_containers_are_not_broken_from_here(tmp_path: Path) -> None:
    driver = VagrantNodeDriver(NAME, ex_provider="libvirt")
    node: Any = SimpleNamespace(name="redis-1")
    assert not driver.ex_breaks
    with pytest.raises(PrimetimeError, match=r"redis-1 is by vagrant:libvirt: .* by that provider's own means"):
        driver.ex_kill(node)


def test_a_provider_that_vagrant_has_not_is_refused() -> None:
    with pytest.raises(UsageError, match="vagrant:docker is no provider: write one of lxc, virtualbox"):
        VagrantNodeDriver(NAME, ex_provider="docker")


def test_the_provider_of_machines_that_are_there_is_remembered(vagrant: Stand, tmp_path: Path) -> None:
    vagrant("status-running", provider="lxc")
    topology = load("demo")
    assert providers.provider_of(topology) == "nspawn"
    (tmp_path / "t.yml").write_text(TOPOLOGY.replace("vagrant:lxc", "nspawn"))
    assert providers.provider_of(load(str(tmp_path / "t.yml"))) == "vagrant:lxc"
    with pytest.raises(UsageError, match=r"is up by vagrant:lxc, not nspawn: bin/primetime down"):
        providers.choose(load(str(tmp_path / "t.yml")), "nspawn")


def test_a_provider_that_is_none_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(UsageError, match="--provider vagrant:lcx: there is no such provider: did you mean vagrant:lxc"):
        providers.choose(load("demo"), "vagrant:lcx")
