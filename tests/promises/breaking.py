"""How promises are broken by hand, and mended again: what the tables of this folder are made of.

A table stands in tests/promises/<role>.py: `BREAKS`, from a promise as `verify` names it to its Break. Services that
run and are enabled, and endpoints that listen, are broken the same way everywhere (`generic`), unless a table says
otherwise.
"""

from __future__ import annotations

import importlib
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from primetime.paths import REPO
from primetime.settings import known
from primetime.verify.promises import Promise, role
from tests.conftest import Bench

CONVERGED = "is as converged: "
UNDECLARED = "base: nothing undeclared listens"
KEPT = "/run/broken"  # what was there before, and copies that are wrong on purpose


Way = str | Callable[[Bench], object]


@dataclass(frozen=True)
class Break:
    """`how` and `mend` are shell commands on the first host of the promise's group.

    `also` are the declared consequences, `role: promise` on the same host or `node: role: promise`, with * for any
    text: what cannot be kept either, or not for a while. Keep it minimal.
    """

    how: Way
    mend: Way
    also: tuple[str, ...] = ()


def way(promise: Promise) -> Break | None:
    """How a promise is broken; None when nobody has said."""
    return table(promise.group).get(promise.sentence) or generic(promise)


def do(way: Way, bench: Bench, node: str) -> None:
    """Carry out one of a Break's two ways."""
    if callable(way):
        way(bench)
    elif way:
        bench.ssh(node, "sh", "-c", way)


def table(group: str) -> Mapping[str, Break]:
    """The table of a group's role, as far as it is the group's own: `hdfs_namenode` in hdfs.py."""
    head, _, daemon = group.partition("_")
    if not (REPO / "tests" / "promises" / f"{head}.py").is_file():
        return {}
    module = importlib.import_module(f"tests.promises.{head}")
    found: Mapping[str, Break] = getattr(module, daemon.upper() or "BREAKS", {})
    return found


def generic(promise: Promise) -> Break | None:
    """Stop, disable, close: the same for each service and endpoint."""
    if promise.check.__name__ == "test_is_running":
        return stopped(promise.role, promise.given["service"])
    if promise.check.__name__ == "test_is_enabled":
        service = promise.given["service"]
        kept = f"{promise.role}: {CONVERGED}Keep *"
        return Break(f"systemctl -q disable {service}", f"systemctl -q enable {service}", (kept,))
    if promise.check.__name__ in OPENED:
        return opened(promise.role, promise.given["unit"], OPENED[promise.check.__name__])
    if promise.check.__name__ == "test_is_in_force":
        return unset(*promise.given["sysctl"], promise.sentence)
    if promise.check.__name__ == "test_may_open_as_many_files_as_it_asks_for":
        return fewer_files(promise.given["unit"])
    if promise.check.__name__ == "test_keeps_no_log_of_its_own":
        return logged(promise.given["unit"])
    endpoint = promise.given.get("endpoint") or promise.given.get("elected")
    if endpoint and endpoint.transport == "tcp":
        # the kernel takes the listening socket away, and the process goes on without it; UDP's it would leave bound
        return Break(closed(endpoint.port), f"systemctl restart {unit(promise.group)}")
    return None


def stopped(role: str, service: str, *also: str) -> Break:
    """Stop a service; what follows from it within its own role `verify` tells by itself."""
    return Break(f"systemctl stop {service}", f"systemctl start {service}", (f"{role}: {CONVERGED}Keep *", *also))


def closed(port: int) -> str:
    """The command that closes a port: one socket at a time, and a server may have one for each of its workers."""
    return f"for _ in $(seq 8); do ss -K -ltn sport = :{port}; done"


# Lines that take a fence of templates/base/hardened.j2 away, by the promise that is then broken.
NO_FILTER = (
    *("SystemCallFilter=", "SystemCallArchitectures=", "RestrictAddressFamilies=", "MemoryDenyWriteExecute=no"),
    *(
        "RestrictNamespaces=no",
        "RestrictRealtime=no",
        "RestrictSUIDSGID=no",
        "LockPersonality=no",
        "ProtectHostname=no",
    ),
    *("ProtectClock=no", "ProtectKernelModules=no", "ProtectKernelTunables=no", "ProtectKernelLogs=no"),
    *("PrivateDevices=no", "ProtectProc=default", "ProtectControlGroups=no"),
)
OPENED = {
    "test_is_exposed_little": NO_FILTER,
    "test_has_its_system_calls_filtered": NO_FILTER,
    "test_is_refused_what_is_not_its_own": ("ProtectSystem=no",),
    "test_is_held_to_its_own_network": ("IPAddressDeny=any", "IPAddressAllow=any"),
}


def opened(role: str, service: str, lines: Sequence[str]) -> Break:
    """Restart a service of ours without some of its fences; each is looked at by more than one promise."""
    fences = ("is exposed little", "has its system calls filtered", "is refused what is not its own")
    also = [f"{role}: {service} {fence}" for fence in fences]
    return overridden(service, f"printf '%s\\n' {shlex.join(lines)}", *also)


