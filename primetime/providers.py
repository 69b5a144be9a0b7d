"""Provider name in a topology → libcloud driver for it."""

from __future__ import annotations

from typing import Any

from libcloud.compute.providers import get_driver

import primetime.drivers  # noqa: F401  (registers ours with libcloud)
from primetime.errors import UsageError
from primetime.topology import Topology


def driver_for(topology: Topology) -> Any:
    """The libcloud NodeDriver that holds this topology's machines on this machine. UsageError for one on EC2."""
    if topology.cloud:
        raise UsageError(f"{topology.name} is on EC2: so far plan, up, down, scale and show calendar know it")
    return get_driver(topology.provider)(topology.name, ex_cidr=topology.network)
