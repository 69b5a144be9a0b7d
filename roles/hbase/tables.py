"""The tables of docs/architecture.md, and the operation that makes those which are missing.

It runs on the controlling machine, through the Thrift gateway that everybody else uses: hosts have no Thrift library,
and HBase's own shell is a 500 MB Ruby.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from pyinfra.api.command import FunctionCommand
from pyinfra.api.operation import operation
from pyinfra.api.state import StateStage
from pyinfra.context import host, state

from primetime.event import SALTS
from primetime.hbase import HbaseUnavailable, admin
from primetime.hbase.gateway import Gateway

ANSWER_S = 3  # of one try: a gateway without a master waits longer and longer between its own
READY_S = 120


def tables(servers: int, regions_per_server: int) -> dict[str, list[bytes]]:
    """Table → the keys between its regions, for so many RegionServers."""
    return {"events": salt_splits(max(1, servers) * regions_per_server), "deadletters": [], "ledger": []}


def salt_splits(regions: int) -> list[bytes]:
    """Row keys that cut `events` into so many regions (at most one a salt), as evenly as whole salts go."""
    regions = min(regions, SALTS)
    return [bytes((SALTS * region // regions,)) for region in range(1, regions)]


@operation()
def create_tables(
    gateway: str, port: int, wanted: Mapping[str, Sequence[bytes]]
) -> Generator[FunctionCommand, None, None]:
    """Have these tables, each with family `e`, divided at the given keys. One that exists is left as it is."""
    executing = state.current_stage == StateStage.Execute
    there = existing(gateway, port, READY_S if executing else 0)
    missing = {table: splits for table, splits in wanted.items() if table not in there}
    if missing:
        yield FunctionCommand(_create, (gateway, port, missing), {})
    else:
        host.noop("all tables exist")


def _create(gateway: str, port: int, missing: Mapping[str, Sequence[bytes]]) -> None:
    """At once: it is HBase that each of them waits for."""
    with ThreadPoolExecutor(max_workers=len(missing)) as pool:
        list(pool.map(lambda table: admin.create_table(gateway, port, table, missing[table]), missing))


def existing(gateway: str, port: int, patience_s: float) -> list[str]:
    """The tables there are; none when HBase does not answer within `patience_s`, as when it is yet to be installed."""
    deadline = time.monotonic() + patience_s
    while True:
        connection = Gateway(gateway, port, ANSWER_S)
        try:
            found = connection.call("getTableNamesByPattern", regex=".*", system=False)
            return [name.qualifier.decode() for name in found]
        except HbaseUnavailable:
            if time.monotonic() > deadline:
                return []
            time.sleep(0.2)
        finally:
            connection.close()
