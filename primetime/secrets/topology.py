"""Which secrets a topology needs, where they are kept, and making what can be made.

Called by `up` and `demo` (they make), by the inventory (it checks before any host is touched), by here.secret, by
promises, and by the verb `secret`.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from primetime.errors import PrimetimeError, UsageError
from primetime.overrides import overrides
from primetime.paths import home
from primetime.secrets.declared import Secret
from primetime.secrets.keys import Key
from primetime.secrets.store import Store
from primetime.secrets.value import Value
from primetime.settings import from_data, known
from primetime.topology import Topology, inventory_groups

if TYPE_CHECKING:
    from primetime.secrets.parameters import ParameterStore


def store(topology: Topology) -> Store | ParameterStore:
    """A topology on EC2 keeps its secrets there, in SecureString parameters; others theirs in PRIMETIME_HOME."""
    if topology.cloud:
        from primetime.secrets.parameters import ParameterStore  # imported late: other topologies need nothing of AWS

        return ParameterStore(topology.name, topology.cloud.region)
    return Store(home() / "secrets" / f"{topology.name}.secrets", Key(home() / "keys" / f"{topology.name}.key"))


def declared(topology: Topology) -> dict[str, tuple[str, Secret]]:
    """Name → (owner, secret) of all that the topology's roles declare, in order of their hosts."""
    groups = topology.all_groups()
    for each in topology.cloud.groups if topology.cloud else ():
        groups += [group for group in inventory_groups(list(each.roles)) if group not in groups]
    return {
        secret.name: (group, secret)
        for group in groups
        if group in known()
        for secret in getattr(known()[group], "secrets", ())
        if _needed(secret, group, topology)
    }


def _needed(secret: Secret, group: str, topology: Topology) -> bool:
    if not secret.when:
        return True
    return bool(getattr(from_data(known()[group], overrides([group], topology.settings)), secret.when))


def readable(topology: Topology, groups: Collection[str]) -> list[str]:
    """The secrets that hosts in these groups work with: their roles' own, and those that name them as readers."""
    return [
        name
        for name, (owner, secret) in declared(topology).items()
        if owner in groups or set(secret.readers) & set(groups)
    ]


def since(topology: Topology, groups: Collection[str]) -> dict[str, datetime]:
    """The secrets that hosts in these groups work with, and when the value of each was set."""
    kept = store(topology)
    dates = {name: kept.since(name) for name in readable(topology, groups)}
    return {name: date for name, date in sorted(dates.items()) if date is not None}


def missing(topology: Topology) -> list[str]:
    """Declared, and not set."""
    wanted = declared(topology)
    return sorted(wanted.keys() - store(topology).entries().keys()) if wanted else []


def make_missing(topology: Topology) -> list[str]:
    """Make what is missing; returns the names made. What comes from elsewhere is not made."""
    wanted = declared(topology)
    values = {name: wanted[name][1].make() for name in missing(topology) if wanted[name][1].random_bytes}
    return store(topology).set(values, replace=False) if values else []


def forget(topology: Topology) -> None:
    """Remove all of a topology's secrets, and their key: of machines that were made to be thrown away."""
    kept = store(topology)
    assert isinstance(kept, Store)
    kept.remove()


def check(topology: Topology) -> None:
    """PrimetimeError that names each missing secret and where to put it."""
    wanted = declared(topology)
    sentences = []
    for name in missing(topology):
        group, secret = wanted[name]
        command = f"bin/primetime secret set {name} -t {topology.argument}"
        if secret.random_bytes:
            command = f"bin/primetime up -t {topology.argument} makes it, or {command}"
        sentences.append(
            f"Secret {name} of {topology.name} ({group}: {secret.purpose}) is not in {store(topology).file}: {command}"
        )
    if sentences:
        raise PrimetimeError("\n".join(sentences))


def value(topology: Topology, name: str) -> Value:
    """One secret's value; PrimetimeError when it is not set."""
    found = store(topology).get(known_name(topology, name))
    if found is None:
        if not topology.cloud:  # whose machines may not list them
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
