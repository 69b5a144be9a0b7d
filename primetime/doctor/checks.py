"""Facts about a machine → findings: what was looked at, what was found, and the command that mends it.

Each check is a pure function. Called by `doctor` for all of them and by `demo` and `up` for those that must hold.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from primetime.doctor.facts import NEW_FILES_MB, SHORT_INSTANCES, SHORT_WATCHES, Facts, Place

OK, WARNING, BROKEN = "ok", "warning", "broken"
ARCHITECTURE = "x86_64"  # of the wheels in the bundle that hosts get (primetime/bundle.py)


@dataclass(frozen=True)
class Finding:
    """One check's outcome; `mend` is a command (or several, joined with &&) where one mends it."""

    check: str
    found: str
    verdict: str = OK
    mend: str = ""

    def __str__(self) -> str:
        return f"{self.check}: {self.found}" + (f": {self.mend}" if self.mend else "")


def root(facts: Facts) -> Finding:
    if facts.root:
        return Finding("root", "yes")
    again = f"sudo bin/primetime doctor -t {facts.topology}"
    return Finding("root", "no: machines, bridges and mounts take it", BROKEN, again)


def architecture(facts: Facts) -> Finding:
    if facts.architecture == ARCHITECTURE:
        return Finding("architecture", facts.architecture)
    return Finding("architecture", f"{facts.architecture}: the shipper's wheels are for {ARCHITECTURE}", BROKEN)


def packages(facts: Facts) -> Finding:
    if facts.cut_short:
        return Finding("packages", "an installation was cut short", BROKEN, "dpkg --configure -a")
    if not facts.missing_packages:
        return Finding("packages", "all there")
    names = " ".join(facts.missing_packages)
    return Finding("packages", f"{names} missing", BROKEN, f"apt-get update && apt-get install -y {names}")


def memory(facts: Facts) -> Finding:
    found = f"{facts.memory_available_mb:,} MiB available, hosts to be made or started may use {facts.memory_mb:,}"
    if facts.memory_available_mb >= facts.memory_mb:
        return Finding("memory", found)
    return Finding("memory", found, BROKEN, f"end what uses it, or lower memory_mb in {facts.topology_file}")


def disk(facts: Facts) -> Iterator[Finding]:
    """One finding for each file system: places that share one need their sum."""
    for places in facts.by_file_system():
        free, needed = places[0].free_mb, sum(place.needed_mb for place in places)
        found = f"{free:,} MB free at {', '.join(str(place.path) for place in places)}, {needed:,} needed"
        if free >= needed:
            yield Finding("disk", found)
        else:
            yield Finding("disk", found, BROKEN, _more_room(places[0]))


def _more_room(place: Place) -> str:
    what = (
        f"free {place.needed_mb - place.free_mb + NEW_FILES_MB:,} MB there (see du -xh {place.path} | sort -h | tail)"
    )
    return what + (f", or set {place.variable} to a folder elsewhere" if place.variable else "")


def subnet(facts: Facts) -> Finding:
    if "iproute2" in facts.missing_packages:  # `packages` says so, and what mends it
        return Finding("subnet", "not looked at: that takes iproute2", WARNING)
    if facts.subnet_problem:
        return Finding("subnet", facts.subnet_problem, BROKEN, "ip route")
    return Finding("subnet", f"{facts.subnet} is {'its own' if facts.subnet_is_made else 'free'}")


def forwarding(facts: Facts) -> Iterator[Finding]:
    if not facts.ip_forward and not facts.sysctls_writable:
        yield Finding(
            "forwarding",
            "net.ipv4.ip_forward is 0 and /proc/sys is read-only here",
            BROKEN,
            "sysctl -w net.ipv4.ip_forward=1  # outside this container",
        )
    elif not facts.root:
        yield Finding("forwarding", "which chains drop is known to root only", WARNING, "sudo bin/primetime doctor")
    for chain in facts.dropping_chains:
        mend = " && ".join(f"nft insert rule {chain} {way} 'pt-*' accept" for way in ("iifname", "oifname"))
        yield Finding("forwarding", f"chain {chain} drops what hosts send through this machine", BROKEN, mend)
    if facts.root and not facts.dropping_chains and (facts.ip_forward or facts.sysctls_writable):
        on = "on" if facts.ip_forward else "off until `up` turns it on"
        yield Finding("forwarding", f"{on}, and no firewall here drops it")


