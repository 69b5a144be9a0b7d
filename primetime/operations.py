"""Operations that several roles share, where pyinfra's own would say less or ask more."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import jinja2
from pyinfra import host, state
from pyinfra.api import FileUploadCommand, QuoteString, StringCommand, operation
from pyinfra.api.state import StateStage
from pyinfra.facts.deb import DebPackages
from pyinfra.facts.files import Directory
from pyinfra.facts.server import Command

from primetime import debs
from primetime.debs import DebSet
from primetime.paths import REPO
from primetime.secrets.value import Value


@operation()
def system_group(group: str) -> Generator[StringCommand]:
    """Have a system group."""
    if host.get_fact(Command, command=f"getent group {group} || true"):
        host.noop(f"group {group} exists")
        return
    yield StringCommand("groupadd", "--system", group)


@operation()
def system_user(user: str, home: str = "/nonexistent", groups: Sequence[str] = ()) -> Generator[StringCommand]:
    """Have a user with a group of its name, in `groups` too, that nobody can log in as.

    server.user reads every user, group and key of the host to know one: 0.2 s of CPU.
    """
    found = str(host.get_fact(Command, command=f"id -Gn {user} 2>/dev/null || true") or "").split()
    if not found:
        more = ["--groups", ",".join(groups)] if groups else []
        yield StringCommand(
            "useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", "-d", home, *more, user
        )
        return
    missing = [group for group in groups if group not in found]
    if missing:
        yield StringCommand("usermod", "--append", "--groups", ",".join(missing), user)
    else:
        host.noop(f"user {user} exists")


@operation()
def finish_packages() -> Generator[StringCommand]:
    """Have no package half installed, as a converge or a host killed in the middle of apt leaves it.

    apt itself refuses to work until this is done. `apt-get check` waits until an apt that still runs has ended.
    """
    looked = "ls /var/lib/dpkg/updates; dpkg --audit"
    if host.get_fact(Command, command=looked):
        yield StringCommand("apt-get check >/dev/null 2>&1; dpkg --configure -a")
    else:
        host.noop("every package is installed whole")


@operation()
def kernel_settings(wanted: Mapping[str, int]) -> Generator[StringCommand]:
    """Have these values in force, where the kernel lets this host set them: a container may set its network's only."""
    pairs = " ".join(f"{key}={value}" for key, value in wanted.items())
    differing = (
        f"for pair in {pairs}; do file=/proc/sys/$(echo ${{pair%=*}} | tr . /); "
        'test -w $file && test "$(cat $file)" != ${pair#*=} && echo $pair; done; true'
    )
    due = str(host.get_fact(Command, command=differing) or "").split() if pairs else []
    if due:
        yield StringCommand("sysctl", "-q", "-w", *due)
    else:
        host.noop("each is in force or not this host's to set")


@operation()
def unpack_tar(tar: str, into: str) -> Generator[StringCommand | FileUploadCommand]:
    """Have the content of `tar`, a local file, in folder `into`, which appears whole: one that exists is complete.

    `into` carries the content's version in its name. Uncompressed: sftp moves 150 MB/s, and jars and wheels hardly
    get smaller.
    """
    if host.get_fact(Directory, path=into):
        host.noop(f"{into} is there")
        return
    arriving, making = f"{into}.tar", f"{into}.new"
    yield StringCommand("mkdir", "-p", str(Path(into).parent))
    yield FileUploadCommand(tar, arriving, remote_temp_filename=arriving)
    yield StringCommand("rm", "-rf", making, "&&", "mkdir", making, "&&", "tar", "-xf", arriving, "-C", making)
    yield StringCommand("mv", making, into, "&&", "rm", arriving)


