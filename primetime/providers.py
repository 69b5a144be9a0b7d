"""Provider name in a topology → libcloud driver for it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

from libcloud.compute.providers import get_driver

import primetime.drivers  # noqa: F401  (registers ours with libcloud)
from primetime.errors import UsageError
from primetime.topology import Topology


def driver_for(topology: Topology) -> Any:
    """The libcloud NodeDriver that holds this topology's machines on this machine. UsageError for one on EC2."""
    if topology.cloud:
        raise UsageError(f"{topology.name} is on EC2: this is of machines on this machine")
    return get_driver(topology.provider)(topology.name, ex_cidr=topology.network)


def held(topology: Topology, verb: str) -> AbstractContextManager[None]:
    """A topology's lock, while `verb` is at work on it; PrimetimeError naming who else is."""
    if topology.cloud:
        from primetime.cloud import lock, machines  # imported late: other topologies need nothing of AWS

        return lock.held(machines.services(topology).ec2, topology.name, verb)
    locked: AbstractContextManager[None] = driver_for(topology).ex_lock(verb)
    return locked
