"""The ledger: one row per segment, with the HBase position and what was read, stored and dead-lettered up to there.

Written by the HBase sink after the events themselves; read by it on start, and by whoever asks what is missing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from primetime.hbase import Cell, Hbase
from primetime.shipper.spool import SegmentId

TABLE = "ledger"
OPEN, DONE, CORRUPT, GATED, LOST = "open", "done", "corrupt", "gated", "lost"

LOOK_BACK = 100_000  # a worker's numbers: eleven days of a segment every ten seconds, read in a second or two

_COUNTERS = ("bytes", "records", "read", "stored", "dead", "gated")


@dataclass(frozen=True)
class Row:
    """A segment's row. Counts are cumulative for the segment, so writing a row again changes nothing.

    `bytes`, `records` and `read` are the position; `dead` counts unfit events, `gated` those of them that found no
    room among the dead letters; `notes` are further cells (why it is corrupt, that Redis was not waited for).
    """

    state: str = OPEN
    bytes: int = 0
    records: int = 0
    read: int = 0
    stored: int = 0
    dead: int = 0
    gated: int = 0
    read_by_show: Mapping[str, int] = field(default_factory=dict)
    stored_by_show: Mapping[str, int] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)

    def noted(self, **notes: str) -> Row:
        return replace(self, notes={**self.notes, **notes})

    def texts(self) -> dict[str, str]:
        """Every cell as text."""
        texts = {name: str(getattr(self, name)) for name in _COUNTERS}
        texts |= {f"read:{show}": str(count) for show, count in self.read_by_show.items()}
        texts |= {f"stored:{show}": str(count) for show, count in self.stored_by_show.items()}
        return {**self.notes, **texts, "state": self.state}


def from_texts(texts: Mapping[str, str]) -> Row:
    """The row whose cells these are."""
    shows: dict[str, dict[str, int]] = {"read": {}, "stored": {}}
    notes = {}
    for name, text in texts.items():
        head, colon, show = name.partition(":")
        if colon and head in shows:
            shows[head][show] = int(text)
        elif name != "state" and name not in _COUNTERS:
            notes[name] = text
    counters = {name: int(texts.get(name, "0")) for name in _COUNTERS}
    return Row(
        state=texts.get("state", OPEN),
        read_by_show=shows["read"],
        stored_by_show=shows["stored"],
        notes=notes,
        **counters,
    )


def readable(texts: Mapping[str, str]) -> Row:
    """`from_texts`; a row with a number that is none is corrupt and says so, in its note `unreadable` too."""
    try:
        return from_texts(texts)
    except ValueError:
        numbers = {name: text for name, text in texts.items() if name in _COUNTERS or ":" in name}
        bad = next(f"{name} = {text!r}" for name, text in numbers.items() if not text.isdecimal())
        return Row(state=CORRUPT, notes={"reason": f"its position in the ledger says {bad}", "unreadable": bad})


def everything(hbase: Hbase) -> dict[SegmentId, Row]:
    """Every row there is, for whoever asks what is missing."""
    texts: dict[SegmentId, dict[str, str]] = {}
    for row, qualifier, value, _ in hbase.scan(TABLE, b"", b""):
        source, _, number = row.decode().rpartition("-")
        texts.setdefault(SegmentId(source, int(number)), {})[qualifier.decode()] = value.decode(errors="replace")
    return {segment: readable(cells) for segment, cells in texts.items()}


class Ledger:
    """The ledger table, and the times of its cells: newer writes win even when the clock was set back."""

    def __init__(self, hbase: Hbase) -> None:
        self._hbase = hbase
        self.lost: dict[SegmentId, int] = {}  # lost segments, or the first of a run of them → how many these are
        self._written_ms: dict[SegmentId, int] = {}

    def load(self, source: str, first: int, last: int) -> dict[int, Row]:
        """The rows of a source's segments `first` to `last`, by number."""
        start, stop = str(SegmentId(source, first)), str(SegmentId(source, last)) + "\0"
        texts: dict[int, dict[str, str]] = {}
        for row, qualifier, value, time_ms in self._hbase.scan(TABLE, start.encode(), stop.encode()):
            number = int(row[-10:])
            texts.setdefault(number, {})[qualifier.decode()] = value.decode(errors="replace")
            segment = SegmentId(source, number)
            self._written_ms[segment] = max(time_ms, self._written_ms.get(segment, 0))
        return {number: readable(cells) for number, cells in texts.items()}

    def write(self, rows: Mapping[SegmentId, Row]) -> None:
        """Write rows, each whole or not at all: HBase puts a row atomically. After HbaseUnavailable: again."""
        cells = {str(segment).encode(): self._cells(segment, row) for segment, row in rows.items()}
        self._hbase.put(TABLE, cells)
        self._note_losses(rows)

    def learn_losses(self, source: str, last: int) -> None:
        """What is lost of a source's latest numbers, up to `last`: from then on `lost` follows what is written."""
        start, stop = str(SegmentId(source, max(1, last - LOOK_BACK))), str(SegmentId(source, last)) + "\0"
        states = list(self._hbase.scan(TABLE, start.encode(), stop.encode(), prefix=b"state"))
        for row, _, state, _ in states:
            if state.decode() == LOST:
                number = int(row[-10:])
                self._note_losses({SegmentId(source, number): self.load(source, number, number)[number]})

    def _note_losses(self, rows: Mapping[SegmentId, Row]) -> None:
        for segment, row in rows.items():
            self.lost.pop(segment, None)
            if row.state == LOST:
                self.lost[segment] = int(row.notes.get("last", segment.number)) - segment.number + 1

    def forget(self, segment: SegmentId) -> None:
        """The segment is gone from the spool: nothing will be written to its row."""
        self._written_ms.pop(segment, None)

    def _cells(self, segment: SegmentId, row: Row) -> list[Cell]:
        now_ms = time.time_ns() // 1_000_000
        time_ms = self._written_ms[segment] = max(now_ms, self._written_ms.get(segment, 0) + 1)
        return [(name.encode(), text.encode(), time_ms) for name, text in row.texts().items()]
