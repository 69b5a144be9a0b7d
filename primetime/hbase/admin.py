"""Tables of HBase and their regions. Called at the end of a converge, by `verify` and by measurements."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from primetime.errors import PrimetimeError
from primetime.hbase.encoding import FAMILY
from primetime.hbase.gateway import Gateway, HbaseUnavailable, api

TIMEOUT_S = 120  # creating a table waits until all of its regions are open


def tables(host: str, port: int) -> list[str]:
    """The names of all tables, HBase's own left out."""
    with _gateway(host, port) as gateway:
        return _tables(gateway)


def create_table(host: str, port: int, name: str, splits: Sequence[bytes]) -> None:
    """A table with family `e` that keeps one version, regions beginning at `splits`. One that exists is left alone."""
    if b"" in splits or len(set(splits)) < len(splits):
        raise ValueError(f"{name}: splits are different and not empty: {splits!r}")
    with _gateway(host, port) as gateway:
        if name in _tables(gateway):
            return
        try:
            table = api.Table(_named(name), [api.Family(FAMILY, maxVersions=1)])
            gateway.call("createTable", table=table, splitKeys=sorted(splits))
        except HbaseUnavailable:
            if name not in _tables(gateway):  # otherwise another was faster, or only the answer was lost
                raise


def regions(host: str, port: int, name: str) -> list[bytes]:
    """The start keys of a table's regions, in order; the first is empty."""
    with _gateway(host, port) as gateway:
        found = gateway.call("getAllRegionLocations", table=name.encode())
        return sorted(location.regionInfo.startKey or b"" for location in found)


def flush_table(host: str, port: int, name: str) -> None:
    """Has all cells of a table written to disk, by closing its regions and opening them again: for measurements."""
    with _gateway(host, port) as gateway:
        gateway.call("disableTable", table=_named(name))
        gateway.call("enableTable", table=_named(name))


def drop_table(host: str, port: int, name: str) -> None:
    """Removes a table and its cells for good."""
    with _gateway(host, port) as gateway:
        with contextlib.suppress(PrimetimeError):  # one that is disabled already; if not, deleting it says so
            gateway.call("disableTable", table=_named(name))
        gateway.call("deleteTable", table=_named(name))


def truncate_table(host: str, port: int, name: str) -> None:
    """Removes a table's cells for good; its regions begin where they did. One that is cut short can be done again."""
    with _gateway(host, port) as gateway:
        with contextlib.suppress(PrimetimeError):  # one that is disabled already; if not, truncating it says so
            gateway.call("disableTable", table=_named(name))
        gateway.call("truncateTable", table=_named(name), preserveSplits=True)


@contextmanager
def _gateway(host: str, port: int) -> Iterator[Gateway]:
    gateway = Gateway(host, port, TIMEOUT_S)
    try:
        yield gateway
    finally:
        gateway.close()


def _tables(gateway: Gateway) -> list[str]:
    found = gateway.call("getTableNamesByPattern", regex=".*", system=False)
    return sorted(name.qualifier.decode() for name in found)


def _named(name: str) -> Any:
    return api.TableName(qualifier=name.encode())
