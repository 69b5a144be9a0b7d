"""The way onto machines on EC2: the key that opens them, and what their own host keys are. Called by living.

The key is a parameter that only operators may read; each machine puts its host key into the topology's bucket when it
configures itself, so no first connection is taken on trust.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from primetime.cloud import names
from primetime.cloud.found import Aws
from primetime.drivers.nspawn.state import write_text
from primetime.errors import PrimetimeError
from primetime.paths import home
from primetime.topology import Topology

if TYPE_CHECKING:
    from primetime.cloud.living import Machine


@dataclass(frozen=True)
class Way:
    """Files on this machine that ssh takes."""

    key: str
    known_hosts: str
    config: str


def private_key(text: str) -> Ed25519PrivateKey:
    """The key that a parameter holds: 32 bytes in URL-safe base64."""
    return Ed25519PrivateKey.from_private_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def public_line(key: Ed25519PrivateKey, comment: str) -> str:
    """As authorized_keys takes it."""
    return f"{key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()} {comment}"


def to(services: Aws, topology: Topology, machines: Sequence[Machine], reached: Mapping[str, str]) -> Way:
    """Write what ssh needs for all machines; one that has not put its host key anywhere yet will not be let in to."""
    text = services.parameters.get_parameter(names.parameters(topology.name) + names.SSH)
    if text is None:
        raise PrimetimeError(f"{topology.name} has no ssh key: bin/primetime up -t {topology.given} --yes makes it")
    folder = home() / "ec2" / topology.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, known, config = (folder / name for name in ("ssh_key", "known_hosts", "ssh_config"))
    private = private_key(text).private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    write_text(key, private.decode(), mode=0o600)
    with ThreadPoolExecutor(max_workers=8) as pool:
        host_keys = list(pool.map(lambda each: _host_key(services, topology, each), machines))
    lines = [
        f"{each.name},{reached[each.name]} {host_key}\n"
        for each, host_key in zip(machines, host_keys, strict=True)
        if host_key
    ]
    write_text(known, "".join(lines))
    hosts = [f"Host {each.name}\n  HostName {reached[each.name]}\n" for each in machines]
    write_text(config, "".join(hosts) + _for_all(Way(str(key), str(known), "")))
    return Way(str(key), str(known), str(config))


def _host_key(services: Aws, topology: Topology, machine: Machine) -> str:
    found = services.read(topology.name, names.host_key(machine.group, machine.id))
    return " ".join(found.decode().split()[:2]) if found else ""


def _for_all(way: Way) -> str:
    return f"""Host *
  User root
  IdentityFile {way.key}
  IdentitiesOnly yes
  UserKnownHostsFile {way.known_hosts}
  StrictHostKeyChecking yes
  BatchMode yes
  ConnectTimeout 10
  ServerAliveInterval 5
  LogLevel ERROR
"""
