"""Provider name in a topology → libcloud driver for it.

A topology's machines may be made by another provider than its file says (`demo --provider vagrant:lxc`): from then on,
and until `down`, every verb finds them there.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

from libcloud.compute.providers import get_driver

import primetime.drivers  # noqa: F401  (registers ours with libcloud)
from primetime.drivers.nspawn.state import Network
from primetime.drivers.vagrant import containers, project
from primetime.errors import UsageError
from primetime.topology import Topology
from primetime.topology.checking import PROVIDERS, problem_of_provider


def driver_for(topology: Topology) -> Any:
    """The libcloud NodeDriver that holds this topology's machines on this machine. UsageError for one on EC2."""
    if topology.cloud:
        raise UsageError(f"{topology.name} is on EC2: this is of machines on this machine")
    kind, _, by = provider_of(topology).partition(":")
    if kind == "vagrant":
        file = topology.file
        return get_driver(kind)(topology.name, ex_provider=by, ex_topology=file, ex_cidr=topology.network)
    return get_driver(kind)(topology.name, ex_cidr=topology.network)


def provider_of(topology: Topology) -> str:
    """The provider of a topology's machines: of those that are there, or else of those to be made."""
    return remembered(topology.name) or topology.provider


def remembered(name: str) -> str:
    """The provider that a topology's machines were made by; empty when there is none."""
    network = Network(name)
    if made := project.recorded(name):
        return f"vagrant:{made.provider}"
    if containers.named(name):  # whoever made them died before noting it, or somebody removed the note
        return "vagrant:lxc"
    return "nspawn" if network.records() else ""


def choose(topology: Topology, wanted: str | None) -> Topology:
    """The topology with another local provider; UsageError when it is none, or its machines have another."""
    if wanted is None:
        return topology
    if topology.cloud or wanted == "ec2":
        raise UsageError(f"--provider is of machines on this machine: {topology.name} cannot go to or from EC2")
    if wanted not in PROVIDERS:
        raise UsageError(f"--provider {wanted}: there is no such provider: {problem_of_provider(wanted)}")
    has = remembered(topology.name)
    if has not in ("", wanted):
        raise UsageError(
            f"{topology.name} is up by {has}, not {wanted}: "
            f"bin/primetime down -t {topology.given} --yes removes it first"
        )
    return replace(topology, provider=wanted)


def held(topology: Topology, verb: str) -> AbstractContextManager[object]:
    """A topology's lock, while `verb` is at work on it; PrimetimeError naming who else is."""
    if topology.cloud:
        from primetime.cloud import lock, machines  # imported late: other topologies need nothing of AWS

        return lock.held(machines.services(topology).ec2, topology.name, verb)
    locked: AbstractContextManager[object] = driver_for(topology).ex_lock(verb)
    return locked
