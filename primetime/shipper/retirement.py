"""Removes segments from the spool: what HBase has whole, as soon as Redis is through with it too.

Called by the HBase sink. Redis is waited for, and not for ever: its counts can be made again from HBase, and a full
spool would turn the audience away.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from primetime.shipper.ledger import Ledger, Row
from primetime.shipper.spool import SegmentId, Spool

log = logging.getLogger("shipper")


class Retirement:
    """Segments whose ledger row says `done`. `passed_redis` is None when there is no Redis to wait for."""

    def __init__(
        self, spool: Spool, ledger: Ledger, passed_redis: Callable[[SegmentId], bool] | None, grace_s: float
    ) -> None:
        self._spool, self._ledger = spool, ledger
        self._passed_redis, self._grace_s = passed_redis, grace_s
        self._waiting: dict[SegmentId, tuple[Row, float]] = {}

    def add(self, segment: SegmentId, row: Row) -> None:
        """`row` is stored, and says done."""
        self._waiting[segment] = row, time.monotonic()

    def waiting(self) -> list[SegmentId]:
        return list(self._waiting)

    def run(self) -> None:
        """Remove what may go. Raises HbaseUnavailable when the ledger could not be told that Redis was left behind."""
        for segment, (row, since) in list(self._waiting.items()):
            if self._passed_redis and not self._passed_redis(segment):
                if time.monotonic() < since + self._grace_s:
                    continue
                self._ledger.write({segment: row.noted(redis="not waited for")})
                log.warning("%s: removed before Redis had counted it: its counts must be made again", segment)
            self._spool.remove(segment)
            self._ledger.forget(segment)
            del self._waiting[segment]
