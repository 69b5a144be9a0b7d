"""Which secrets a topology needs, where they are kept, and making what can be made.

Called by `up` and `demo` (they make), by the inventory (it checks before any host is touched), by here.secret, by
promises, and by the verb `secret`.
"""

from __future__ import annotations

import difflib
from pathlib import Path

from primetime.errors import PrimetimeError, UsageError
from primetime.paths import home
from primetime.secrets.declared import Secret
from primetime.secrets.keys import Key
from primetime.secrets.store import Store
from primetime.secrets.value import Value
from primetime.settings import known
from primetime.topology import Topology

LOCAL = ("nspawn", "vagrant")  # their machines and secrets are this machine's own: made at first `up`


def store(topology: Topology) -> Store:
    """Local topologies keep theirs in PRIMETIME_HOME; others beside the topology file, where it can be committed."""
    name = f"{topology.name}.secrets"
    folder = home() / "secrets" if is_local(topology) else Path(topology.file).absolute().parent
    return Store(folder / name, Key(home() / "keys" / f"{topology.name}.key"))


def is_local(topology: Topology) -> bool:
    return topology.provider in LOCAL


def declared(topology: Topology) -> dict[str, tuple[str, Secret]]:
    """Name → (owner, secret) of all that the topology's roles declare, in order of their hosts."""
    return {
        secret.name: (group, secret)
        for group in topology.all_groups()
        if group in known()
        for secret in getattr(known()[group], "secrets", ())
    }


def missing(topology: Topology) -> list[str]:
    """Declared, and not set."""
    wanted = declared(topology)
    return sorted(wanted.keys() - store(topology).entries().keys()) if wanted else []


def make_missing(topology: Topology) -> list[str]:
    """Make what is missing of a local topology; returns the names made. What comes from elsewhere is not made."""
    wanted = declared(topology)
    values = {name: wanted[name][1].make() for name in missing(topology) if wanted[name][1].random_bytes}
    return store(topology).set(values, replace=False) if values and is_local(topology) else []


def check(topology: Topology) -> None:
    """PrimetimeError that names each missing secret and where to put it."""
    wanted = declared(topology)
    sentences = []
    for name in missing(topology):
        group, secret = wanted[name]
        command = f"bin/primetime secret set {name} -t {topology.argument}"
        if secret.random_bytes:
            make = "up" if is_local(topology) else f"secret rotate {name}"
            command = f"bin/primetime {make} -t {topology.argument} makes it, or {command}"
        sentences.append(
            f"Secret {name} of {topology.name} ({group}: {secret.purpose}) is not in {store(topology).file}: {command}"
        )
    if sentences:
        raise PrimetimeError("\n".join(sentences))


def value(topology: Topology, name: str) -> Value:
    """One secret's value; PrimetimeError when it is not set."""
    found = store(topology).get(known_name(topology, name))
    if found is None:
        check(topology)
        raise PrimetimeError(f"Secret {name} of {topology.name} is not set: bin/primetime secret list shows what is")
    return found


def known_name(topology: Topology, name: str) -> str:
    """`name`, or UsageError when no role of the topology declares it."""
    wanted = declared(topology)
    if name not in wanted:
        close = difflib.get_close_matches(name, wanted, n=1)
        hint = f"did you mean {close[0]}?" if close else f"it has {', '.join(wanted) or 'none'}"
        raise UsageError(f"{topology.name} has no secret {name} ({hint})")
    return name
