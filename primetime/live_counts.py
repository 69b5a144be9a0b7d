"""The controlling machine's one way into Redis. Called by `ledger`, which reads and mends the live counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from primetime.errors import PrimetimeError
from primetime.inventory import Inventory
from primetime.secrets import topology as secrets
from primetime.shipper.redis_sink import Login, connect


def client_of(inventory: Inventory) -> redis.Redis | None:
    """A client of the topology's Redis, None when it has none. Nothing is sent before the first command."""
    if not inventory.topology.in_group("redis"):
        return None
    host, port = inventory.endpoint("redis", "redis")
    login = Login("controller", lambda: secrets.value(inventory.topology, "redis_controller").text)
    return connect(login, host=host, port=port)


@contextmanager
def saying_what_failed() -> Iterator[None]:
    """Redis' own errors as sentences."""
    try:
        yield
    except redis.RedisError as error:
        raise PrimetimeError(f"Redis: {error}: see `primetime status` and its log, then run this again") from error
