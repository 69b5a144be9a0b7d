"""What goes into an image: packages, what is masked, and the few files that every host has.

Called by images. The hash of a recipe names the image built from it, so a change here makes a new image.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from hashlib import sha256

from primetime.drivers.nspawn import sources

_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "python3",  # testinfra's and pyinfra's facts, and the shipper
    "iproute2",
    "ca-certificates",
    "procps",
    "nftables",
)
# Of no use in a container that is a few seconds old and lives for an hour: each costs boot time, or wakes up in the
# middle of a measurement. A name with a folder keeps a unit from starting at boot, and no more than that: logind
# comes when `systemctl reboot` asks for it.
_MASKED = (
    "apt-daily.timer",
    "apt-daily-upgrade.timer",
    "console-getty.service",
    "cryptsetup.target",
    "dev-hugepages.mount",
    "dpkg-db-backup.timer",
    "e2scrub_all.timer",
    "e2scrub_reap.service",
    "fstrim.timer",
    "getty.target",
    "integritysetup.target",
    "kmod-static-nodes.service",
    "man-db.timer",
    "multi-user.target.wants/systemd-logind.service",
    "proc-sys-fs-binfmt_misc.automount",
    "remote-fs.target",
    "sys-fs-fuse-connections.mount",
    "sys-kernel-config.mount",
    "sys-kernel-debug.mount",
    "sys-kernel-tracing.mount",
    "systemd-ask-password-console.path",
    "systemd-ask-password-wall.path",
    "systemd-binfmt.service",
    "systemd-firstboot.service",
    "systemd-journald-audit.socket",
    "systemd-machine-id-commit.service",
    "systemd-modules-load.service",
    "systemd-networkd-wait-online.service",
    "systemd-network-generator.service",
    "systemd-pcrphase.service",
    "systemd-pcrphase-sysinit.service",
    "systemd-pstore.service",
    "systemd-random-seed.service",
    "systemd-repart.service",
    "systemd-update-utmp.service",
    "systemd-update-utmp-runlevel.service",
    "tmp.mount",  # trixie's tmpfs would count against a host's memory cap
    "veritysetup.target",
)
_ENABLED = ("systemd-networkd.service", "ssh.service")
_DPKG = (
    "force-unsafe-io",  # packages of a host need not survive a power cut
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/locale/*",
    "path-exclude=/usr/share/doc/*",
    "path-include=/usr/share/doc/*/copyright",
)
_FILES = {
    "etc/machine-id": "",  # empty, not absent: absent means a first boot, with all of its presets
    "etc/.updated": "",  # newer than /usr: nothing to bring up to date at each host's first boot
    "var/.updated": "",
    "etc/default/locale": "LANG=C.UTF-8\n",
    "etc/systemd/journald.conf.d/10-nspawn.conf": "[Journal]\nRuntimeMaxUse=16M\nSystemMaxUse=32M\n",
    "etc/ssh/sshd_config.d/10-nspawn.conf": (
        "HostKey /etc/ssh/ssh_host_ed25519_key\n"
        "UseDNS no\n"
        "MaxStartups 100\n"
        "MaxSessions 100\n"  # one shared connection carries every check of a host
    ),
    # Without it apt.update(cache_time=...) would fetch the lists again that came with the image.
    "var/lib/apt/periodic/update-success-stamp": "",
}


@dataclass(frozen=True)
class Recipe:
    """All that decides what is in an image. It may name this machine's mirror and proxy: only its hash is kept."""

    release: str
    sources: list[str]
    apt: list[str]
    authorities: Mapping[str, str]
    packages: tuple[str, ...] = _PACKAGES
    masked: tuple[str, ...] = _MASKED
    enabled: tuple[str, ...] = _ENABLED
    dpkg: tuple[str, ...] = _DPKG
    files: Mapping[str, str] = field(default_factory=lambda: _FILES)

    @classmethod
    @cache  # asked for every host that is made
    def of(cls, release: str) -> Recipe:
        """The recipe of a release on this machine."""
        apt = [*sources.machine_apt_options(), 'Acquire::Languages "none";']
        return cls(release, sources.machine_sources(release), apt, sources.authorities())

    @property
    def digest(self) -> str:
        return _digest(asdict(self))

    @property
    def content(self) -> str:
        """What names all of it but where it comes from."""
        origin = ("sources", "apt", "authorities")
        return _digest({key: value for key, value in asdict(self).items() if key not in origin})


def _digest(value: Mapping[str, object]) -> str:
    return sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:12]
