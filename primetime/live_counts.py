"""The controlling machine's one way into Redis. Called by `ledger`, which reads and mends the live counts, and
`stage`, which shows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from primetime.errors import PrimetimeError
from primetime.inventory import Inventory
from primetime.secrets import topology as secrets
from primetime.shipper.redis_sink import Login, connect


def client_of(inventory: Inventory, timeout_s: float | None = None) -> redis.Redis | None:
    """A client of the topology's Redis, None when it has none. Nothing is sent before the first command.

    `timeout_s`: how long an answer may take, for whoever would rather hear nothing than wait.
    """
    if not inventory.topology.in_group("redis"):
        return None
    host, port = inventory.endpoint("redis", "redis")
    login = Login("controller", lambda: secrets.value(inventory.topology, "redis_controller").text)
    client = connect(login, host=host, port=port)
    if timeout_s is not None:
        client.connection_pool.connection_kwargs.update(socket_timeout=timeout_s, socket_connect_timeout=timeout_s)
    return client


@contextmanager
def saying_what_failed() -> Iterator[None]:
    """Redis' own errors as sentences."""
    try:
        yield
    except redis.RedisError as error:
        raise PrimetimeError(f"Redis: {error}: see `primetime status` and its log, then run this again") from error
