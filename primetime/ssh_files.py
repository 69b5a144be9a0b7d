"""What ssh reads: a key pair, known_hosts, a configuration for `ssh -F`. Called by whoever has machines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from primetime.drivers.nspawn.state import write_text


class Host(NamedTuple):
    """A machine: its name, where ssh reaches it, and its host key, empty when nobody knows it."""

    name: str
    address: str
    key: str


def key_pair(key: Ed25519PrivateKey, comment: str) -> tuple[str, str]:
    """(private, public) as files have them."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return private.decode(), f"{public.decode()} {comment}\n"


def host_key(public: str) -> str:
    """The host key in a .pub file, without its comment."""
    return " ".join(public.split()[:2])


def write_config(config: Path, known_hosts: Path, key: Path, hosts: Sequence[Host], more: Iterable[str] = ()) -> None:
    """Write both files for root on `hosts`, opened by `key`; a host without a known key is not let in to.

    `more` are lines of the configuration that hold for all hosts.
    """
    write_text(known_hosts, "".join(f"{host.name},{host.address} {host.key}\n" for host in hosts if host.key))
    lines = [line for host in hosts for line in (f"Host {host.name}", f"  HostName {host.address}")]
    for_all = (
        *("User root", f"IdentityFile {key}", "IdentitiesOnly yes"),
        *(f"UserKnownHostsFile {known_hosts}", "StrictHostKeyChecking yes", "BatchMode yes"),
        *("ConnectTimeout 10", "ServerAliveInterval 5", "LogLevel ERROR"),
        *more,
    )
    write_text(config, "\n".join([*lines, "Host *", *(f"  {line}" for line in for_all)]) + "\n")
