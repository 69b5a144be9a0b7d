"""Vagrant's errors as ours: a type for each that a program may want to tell apart, vagrant's own reason, the next step.

Called by commands. The table names vagrant's classes as `error-exit` rows have them; several machines at once fail as
one `BatchMultiError`, whose text holds each machine's reason.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from primetime.drivers.vagrant.rows import Row
from primetime.errors import PrimetimeError

PLUGINS = {
    "lxc": "apt-get install -y vagrant-lxc lxc",
    "libvirt": "apt-get install -y vagrant-libvirt",
    "virtualbox": "install VirtualBox, so that VBoxManage is on the PATH",
    "vmware_desktop": "install VMware and its utility, then vagrant plugin install vagrant-vmware-desktop",
}


@dataclass(frozen=True)
class Reason:
    """What vagrant said of one machine, or of all (`machine` is empty)."""

    kind: str  # vagrant's class without its modules; empty when it named none
    text: str
    machine: str = ""


class VagrantError(PrimetimeError):
    """Vagrant ended with an error; `reasons` are its own."""

    next_step = "mend it, then repeat"

    def __init__(self, words: Sequence[str], reasons: Sequence[Reason]) -> None:
        self.words, self.reasons = tuple(words), tuple(reasons)
        said = "; ".join(self._said(reason) for reason in self.reasons)
        super().__init__(f"vagrant {shlex.join(words)}: {said}: {self._next()}")

    def _said(self, reason: Reason) -> str:
        sentence = " ".join(_by_hand(reason.text).split()).rstrip(".:")
        return f"{reason.machine}: {sentence}" if reason.machine else sentence

    def _next(self) -> str:
        return self.next_step


class ProviderMissing(VagrantError):
    """Vagrant has no such provider, or what it drives is not on this machine."""

    def _next(self) -> str:
        named = re.search(r"provider '(\w+)'", self.reasons[0].text)
        return PLUGINS.get(named[1], self.next_step) if named else self.next_step


class HypervisorSilent(VagrantError):
    """The plugin is there, and the daemon that it drives does not answer."""

    next_step = "apt-get install -y libvirt-daemon-system qemu-system-x86, or start libvirtd, then repeat"


class MachineBusy(VagrantError):
    """Another vagrant is at work on the machine."""

    next_step = "wait until that vagrant has ended, or end it, then repeat"


class OtherProvider(VagrantError):
    """The machine is there, made by another provider."""

    next_step = "bring it up with that provider, or remove it first (bin/primetime down)"


class MachineUnknown(VagrantError):
    """The topology has no such machine."""

    next_step = "bin/primetime status lists those there are"


class MachineNotRunning(VagrantError):
    """The machine is not there, or does not run: somebody else may have removed or stopped it."""

    next_step = "bin/primetime up makes and starts what is missing"


class MachineInTheWay(VagrantError):
    """There is one of its name that vagrant does not know (any more)."""

    next_step = "bin/primetime down removes it"


class BoxBroken(VagrantError):
    """The box is not whole, or cannot be had."""

    next_step = "vagrant box remove NAME, so that it is added anew, then repeat"


class NoSnapshots(VagrantError):
    """The provider keeps no snapshots, or has none of the name."""

    next_step = "vagrant snapshot list names those there are"


class NoAnswer(VagrantError):
    """The machine booted and does not answer ssh, or not to vagrant's key."""

    next_step = "look at its console, then vagrant reload it, or remove it and make it again"


class ToolFailed(VagrantError):
    """What vagrant called ended with an error, whose words vagrant keeps to itself."""

    next_step = "the command by hand says why (VAGRANT_LOG=debug, too)"


