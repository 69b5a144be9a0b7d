"""Provider name in a topology → libcloud driver for it."""

from __future__ import annotations

from typing import Any

from libcloud.compute.providers import get_driver

import primetime.drivers  # noqa: F401  (registers ours with libcloud)
from primetime.topology import Topology


def driver_for(topology: Topology) -> Any:
    """The libcloud NodeDriver that holds this topology's machines."""
    return get_driver(topology.provider)(topology.name, ex_cidr=topology.network)
