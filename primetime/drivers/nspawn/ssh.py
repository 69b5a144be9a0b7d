"""The way into hosts: keys, known_hosts, an ssh_config for `ssh -F`, and waiting until sshd answers.

Called by driver and network.
"""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from primetime import ssh_files
from primetime.drivers.nspawn import commands, machine
from primetime.drivers.nspawn.state import Network, NodeRecord, write_text
from primetime.errors import PrimetimeError

HOST_KEY = "etc/ssh/ssh_host_ed25519_key"
PROBE_TIMEOUT_S = 0.25
POLL_S = 0.05
MASTER_EXIT_S = 2


def make_network_key(network: Network) -> None:
    """The key pair that opens every host of a network, unless it is there."""
    if network.key.exists():
        return
    private, public = new_key(f"primetime-{network.name}")
    network.key.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_text(network.key.with_suffix(".pub"), public)
    write_text(network.key, private, mode=0o600)


def new_key(comment: str) -> tuple[str, str]:
    """An ed25519 key pair: (private, public)."""
    return ssh_files.key_pair(Ed25519PrivateKey.generate(), comment)  # in memory: cut short, it leaves no file


def write_config(network: Network) -> None:
    """Write known_hosts and ssh_config for the nodes there are. Call under `network.changing`.

    A node that has removed its own host key, as one that becomes an image does, is not known.
    """
    hosts = [ssh_files.Host(each.name, each.address, _host_key(network, each)) for each in network.records()]
    write_files(network, hosts)


def write_files(network: Network, hosts: Sequence[ssh_files.Host]) -> None:
    """The same, for hosts at hand. Call under `network.changing`."""
    shared = ("ControlMaster auto", f"ControlPath {network.run}/%h", "ControlPersist 60")
    ssh_files.write_config(network.ssh_config, network.known_hosts, network.key, hosts, shared)


def _host_key(network: Network, record: NodeRecord) -> str:
    public = (upper / f"{HOST_KEY}.pub" for upper in network.uppers(record))
    found = next((path for path in public if path.is_file()), None)
    return ssh_files.host_key(found.read_text()) if found else ""


def masters(under: Path) -> list[int]:
    """The processes that keep shared connections open, with a control socket at or under a path."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            title = (process / "cmdline").read_text(errors="replace")
            if title.startswith((f"ssh: {under}/", f"ssh: {under} ")) and title.rstrip("\0").endswith("[mux]"):
                found.append(int(process.name))
    return found


def close_master(network: Network, address: str) -> None:
    """End the shared connection to a host, if there is one: it would hang when the host goes without a word."""
    socket_path = network.run / address
    if socket_path.exists():
        commands.attempt("ssh", "-F", "none", "-S", socket_path, "-O", "exit", "any")
        deadline = time.monotonic() + MASTER_EXIT_S
        while masters(socket_path) and time.monotonic() < deadline:
            time.sleep(0.005)
        socket_path.unlink(missing_ok=True)


def wait(network: Network, records: Sequence[NodeRecord], timeout_s: float) -> None:
    """Until sshd of every host has said who it is; PrimetimeError with the console's end of each that does not."""
    deadline = time.monotonic() + timeout_s
    with ThreadPoolExecutor(max_workers=max(1, len(records))) as pool:
        found = list(pool.map(lambda record: _wait_for(network, record, deadline, timeout_s), records))
    failed = [text for text in found if text]
    if failed:
        up = ", ".join(record.name for record, text in zip(records, found, strict=True) if not text)
        raise PrimetimeError("\n".join([*failed, f"{up or 'no other host'} answered; run the same again when mended"]))


def _wait_for(network: Network, record: NodeRecord, deadline: float, timeout_s: float) -> str:
    """What went wrong with a host; empty when it answers."""
    while not _answers(record.address):
        if machine.leader(network.node(record.name)) is None:
            return _failed(network, record, "stopped before its ssh answered")
        if time.monotonic() > deadline:
            return _failed(network, record, f"did not answer ssh on port 22 within {timeout_s:g} s")
        time.sleep(POLL_S)
    return ""


def _failed(network: Network, record: NodeRecord, how: str) -> str:
    tail = machine.console_tail(network.node(record.name))
    return f"{network.name}: {record.name} ({record.address}) {how}: {tail}"


def _answers(address: str) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, 22), timeout=PROBE_TIMEOUT_S) as connection:
        return connection.recv(4) == b"SSH-"
    return False