_KINDS: dict[str, type[VagrantError]] = {
    "ProviderNotFound": ProviderMissing,
    "ProviderNotUsable": ProviderMissing,
    "NoDefaultProvider": ProviderMissing,
    "LxcNotInstalled": ProviderMissing,
    "FogLibvirtConnectionError": HypervisorSilent,
    "MachineActionLockedError": MachineBusy,
    "MachineLocked": MachineBusy,
    "EnvironmentLockedError": MachineBusy,
    "ActiveMachineWithDifferentProvider": OtherProvider,
    "MachineNotFound": MachineUnknown,
    "VMNotCreatedError": MachineNotRunning,
    "VMNotRunningError": MachineNotRunning,
    "SSHNotReady": MachineNotRunning,
    "ContainerAlreadyExists": MachineInTheWay,
    "RootFSTarballMissing": BoxBroken,
    "TemplateFileMissing": BoxBroken,
    "IncompatibleBox": BoxBroken,
    "BoxAddShortNotFound": BoxBroken,
    "BoxChecksumMismatch": BoxBroken,
    "BoxMetadataFileNotFound": BoxBroken,
    "BoxMetadataCorrupted": BoxBroken,
    "BoxMetadataMalformed": BoxBroken,
    "BoxNotFound": BoxBroken,
    "BoxUnpackageFailure": BoxBroken,
    "DownloaderError": BoxBroken,
    "SnapshotNotFound": NoSnapshots,
    "SnapshotNotSupported": NoSnapshots,
    "VMBootTimeout": NoAnswer,
    "VMBootBadState": NoAnswer,
    "SSHAuthenticationFailed": NoAnswer,
    "SSHConnectionTimeout": NoAnswer,
    "ExecuteError": ToolFailed,
}
# of a text without its class: one machine's part of a BatchMultiError, or an end before there are rows
_TEXTS = (
    ("another process is already executing an action", "MachineActionLockedError"),
    ("There was an error executing [", "ExecuteError"),
    ("lxc_invalid_box_version", "RootFSTarballMissing"),
    ("base box you are trying to use is not compatible", "IncompatibleBox"),
    ('The "metadata.json" file for the box', "BoxMetadataFileNotFound"),
    ("box failed to unpackage", "BoxUnpackageFailure"),
    ("Timed out while waiting for the machine to boot", "VMBootTimeout"),
)
# what vagrant's own words leave out
_WORDS = {
    "translation missing: en.vagrant.errors.lxc_invalid_box_version": "the box has no rootfs.tar.gz",
    "translation missing: en.vagrant.errors.lxc_container_already_exists": "there is a container of its name",
}
_EARLY = "Vagrant failed to initialize at a very early stage:"
_PART = re.compile(r"An error occurred while executing the action on the '([^']+)'\nmachine\. Please handle .*?:\n\n")


def error_of(words: Sequence[str], found: Iterable[Row], stderr: str) -> VagrantError:
    """The error that vagrant ended with, from its rows, or from its plain words when it ended before its first row."""
    reasons = [reason for row in found if row.kind == "error-exit" for reason in _reasons(*row.data[:2])]
    if not reasons:
        text = stderr.replace(_EARLY, "").strip() or "it ended with an error and no word"
        reasons = [Reason(_kind_of(text), text)]
    types = {_KINDS.get(reason.kind, VagrantError) for reason in reasons}
    return (types.pop() if len(types) == 1 else VagrantError)(words, reasons)


def _reasons(name: str, text: str = "") -> list[Reason]:
    kind = name.rpartition("::")[2]
    if kind != "BatchMultiError":
        return [Reason(kind, _WORDS.get(text.strip(), text.strip()))]
    parts = _PART.split(text)[1:]
    found = zip(parts[::2], (part.strip() for part in parts[1::2]), strict=True)
    return [Reason(_kind_of(said), _WORDS.get(said, said), machine) for machine, said in found]


def _kind_of(text: str) -> str:
    return next((kind for part, kind in _TEXTS if part in text), "")


def _by_hand(text: str) -> str:
    """A failed command as a person would type it, in place of vagrant's list of its words and its hint."""
    found = re.match(r"There was an error executing (\[.*?\])\n", text + "\n", re.DOTALL)
    try:
        command = json.loads(found[1]) if found else None
    except ValueError:
        command = None
    if not command:
        return text
    while command and command[0] in ("sudo", "/usr/bin/env"):
        command.pop(0)
    return f"this failed: {shlex.join(command)}"
