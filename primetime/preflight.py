"""What the controlling machine needs, and installing it: called by `demo` and `test`, which mend by themselves.

Other verbs say what is missing and the command that mends it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

from primetime.errors import PrimetimeError

APT_WAIT_S = 300  # for an apt that is already at work on this machine

# command that must exist → Debian package that brings it
DEMO = {
    "systemd-nspawn": "systemd-container",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "ip": "iproute2",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "mvn": "maven",
}
# provider of vagrant's → what it needs beside DEMO, as far as Debian has it: (commands, files)
LXC_PLUGIN = "/usr/share/vagrant-plugins/plugins.d/vagrant-lxc.json"
LIBVIRT_PLUGIN = "/usr/share/vagrant-plugins/plugins.d/vagrant-libvirt.json"
VAGRANT: dict[str, tuple[dict[str, str], dict[str, str]]] = {
    "lxc": (
        {"vagrant": "vagrant", "lxc-create": "lxc", "sudo": "sudo", "rsync": "rsync"},
        {LXC_PLUGIN: "vagrant-lxc"},
    ),
    "libvirt": ({"vagrant": "vagrant"}, {LIBVIRT_PLUGIN: "vagrant-libvirt"}),
    "virtualbox": ({"vagrant": "vagrant"}, {}),
    "vmware_desktop": ({"vagrant": "vagrant"}, {}),
}
TEST = {**DEMO, "nginx": "nginx", "redis-server": "redis-server", "promtool": "prometheus"}
TEST_ALL = {**TEST, "chromium": "chromium", "chromedriver": "chromium-driver"}
# what `test` needs that brings no command of its own
TEST_MODULES = {
    "/usr/share/nginx/modules-available/mod-http-lua.conf": "libnginx-mod-http-lua",
    "/usr/share/lua/5.1/resty/core.lua": "lua-resty-core",
}


def missing(commands: dict[str, str], files: dict[str, str] | None = None) -> list[str]:
    """Packages that are not on this machine, each once."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    lacking = [package for command, package in commands.items() if not shutil.which(command, path=path)]
    lacking += [package for file, package in (files or {}).items() if not os.path.exists(file)]  # noqa: PTH110
    return list(dict.fromkeys(lacking))


def missing_for(provider: str) -> list[str]:
    """Packages that the machines of a provider, as topologies name it, need and that are not on this machine."""
    commands, files = VAGRANT.get(provider.removeprefix("vagrant:"), ({}, {}))
    return missing({**DEMO, **commands}, files)


def cut_short() -> bool:
    """Whether dpkg was interrupted on this machine: apt refuses to work until that is mended. Needs root."""
    if not any(Path("/var/lib/dpkg/updates").glob("[0-9]*")):
        return False
    with Path("/var/lib/dpkg/lock").open("r+") as held:
        try:
            fcntl.lockf(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False  # it is at work
    return True


def require_root(verb: str) -> None:
    """PrimetimeError unless running as root: hosts need mounts, a bridge and namespaces."""
    if os.geteuid() != 0:
        raise PrimetimeError(f"{verb} makes machines and networks, which takes root: run it as root or with sudo")


def require(packages: Iterable[str], verb: str) -> None:
    """PrimetimeError naming what is missing and the command that mends it."""
    packages = list(packages)
    if packages:
        raise PrimetimeError(f"{verb} needs {', '.join(packages)}: run 'apt-get install {' '.join(packages)}' as root")


def install(packages: list[str], progress: Callable[[str], None]) -> None:
    """Install Debian packages; PrimetimeError with apt's last words when that fails."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if not packages:
        return
    if cut_short():
        subprocess.run(["dpkg", "--configure", "-a"], env=environment, capture_output=True, stdin=subprocess.DEVNULL)
    progress(f"installing {', '.join(packages)}")
    wait = ["-o", f"DPkg::Lock::Timeout={APT_WAIT_S}"]
    for command in (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "install", *wait, "--no-install-recommends", *packages],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode and command[2] != "update":
            words = "\n".join((done.stdout + done.stderr).splitlines()[-8:])
            raise PrimetimeError(
                f"apt-get could not install {', '.join(packages)}: mend this, then run again:\n{words}"
            )