def unset(key: str, value: int, sentence: str) -> Break:
    """Another value where this host may set it, else the declaration taken out of its file."""
    if key.startswith("net."):
        done = f"base: {CONVERGED}Make those that this kernel lets a host set"
        return Break(f"sysctl -q -w {key}={value + 1}", f"sysctl -q -w {key}={value}", (done,))
    # roles that share a host share the file
    written = f"base: {CONVERGED}Write the kernel settings that roles ask for"
    return changed("/etc/sysctl.d/60-primetime.conf", f"/^-{key} / d", written, f"*: {sentence}")


FILES = 19_000  # enough for every daemon, and less than a test host has as a whole


def fewer_files(service: str, *lines: str) -> Break:
    """Ask for so many files, and take one away from the running process."""
    asking = overridden(service, f"printf '%s\\n' {shlex.join([*lines, f'LimitNOFILE={FILES}'])}")
    return Break(f"{asking.how}; {limited(service, f'{FILES - 1}:{FILES - 1}')}", asking.mend)


def limited(service: str, files: str) -> str:
    """The command that gives a running process another limit, as its own user: root of a container may not."""
    own = f"runuser -u $(systemctl show -P User {service}) --"
    return f"{own} prlimit --pid $(systemctl show -P MainPID {service}) --nofile={files}"


def logged(service: str, *lines: str) -> Break:
    """Have it write what it says into a file."""
    file = "/var/log/broken.log"
    said = shlex.join([*lines, f"StandardOutput=append:{file}"])
    return overridden(service, f"printf '%s\\n' {said}", after=f"rm -f {file}")


def unit(group: str) -> str:
    """The first service of a group."""
    services: tuple[str, ...] = getattr(known()[group], "services", ())
    return services[0]


def changed(file: str, edit: str, *also: str, reload: str = "") -> Break:
    """Edit a file with sed; `reload` is a command that makes it take effect, and also takes the mended one in."""
    kept = f"{KEPT}{file}"
    then = f" && {reload}" if reload else ""
    return Break(
        f"install -D /dev/null {kept} && cp -a {file} {kept} && sed -i {shlex.quote(edit)} {file}{then}",
        f"cp -a {kept} {file}{then}",
        also,
    )


def mode(path: str, wrong: str, right: str, *also: str) -> Break:
    """Change a mode."""
    return Break(f"chmod {wrong} {path}", f"chmod {right} {path}", also)


def overridden(service: str, lines: str, *also: str, files: str = "true", after: str = "true") -> Break:
    """Restart a service with a drop-in that says `lines` (printed by a shell command, in double quotes).

    `files` makes what the lines name; `after` repairs, before the service starts again, what it left as somebody else.
    """
    folder = f"/run/systemd/system/{service}.service.d"
    return Break(
        f"set -e; {files}; mkdir -p {folder}; {{ echo '[Service]'; {lines}; }} > {folder}/broken.conf; "
        f"systemctl daemon-reload; systemctl restart {service}",
        f"systemctl stop {service}; {after}; rm -rf {folder} {KEPT}; "
        f"systemctl daemon-reload; systemctl start {service}",
        also,
    )


def commanded(service: str, edit: str, *also: str, files: str = "true") -> Break:
    """Restart a service with its command edited by sed."""
    whole = shlex.quote(r":a; /\\$/ { N; s/\\\n *//; ba }")  # a command may go over several lines
    command = f"sed {whole} /etc/systemd/system/{service}.service | grep ^ExecStart="
    lines = f"echo ExecStart=; {command} | sed {shlex.quote(edit)}"
    return overridden(service, lines, *also, files=files)


def moved(service: str, port: int, *also: str) -> Break:
    """Restart a server on another port: one in Go ends when the kernel takes its socket away, and is soon up again."""
    return commanded(service, f"s/:{port}$/:{port + 10_000}/; s/:{port} /:{port + 10_000} /", UNDECLARED, *also)


def configured(group: str, file: str, edit: str, *also: str) -> Break:
    """Restart a daemon of ours on a copy of its configuration in which `file` is edited: what is converged stays."""
    folder = "/etc/primetime/" + role(group)
    copy = f"{KEPT}/{group}"
    files = f"mkdir -p {KEPT}; rm -rf {copy}; cp -a {folder} {copy}; sed -i {shlex.quote(edit)} {copy}/{file}"
    return commanded(unit(group), f"s#{folder}#{copy}#g", *also, files=files)


def heap(group: str, *also: str) -> Break:
    """Restart a JVM with a larger heap."""
    script = "s/-Xmx\\([0-9]*\\)m/-Xmx1\\1m/"
    return commanded(unit(group), script, *also)


def as_root(group: str, home: str, owner: str, *also: str) -> Break:
    """Restart a daemon as a root that may read and write its files, and give back afterwards what it then owned."""
    reach = "CapabilityBoundingSet=CAP_DAC_OVERRIDE"
    lines = f"printf '%s\\n' User=root Group=root {reach} Environment=HADOOP_USER_NAME={owner}"
    return overridden(unit(group), lines, *also, after=f"chown -R {owner}:{owner} {home}")


def process(group: str, command: str, mend: str, *also: str) -> Break:
    """Do something to a service's main process, $PID in both commands."""
    pid = f"PID=$(systemctl show -P MainPID {unit(group)}); "
    return Break(pid + command, pid + mend, also)