def inotify(facts: Facts) -> Iterator[Finding]:
    for key, has, needed, mended in (
        ("max_user_instances", facts.inotify_instances, facts.needed_instances, SHORT_INSTANCES),
        ("max_user_watches", facts.inotify_watches, facts.needed_watches, SHORT_WATCHES),
    ):
        found = f"{key} {has:,}, {needed:,} needed"
        if has >= needed:
            yield Finding("inotify", found)
        else:
            yield Finding("inotify", found, BROKEN, f"sysctl -w fs.inotify.{key}={max(mended, needed)}")


def clock(facts: Facts) -> Finding:
    now = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(facts.now_s))
    if facts.now_s < facts.built_s:
        built = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(facts.built_s))
        return Finding(
            "clock", f"{now} UTC, before this primetime was made ({built})", BROKEN, "timedatectl set-ntp true"
        )
    if facts.synchronised is False:
        return Finding("clock", f"{now} UTC, not synchronised", WARNING, "timedatectl set-ntp true")
    how = "synchronised" if facts.synchronised else "nobody here says whether it is synchronised"
    return Finding("clock", f"{now} UTC, {how}; hosts share it")


def control_groups(facts: Facts) -> Finding:
    lacking = sorted({"cpu", "memory"} - facts.controllers)
    if not lacking:
        return Finding("control groups", "cpu and memory are there")
    mend = "add cgroup_enable=memory to GRUB_CMDLINE_LINUX in /etc/default/grub && update-grub && reboot"
    return Finding("control groups", f"no controller for {', '.join(lacking)}", BROKEN, mend)


def overlayfs(facts: Facts) -> Finding:
    if facts.overlay_problem is None:
        return Finding("overlayfs", "known to root only", WARNING, "sudo bin/primetime doctor")
    if not facts.overlay_problem:
        return Finding("overlayfs", "mounts")
    mend = "modprobe overlay" if not facts.overlay_known else "mount an ext4 or xfs file system at /var/lib/primetime"
    return Finding("overlayfs", facts.overlay_problem, BROKEN, mend)


def namespaces(facts: Facts) -> Finding:
    if facts.namespace_problem is None:
        return Finding("namespaces", "known to root only", WARNING, "sudo bin/primetime doctor")
    if not facts.namespace_problem:
        return Finding("namespaces", "mount, pid, net, ipc and uts can be made")
    return Finding(
        "namespaces", facts.namespace_problem, BROKEN, "run this outside the container, or give it --privileged"
    )


def at_work(facts: Facts) -> Finding:
    if facts.at_work:
        return Finding("at work", f"{facts.at_work} on {facts.topology}", WARNING, "wait until it has ended")
    return Finding("at work", "no other command")


def leftovers(facts: Facts) -> Iterator[Finding]:
    for what, mend in facts.leftovers:
        yield Finding("leftovers", what, BROKEN, mend)
    if not facts.leftovers:
        yield Finding("leftovers", "none of a run that died")


CHECKS: tuple[Callable[[Facts], Finding | Iterator[Finding]], ...] = (
    root,
    architecture,
    packages,
    memory,
    disk,
    subnet,
    forwarding,
    inotify,
    clock,
    control_groups,
    overlayfs,
    namespaces,
    at_work,
    leftovers,
)
# what `demo` and `up` can neither mend nor do without, and what is quick to look at
BLOCKING: tuple[Callable[[Facts], Finding | Iterator[Finding]], ...] = (
    root,
    architecture,
    memory,
    disk,
    subnet,
    clock,
    control_groups,
)


def all_of(facts: Facts) -> list[Finding]:
    """Every check."""
    return _run(facts, CHECKS)


def blocking(facts: Facts) -> list[Finding]:
    """What is broken and nobody but a person can mend."""
    return [finding for finding in _run(facts, BLOCKING) if finding.verdict == BROKEN]


def _run(facts: Facts, checks: tuple[Callable[[Facts], Finding | Iterator[Finding]], ...]) -> list[Finding]:
    found: list[Finding] = []
    for check in checks:
        outcome = check(facts)
        found += [outcome] if isinstance(outcome, Finding) else list(outcome)
    return found