# $0: a tar as primetime.debs makes it. Only from it, and with lists of its own: the mirror's are large, slow to read,
# and a host may have no way there. SYSTEMD_OFFLINE: what is installed does not start before its role has configured it.
_INSTALL = r"""
set -e
from=$0 here=${0%.tar}
trap 'rm -rf "$from" "$here"' EXIT
rm -rf "$here"
mkdir -p "$here/lists/partial" "$here/cache/archives/partial"
tar -xf "$from" -C "$here"
echo "deb [trusted=yes] file:$here ./" > "$here/sources.list"
apt_get() {
    DEBIAN_FRONTEND=noninteractive SYSTEMD_OFFLINE=1 apt-get -q -y \
        -o Dir::Etc::SourceList="$here/sources.list" -o Dir::Etc::SourceParts=- -o Dir::State::Lists="$here/lists" \
        -o Dir::Cache="$here/cache" -o APT::Sandbox::User=root -o DPkg::Options::=--force-confdef \
        -o DPkg::Options::=--force-confold "$@"
}
mkdir -p /usr/share/man/man1  # slim images leave it out, and Java's package fails to link into it
apt_get update --error-on=any
apt_get install "$@"
"""


@operation()
def install_debs(packages: Sequence[str], image_root: str) -> Generator[StringCommand | FileUploadCommand]:
    """Have Debian packages, brought from the controlling machine's cache, on a host that began as this image."""
    installed = host.get_fact(DebPackages)
    lacking = [package for package in packages if package not in installed]
    if not lacking:
        host.noop("all are installed")
        return
    wanted = DebSet.of(packages, image_root)
    if state.current_stage == StateStage.Execute:  # a dry run fetches nothing
        debs.ensure(wanted, check=True)
    arriving = "/var/cache/primetime-debs.tar"
    yield FileUploadCommand(str(wanted.tar), arriving, remote_temp_filename=arriving)
    yield StringCommand("bash", "-c", QuoteString(_INSTALL), arriving, *lacking)


@operation()
def begin_service(unit: str) -> Generator[StringCommand]:
    """Have a service that was never kept running on its way up; others that it is ordered after may be so as well.

    One that is enabled was kept: when it is down now, whoever keeps it says so, and starts it.
    """
    asked = f"systemctl is-active {unit}; systemctl is-enabled {unit} 2>/dev/null; true"
    if {"active", "enabled"} & set(str(host.get_fact(Command, command=asked) or "").split()):
        host.noop(f"{unit} runs, or was kept before")
        return
    yield StringCommand("systemctl", "start", "--no-block", "--job-mode=ignore-dependencies", unit)


@operation()
def remove_other_versions(current: str) -> Generator[StringCommand]:
    """Have no other folder beside `current` whose name differs from its own in the version only (`name-VERSION`)."""
    stem = f"{current.rpartition('-')[0]}-"
    listing = host.get_fact(Command, command=f"ls -d {stem}* 2>/dev/null || true") or ""
    others = [path for path in str(listing).split() if path != current and path.startswith(stem)]
    if others:
        yield StringCommand("rm", "-rf", *others)
    else:
        host.noop(f"nothing but {current}")


@operation()
def secret_file(
    content: Value, dest: str, mode: str, user: str = "root", group: str = "root"
) -> Generator[StringCommand]:
    """Have a secret in a file, and nowhere else.

    files.put prints a diff, opens the file to all until it has the right mode, and writes it in place. Here the content
    goes through standard input (an argument is in /proc for everybody) to a file that is nobody else's from its first
    byte, and takes its name when it is whole.
    """
    text = content.text if content.text.endswith("\n") else f"{content.text}\n"
    place, new = shlex.quote(dest), shlex.quote(f"{dest}.new")
    wanted = f"{user} {group} {mode} {hashlib.sha256(text.encode()).hexdigest()}"
    look = f"stat -c '%U %G %a' {place} 2>/dev/null && sha256sum <{place} | cut -c1-64"
    found = str(host.get_fact(Command, command=f"{look} || true") or "").split()
    if found == wanted.split():
        host.noop(f"{dest} has its secret")
        return
    yield StringCommand("mkdir", "-p", shlex.quote(str(Path(dest).parent)))
    yield StringCommand(f"umask 077 && rm -f {new} && cat >{new}", _stdin=text)
    yield StringCommand(f"chown {user}:{group} {new} && chmod {mode} {new} && mv {new} {place}")


def rendered(template: str, **values: object) -> Value:
    """A template of the repository as a secret's content; what is undefined is an error."""
    environment = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
    return Value(template, environment.from_string((REPO / template).read_text()).render(values))
