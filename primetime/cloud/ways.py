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

from primetime.cloud import names
from primetime.cloud.found import Aws
from primetime.drivers.nspawn.state import write_text
from primetime.errors import PrimetimeError
from primetime.paths import home
from primetime.ssh_files import Host, host_key, key_pair, write_config
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


def to(services: Aws, topology: Topology, machines: Sequence[Machine], reached: Mapping[str, str]) -> Way:
    """Write what ssh needs for all machines; one that has not put its host key anywhere yet will not be let in to."""
    text = services.parameters.get_parameter(names.parameters(topology.name) + names.SSH)
    if text is None:
        raise PrimetimeError(f"{topology.name} has no ssh key: bin/primetime up -t {topology.given} --yes makes it")
    folder = home() / "ec2" / topology.name
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, known, config = (folder / name for name in ("ssh_key", "known_hosts", "ssh_config"))
    write_text(key, key_pair(private_key(text), "")[0], mode=0o600)
    with ThreadPoolExecutor(max_workers=8) as pool:
        host_keys = list(pool.map(lambda each: _host_key(services, topology, each), machines))
    hosts = [Host(each.name, reached[each.name], found) for each, found in zip(machines, host_keys, strict=True)]
    write_config(config, known, key, hosts)
    return Way(str(key), str(known), str(config))


def _host_key(services: Aws, topology: Topology, machine: Machine) -> str:
    found = services.read(topology.name, names.host_key(machine.group, machine.id))
    return host_key(found.decode()) if found else ""
