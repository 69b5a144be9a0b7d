"""Dead letters: events that cannot be stored, kept with the reason, so many a source and no more.

Written by the HBase sink; read, and put through again, by `primetime ledger deadletters`.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from primetime.hbase import Cell, Hbase
from primetime.shipper.spool import SegmentId

TABLE = "deadletters"
MOST = 10_000  # a source, when nobody says otherwise
REPLAYED = b"replayed"  # the cell of a letter that was stored after all: it takes no more room
_PLACE = struct.Struct(">QQI")


@dataclass(frozen=True)
class DeadLetter:
    """An unfit event: its segment, the offset of its record there, its index in the record."""

    segment: SegmentId
    offset: int
    index: int
    received_ms: int
    event: bytes
    reason: str

    def row(self) -> bytes:
        """source · 0x00 · segment number · offset · index: the same place is the same row."""
        return _start(self.segment.source) + _PLACE.pack(self.segment.number, self.offset, self.index)

    def cells(self) -> list[Cell]:
        texts = {b"reason": self.reason.encode(), b"event": self.event, b"received_ms": b"%d" % self.received_ms}
        return [(name, value, self.received_ms) for name, value in texts.items()]


class DeadLetters:
    """The dead letter table of the sources that one sink reads."""

    def __init__(self, hbase: Hbase, most: int = MOST) -> None:
        self._hbase, self._most = hbase, most
        self._stored: dict[str, set[bytes]] = {}  # rows by source
        self._taken: dict[str, int] = {}  # how many of them take room

    def store(self, letters: Sequence[DeadLetter]) -> list[DeadLetter]:
        """Store letters; those for which their source had no room. May be called again after HbaseUnavailable."""
        admitted: dict[bytes, list[Cell]] = {}
        refused = []
        room = {source: self._room(source) for source in {letter.segment.source for letter in letters}}
        for letter in letters:
            source, row = letter.segment.source, letter.row()
            if row not in self._of(source):
                if room[source] <= 0:
                    refused.append(letter)
                    continue
                room[source] -= 1
            admitted[row] = letter.cells()
        if admitted:
            self._hbase.put(TABLE, admitted)
        for row in admitted.keys() - set().union(*(self._stored[source] for source in room)):
            self._stored[_source(row)].add(row)
            self._taken[_source(row)] += 1
        return refused

    def _room(self, source: str) -> int:
        self._of(source)
        return self._most - self._taken[source]

    def _of(self, source: str) -> set[bytes]:
        """The rows that a source has already."""
        if source not in self._stored:
            cells = list(self._hbase.scan(TABLE, *rows_of(source), prefix=b"re", keys_only=True))
            rows = {row for row, name, *_ in cells if name == b"reason"}
            self._taken[source] = len(rows - {row for row, name, *_ in cells if name == REPLAYED})
            self._stored[source] = rows
        return self._stored[source]


def place(row: bytes) -> tuple[SegmentId, int, int]:
    """(segment, offset, index) of a letter's row."""
    number, offset, index = _PLACE.unpack(row[-_PLACE.size :])
    return SegmentId(_source(row), number), offset, index


def rows_of(source: str) -> tuple[bytes, bytes]:
    """Where a source's letters begin and end."""
    start = _start(source)
    return start, start[:-1] + b"\1"


def _start(source: str) -> bytes:
    return source.encode() + b"\0"


def _source(row: bytes) -> str:
    return row[: -_PLACE.size - 1].decode()
