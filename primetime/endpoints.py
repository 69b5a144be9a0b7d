"""What a daemon exposes: the only place where a port is said.

Listening checks, the status table, and later firewall, scrape jobs and security groups derive from it.
`roles/<role>/settings.py` imports this module and nothing else of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Endpoint:
    """A port that a daemon opens on its host's own address.

    `open_to` names roles, daemons (`hbase_thrift`), `controller` (the machine that converges) or `public`.
    `protocol` says what the bytes mean ("http", "redis", "thrift", ...): `verify` asks in that language.
    `scrape` is the HTTP path of Prometheus metrics, if it serves any. With `leader_only`, one host of the group listens
    at a time, whichever its group has elected: the port is open on all of them.
    """

    name: str
    port: int
    open_to: Sequence[str] = field(default_factory=tuple)
    protocol: str = "tcp"
    transport: Literal["tcp", "udp"] = "tcp"
    scrape: str | None = None
    loopback: bool = False  # listens on 127.0.0.1 only
    leader_only: bool = False
