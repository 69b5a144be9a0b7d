"""Events of which only the end of reading HBase tells whether Redis has counted them, and what it has yet to count.

Called by recount.py, which finds the first, and by reconcile.py, which decides.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from primetime.audit.parts import Parts
from primetime.shipper.feed import QUARTER_MS


class Pending:
    """Identities behind Redis' positions, and in which quarter of an hour each was first received: 12 bytes each."""

    def __init__(self, found: Iterable[tuple[bytes, int]]) -> None:
        identities, quarters = array("Q"), array("I")
        for digest, received_ms in found:
            identities.append(int.from_bytes(digest))
            quarters.append(received_ms // QUARTER_MS)
        order = sorted(range(len(identities)), key=identities.__getitem__)  # stable: the first delivery stays first
        self._identities = array("Q", (identities[place] for place in order))
        self._quarters = array("I", (quarters[place] for place in order))

    def quarter(self, digest: bytes) -> int | None:
        """None when it is not pending."""
        identity = int.from_bytes(digest)
        place = bisect_left(self._identities, identity)
        found = place < len(self._identities) and self._identities[place] == identity
        return self._quarters[place] if found else None

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, bytes) and self.quarter(digest) is not None


class Event(NamedTuple):
    show: str
    digest: bytes
    event: bytes


class Undecided:
    """Events, on disk until all is known."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def keep(self, show: str, digest: bytes, event: bytes) -> None:
        self._parts.keep(digest, b"%s %s %s" % (show.encode(), digest.hex().encode(), event))

    def __iter__(self) -> Iterator[list[Event]]:
        for lines in self._parts:
            fields = (line.split(b" ", 2) for line in lines)
            yield [Event(show.decode(), bytes.fromhex(digest.decode()), event) for show, digest, event in fields]
