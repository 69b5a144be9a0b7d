"""How the shipper's processes tell each other how far they are: one small file each, in the run directory.

Each lane writes its own; an HBase lane reads the Redis lanes' before it lets a segment go, a Redis lane the HBase
lanes' before it takes CPU that they could use, the supervisor reads all of them for the status.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from primetime.shipper.spool import SegmentId

HBASE, REDIS = "hbase-", "redis-"  # how the lanes' names begin
_LOOK_EVERY_S = 0.2


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a file at once: a reader sees the old or the new one."""
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(content))
    temporary.rename(path)


def read(path: Path) -> dict[str, Any]:
    """A report; empty when there is none yet."""
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return dict(content)


def lane_file(run: Path, lane: str) -> Path:
    return run / f"lane-{lane}.json"


class RedisProgress:
    """Which segments Redis has passed, as the Redis lanes last said."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._numbers: dict[str, int] = {}
        self._looked_s = float("-inf")

    def passed(self, segment: SegmentId) -> bool:
        """Whether Redis has counted all of `segment`."""
        now = time.monotonic()
        if now > self._looked_s + _LOOK_EVERY_S:
            self._look()
            self._looked_s = now
        return self._numbers.get(segment.source, 0) > segment.number

    def _look(self) -> None:
        for path in self._run.glob(lane_file(self._run, f"{REDIS}*").name):
            for source, position in read(path).get("positions", {}).items():
                self._numbers[source] = int(position.partition(":")[0])


class HbaseBacklog:
    """Whether any HBase lane has more to store than fits into one batch, as it last said."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._behind = False
        self._looked_s = float("-inf")

    def __call__(self) -> bool:
        now = time.monotonic()
        if now > self._looked_s + _LOOK_EVERY_S:
            lanes = self._run.glob(lane_file(self._run, f"{HBASE}*").name)
            self._behind = any(read(path).get("behind") for path in lanes)
            self._looked_s = now
        return self._behind
