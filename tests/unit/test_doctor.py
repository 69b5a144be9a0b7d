"""doctor: facts in, findings out; each thing that is wrong is named with what mends it."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from primetime import space
from primetime.doctor import BROKEN, OK, WARNING, all_of, blocking
from primetime.doctor.facts import Facts, Place
from primetime.doctor.host import memory_available_mb, parse_chains

WELL = Facts(
    topology="demo",
    topology_file="inventories/demo.yml",
    root=True,
    architecture="x86_64",
    missing_packages=[],
    cut_short=False,
    memory_available_mb=4000,
    memory_mb=3072,
    places=[
        Place(Path("/home/ops/.cache/primetime"), device=1, free_mb=5000, needed_mb=900, variable="PRIMETIME_CACHE"),
        Place(Path("/var/lib/primetime"), device=1, free_mb=5000, needed_mb=1000),
        Place(Path("/home/ops/.primetime"), device=2, free_mb=100, needed_mb=20, variable="PRIMETIME_HOME"),
    ],
    subnet="10.154.234.0/24",
    subnet_problem="",
    subnet_is_made=False,
    ip_forward=False,
    sysctls_writable=True,
    dropping_chains=[],
    inotify_instances=128,
    inotify_watches=8192,
    needed_instances=50,
    needed_watches=1300,
    now_s=2_000_000_000,
    built_s=1_800_000_000,
    synchronised=True,
    controllers=frozenset({"cpu", "memory", "pids"}),
    overlay_known=True,
    overlay_problem="",
    namespace_problem="",
    at_work=None,
)
# what is wrong → (the fact, check that says so, part of the command that mends it)
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no root": ({"root": False}, "root", "sudo bin/primetime"),
    "an ARM machine": ({"architecture": "aarch64"}, "architecture", ""),
    "a package": ({"missing_packages": ["maven"]}, "packages", "apt-get install -y maven"),
    "an apt that was killed": ({"cut_short": True}, "packages", "dpkg --configure -a"),
    "memory": ({"memory_available_mb": 3071}, "memory", "memory_mb in inventories/demo.yml"),
    "a subnet": ({"subnet_problem": "No free /24"}, "subnet", "ip route"),
    "a container's sysctls": ({"sysctls_writable": False}, "forwarding", "sysctl -w net.ipv4.ip_forward=1"),
    "docker's firewall": (
        {"dropping_chains": ["ip filter FORWARD"]},
        "forwarding",
        "nft insert rule ip filter FORWARD iifname 'pt-*' accept",
    ),
    "inotify instances": ({"inotify_instances": 49}, "inotify", "sysctl -w fs.inotify.max_user_instances=8192"),
    "inotify watches": ({"inotify_watches": 1299}, "inotify", "sysctl -w fs.inotify.max_user_watches=65536"),
    "the clock": ({"now_s": 1_700_000_000}, "clock", "timedatectl set-ntp true"),
    "a memory controller": ({"controllers": frozenset({"cpu"})}, "control groups", "cgroup_enable=memory"),
    "overlayfs": ({"overlay_known": False, "overlay_problem": "no"}, "overlayfs", "modprobe overlay"),
    "namespaces": ({"namespace_problem": "no"}, "namespaces", "--privileged"),
    "a dead run": ({"leftovers": [("half a node", "bin/primetime down -t demo")]}, "leftovers", "down -t demo"),
}


def test_a_machine_that_lacks_nothing_is_well() -> None:
    assert {finding.verdict for finding in all_of(WELL)} == {OK}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_the_only_thing_named_and_comes_with_what_mends_it(wrong: str) -> None:
    facts, check, mend = WRONG[wrong]
    broken = [finding for finding in all_of(replace(WELL, **facts)) if finding.verdict == BROKEN]
    assert [finding.check for finding in broken] == [check]
    assert mend in broken[0].mend


@pytest.mark.parametrize("fact", [{"synchronised": False}, {"at_work": "`demo` (pid 7, since 20:15:00)"}])
def test_what_may_be_meant_so_is_only_a_warning(fact: dict[str, Any]) -> None:
    assert [f.verdict for f in all_of(replace(WELL, **fact)) if f.verdict != OK] == [WARNING]


def test_places_on_one_file_system_need_their_sum() -> None:
    cache, state, home = WELL.places
    short = replace(WELL, places=[replace(cache, free_mb=1899), replace(state, free_mb=1899), home])
    found = [finding for finding in all_of(short) if finding.check == "disk"]
    assert [finding.verdict for finding in found] == [BROKEN, OK]
    assert "1,899 MB free at /home/ops/.cache/primetime, /var/lib/primetime, 1,900 needed" in str(found[0])
    assert "PRIMETIME_CACHE" in found[0].mend


def test_verbs_stop_for_what_nobody_but_a_person_can_mend() -> None:
    wrong = replace(WELL, memory_available_mb=1, missing_packages=["maven"], inotify_instances=1)
    assert [finding.check for finding in blocking(wrong)] == ["memory"]


def test_the_available_memory_is_the_kernel_s_own_estimate() -> None:
    assert memory_available_mb("MemTotal: 8000000 kB\nMemFree: 10 kB\nMemAvailable: 4096000 kB\n") == 4000


def chain(policy: str, *rules: dict[str, Any]) -> list[dict[str, Any]]:
    where = {"family": "ip", "table": "filter"}
    head = {"chain": {**where, "name": "FORWARD", "type": "filter", "hook": "forward", "prio": 0, "policy": policy}}
    return [head, *({"rule": {**where, "chain": "FORWARD", "expr": [rule, {"accept": None}]}} for rule in rules)]


def match(way: str) -> dict[str, Any]:
    return {"match": {"op": "==", "left": {"meta": {"key": way}}, "right": "pt-*"}}


def test_a_chain_that_drops_forwarded_packets_is_found() -> None:
    assert parse_chains(chain("drop")) == ["ip filter FORWARD"]


def test_a_chain_that_lets_our_bridges_through_one_way_only_is_found_too() -> None:
    assert parse_chains(chain("drop", match("iifname"))) == ["ip filter FORWARD"]


def test_a_chain_that_accepts_or_lets_our_bridges_through_is_no_obstacle() -> None:
    assert parse_chains(chain("accept")) == []
    assert parse_chains(chain("drop", match("iifname"), match("oifname"))) == []


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        ValueError("tar: a: Cannot write: No space left on device"),
        ValueError("OSError('size mismatch in put!  0 != 305',)"),
    ],
)
def test_a_full_disk_is_known_whoever_speaks_of_it(error: Exception) -> None:
    assert space.is_meant(error)


def test_another_error_is_not_taken_for_a_full_disk() -> None:
    assert not space.is_meant(OSError(errno.EACCES, "Permission denied"))
