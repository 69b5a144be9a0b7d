"""The way into a topology's machines: ours beside vagrant's, so that roles are brought the same way everywhere.

Vagrant's own way (`ssh-config`) is for its user, checks no host key, and differs by provider. Through it, or into a
container by LXC's own, our key becomes root's on each machine, and its host key known here: called by driver after each
start. From then on ssh goes to the machine's own address, as to a local host.
"""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from primetime.drivers.nspawn import ssh
from primetime.drivers.vagrant import containers
from primetime.drivers.vagrant.boxes import first_key
from primetime.drivers.vagrant.commands import vagrant
from primetime.drivers.vagrant.project import Project
from primetime.drivers.vagrant.rows import by_target
from primetime.errors import PrimetimeError
from primetime.ssh_files import Host

ANSWER_S = 60
# $0 our public key. The host key is the one that sshd shows to us.
_ADMIT = """
set -e
install -d -m 700 /root/.ssh
touch /root/.ssh/authorized_keys
chmod 600 /root/.ssh/authorized_keys
grep -qxF "$0" /root/.ssh/authorized_keys || echo "$0" >> /root/.ssh/authorized_keys
cut -d " " -f 1,2 /etc/ssh/ssh_host_ed25519_key.pub
"""
# $1 the key that everybody's vagrant comes into new machines with: not needed beside ours (vagrant/lxc-template).
# $2 the machine's name: a snapshot that is restored has its container's.
_SETTLE = """
theirs=/home/vagrant/.ssh/authorized_keys
if grep -qxF "$1" $theirs && grep -qxF "$0" $theirs; then
    rest=$(grep -vxF "$1" $theirs)
    echo "$rest" > $theirs
fi
test "$(uname -n)" = "$2" || { echo "$2" > /etc/hostname; hostname "$2"; }
"""


def vagrants_own(project: Project, machines: list[str]) -> dict[str, str]:
    """Machine → the block of ssh's configuration that vagrant would reach it with; they must run."""
    return by_target(vagrant(project, "ssh-config", *machines), "ssh-config")


def admit(project: Project, machines: list[str], addresses: Mapping[str, str]) -> None:
    """Open running machines to our key, and write how to reach all of `addresses`; PrimetimeError when one refuses."""
    network = project.network
    public = network.key.with_suffix(".pub").read_text().strip()
    keys = (_through_lxc if project.provider == "lxc" else _through_ssh)(project, machines, public)
    with network.changing("noting how to reach its machines"):
        every = {**_known(network.known_hosts), **keys}
        hosts = [Host(name, addresses[name], key) for name, key in every.items() if name in addresses]
        ssh.write_files(network, hosts)


def known(project: Project) -> set[str]:
    """The machines that are open to our key."""
    return set(_known(project.network.known_hosts))


def _known(file: Path) -> dict[str, str]:
    """Machine → host key, of a known_hosts of ours."""
    lines = file.read_text().splitlines() if file.exists() else []
    return {line.split(",")[0]: line.split(" ", 1)[1] for line in lines}


def _through_lxc(project: Project, machines: list[str], public: str) -> dict[str, str]:
    """Machine → host key, once containers have our public one: without vagrant, which takes seconds to say its way."""
    ids, first = project.ids(), first_key().read_text().strip()
    script = _ADMIT + _SETTLE
    return {name: _host_key(name, containers.run(ids[name], script, public, first, name)) for name in machines}


def _through_ssh(project: Project, machines: list[str], public: str) -> dict[str, str]:
    """Machine → host key, once machines have our public one, by vagrant's own way of ssh."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(max_workers=8) as pool:
        config = Path(folder) / "ssh_config"
        config.write_text("\n".join(vagrants_own(project, machines).values()))
        return dict(zip(machines, pool.map(lambda name: _admit(config, name, public), machines), strict=True))


def _admit(config: Path, name: str, public: str) -> str:
    remote = f"sudo sh -c {shlex.quote(_ADMIT)} {shlex.quote(public)}"
    command = ["ssh", "-F", str(config), "-o", "BatchMode=yes", name, remote]
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=ANSWER_S)
    except subprocess.TimeoutExpired as error:
        raise PrimetimeError(f"{name} did not answer vagrant's way of ssh within {ANSWER_S} s: repeat") from error
    return _host_key(name, done)


def _host_key(name: str, done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode != 0 or not done.stdout.startswith("ssh-"):
        said = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
        raise PrimetimeError(f"{name} cannot be opened to our key by way of vagrant's: {said[0]}: mend it, then repeat")
    return done.stdout.strip()
