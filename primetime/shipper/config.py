"""The shipper's configuration file, written by roles/shipper: where things are, how much at once, how often."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from primetime.errors import PrimetimeError


@dataclass(frozen=True)
class Config:
    """/etc/primetime/shipper/shipper.toml. An empty `redis_host` means: there is no Redis to count in.

    `redis_password` is the file that has it, read at each login. An empty `metrics_address`: nobody is told metrics.
    """

    spool: Path
    run: Path
    hbase_host: str
    hbase_port: int
    hbase_lanes: int
    hbase_batch_events: int
    hbase_timeout_s: float
    dead_letters: int
    redis_host: str
    redis_port: int
    redis_user: str
    redis_password: Path
    redis_lanes: int
    redis_batch_events: int
    redis_grace_s: float
    redis_nice: int
    redis_waits_s: float
    redis_share: float
    poll_active_ms: int
    poll_idle_ms: int
    metrics_address: str
    metrics_port: int


def load(path: Path) -> Config:
    """The file's settings; PrimetimeError when it is not there, not TOML or not complete."""
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text())
    except FileNotFoundError as error:
        raise PrimetimeError(f"{path}: not there: converge this host, or pass --config") from error
    except tomllib.TOMLDecodeError as error:
        raise PrimetimeError(f"{path}: not TOML: {error}") from error
    wanted = {field.name for field in fields(Config)}
    if wrong := wanted ^ values.keys():
        raise PrimetimeError(f"{path}: {', '.join(sorted(wrong))}: missing or unknown: converge this host again")
    return Config(**{**values, **{name: Path(values[name]) for name in ("spool", "run", "redis_password")}})
