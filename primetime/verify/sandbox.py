"""What a unit's sandbox refuses, tried from inside one just like it. Called by primetime.verify.everyone.

Nothing enters a running unit with all of its fences: a system call filter belongs to the processes that systemd starts.
So a process is started under the sandbox lines of the unit's own file, tries what must fail, and says what it is; the
unit's main process must be the same.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from typing import Any

from primetime.flows import CLOSED
from primetime.verify.asking import once

# The lines of a unit that are its sandbox. RuntimeDirectory= is none: the probe's end would remove the unit's own.
SANDBOX = (
    *("User=", "Group=", "SupplementaryGroups=", "UMask=", "NoNewPrivileges=", "ReadWritePaths=", "Limit"),
    *("Protect", "Private", "Restrict", "Capability", "Ambient", "SystemCall", "IPAddress", "Lock", "MemoryDeny"),
)
NOT_SANDBOX = ("Restart",)
SYSTEM_FOLDERS = ("/", "/etc", "/opt", "/root", "/usr", "/var", "/var/lib", "/var/log")
NOWHERE = "198.51.100.1"  # of TEST-NET-2 (RFC 5737): outside of every cluster
NAMES = 53

# argv: {"system": folders, "others": folders, "send", "connect", "beyond": [[address, port]]}; prints {"did", "beyond":
# sentences, "is": its state}
PROBE = """
import errno, json, os, socket, sys
asked, did, beyond = json.loads(sys.argv[1]), [], []
def refused(what, attempt, *errors, told=did):
    try:
        attempt()
        told.append(what)
    except OSError as error:
        if error.errno not in errors:
            told.append(f"{what} was not refused but failed: {error}")
def write(folder):
    path = os.path.join(folder, ".primetime-probe")
    os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
    os.unlink(path)
def send(address, port):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(bytes(1), (address, port))
def connect(address, port):
    with socket.socket(socket.AF_INET) as tcp:
        tcp.settimeout(1)
        tcp.connect((address, port))
for folder in asked["system"]:
    refused(f"wrote to {folder}", lambda: write(folder), errno.EROFS, *([errno.EACCES] if folder == "/root" else []))
for folder in asked["others"]:
    refused(f"wrote to {folder}", lambda: write(folder), errno.EROFS, errno.EACCES)
for address, port in asked["send"]:
    refused(f"sent to {address}:{port}", lambda: send(address, port), errno.EPERM, errno.EAFNOSUPPORT)
for address, port in asked["beyond"]:
    refused(f"sent to {address}:{port}", lambda: send(address, port), errno.EPERM, errno.EAFNOSUPPORT, told=beyond)
for address, port in asked["connect"]:
    refused(f"connected to {address}:{port}", lambda: connect(address, port), None, errno.EAFNOSUPPORT)
state = [open("/proc/self/status").read(), open("/proc/self/mountinfo").read()]
print(json.dumps({"did": did, "beyond": beyond, "is": state}))
"""


# %s a unit: two files of its main process; nothing of a unit that has none.
_PROCESS = (
    "pid=$(systemctl show -P MainPID %s); test $pid = 0 || { cat /proc/$pid/status; echo; cat /proc/$pid/mountinfo; }"
)


@dataclass(frozen=True)
class Found:
    """What a probe did although it must not, in sentences, and what it was: its state as the kernel has it.

    `beyond` is of them what only the unit's own fence refuses, whatever the host's firewall lets out.
    """

    did: list[str]
    beyond: list[str]
    state: dict[str, str]


def tried(host: Any, node: Any, unit: str, ssh_port: int) -> Found:
    """What came of trying, in a sandbox like `unit`'s, all that must fail there: once, whoever asks."""

    def probe() -> Found:
        wanted = {
            "system": SYSTEM_FOLDERS,
            "others": others_data(host, unit),
            "beyond": [[NOWHERE, NAMES]] if fenced(host, unit) else [],
            **unreachable(node, ssh_port),
        }
        command = ["systemd-run", "--pipe", "--wait", "--collect", "--quiet", *_properties(host, unit)]
        done = host.run(shlex.join([*command, "/usr/bin/python3", "-c", PROBE, json.dumps(wanted)]))
        assert done.rc == 0, f"a process in its sandbox ended with exit code {done.rc}: {done.stderr.strip()}"
        found = json.loads(done.stdout)
        return Found(found["did"], found["beyond"], _state(*found["is"]))

    return once(host, f"tried {unit}", probe)


def process(host: Any, unit: str) -> dict[str, str] | None:
    """The state of a unit's main process; None of a unit that has none because it has done its work."""
    said = str(once(host, f"process of {unit}", lambda: host.check_output(_PROCESS, unit)))
    status, _, mounts = said.partition("\n\n")
    return _state(status, mounts) if said else None


def lines(host: Any, unit: str) -> list[str]:
    """A unit's file, and what is laid over it."""
    return str(once(host, f"lines of {unit}", lambda: host.check_output("systemctl cat %s", unit))).splitlines()


def fenced(host: Any, unit: str) -> bool:
    """Whether the unit says by itself, whatever the firewall says, whom it talks to: certain networks, or nobody."""
    said = _properties(host, unit)
    families = [family for line in said if "RestrictAddressFamilies=" in line for family in line.split("=")[1].split()]
    return "-pIPAddressDeny=any" in said or "AF_INET" not in families


def others_data(host: Any, unit: str) -> list[str]:
    """The folders that other units of ours on this host keep data in, and this one does not."""
    shown = once(host, "data of all", lambda: host.check_output("systemctl show -p Id -p ReadWritePaths 'primetime-*'"))
    units = [dict(line.split("=", 1) for line in block.splitlines()) for block in shown.split("\n\n")]
    written = {each.get("Id", ""): each.get("ReadWritePaths", "") for each in units}  # timers and paths write nothing
    own = written.get(unit if unit.endswith(".service") else f"{unit}.service", "").split()
    return sorted({folder for folders in written.values() for folder in folders.split()} - set(own))


def _properties(host: Any, unit: str) -> list[str]:
    return [f"-p{line}" for line in lines(host, unit) if line.startswith(SANDBOX) and not line.startswith(NOT_SANDBOX)]


def _state(status: str, mounts: str) -> dict[str, str]:
    kept = ("Uid", "Gid", "Groups", "NoNewPrivs", "Seccomp", "Cap")
    fields = dict(line.split(":", 1) for line in status.splitlines() if line.startswith(kept))
    (root,) = (fields[5] for fields in map(str.split, mounts.splitlines()) if fields[4] == "/")
    return {"/": root.split(",")[0], **{name: " ".join(value.split()) for name, value in fields.items()}}


def unreachable(node: Any, ssh_port: int) -> dict[str, list[list[Any]]]:
    """What no unit may talk to: an address outside, and the other hosts' ssh, which is there and not for them."""
    peers = [peer.address for peer in node.peers("base") if peer.name != node.name]
    return {"send": [[NOWHERE, CLOSED]], "connect": [[address, ssh_port] for address in peers[:1]]}
