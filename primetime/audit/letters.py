"""Dead letters for people: which there are and why, their bytes, and the way back onto the path they fell off.

A replay stores and counts a letter as its shipper would have: the same keys, the same receive time. So it may be cut
short, and repeated, at any point. Called by `ledger deadletters`.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice

import redis

from primetime.errors import UsageError
from primetime.hbase import Hbase
from primetime.shipper import counting, deadletters
from primetime.shipper.batch import Batch
from primetime.shipper.deadletters import REPLAYED, DeadLetter
from primetime.shipper.feed import QUARTER_MS, Move
from primetime.shipper.record import Record
from primetime.shipper.redis_sink import FENCED, KEEP_S, script
from primetime.shipper.selector import Unfit, select
from primetime.shipper.spool import SegmentId

AT_ONCE = 500


@dataclass(frozen=True)
class Letter:
    """A dead letter as HBase has it. Its name is `<source>/<segment number>:<offset>/<index>`."""

    letter: DeadLetter
    replayed: bool

    @property
    def name(self) -> str:
        return f"{self.source}/{self.letter.segment.number}:{self.letter.offset}/{self.letter.index}"

    @property
    def source(self) -> str:
        return self.letter.segment.source


@dataclass
class Source:
    """The letters of one writer: those that wait take room, of which there is for `most`."""

    waiting: int = 0
    replayed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class Replay:
    """What became of the selected letters; `left` are those that still cannot be stored."""

    stored: int
    before: int
    left: list[Letter]


def select_rows(selection: str) -> tuple[bytes, bytes]:
    """Where the letters of a selection begin and end: all, a source's, or one by its name. UsageError otherwise."""
    if not selection:
        return b"", b""
    source, _, place = selection.partition("/")
    if not place:
        return deadletters.rows_of(source)
    try:
        number, offset, index = (int(part) for part in place.replace("/", ":").split(":"))
        row = DeadLetter(SegmentId(source, number), offset, index, 0, b"", "").row()
    except (ValueError, struct.error) as error:
        raise UsageError(f"{selection!r}: write SOURCE or SOURCE/NUMBER:OFFSET/INDEX, as `list` prints them") from error
    return row, row + b"\0"


def read(hbase: Hbase, selection: str = "") -> Iterator[Letter]:
    """The letters of a selection, in their order."""
    row, cells = b"", dict[bytes, bytes]()
    for of, name, value, _ in hbase.scan(deadletters.TABLE, *select_rows(selection)):
        if of != row and cells:
            yield _letter(row, cells)
            cells = {}
        row = of
        cells[name] = value
    if cells:
        yield _letter(row, cells)


def _letter(row: bytes, cells: Mapping[bytes, bytes]) -> Letter:
    segment, offset, index = deadletters.place(row)
    reason, received_ms = cells.get(b"reason", b"").decode(errors="replace"), int(cells.get(b"received_ms", b"0"))
    letter = DeadLetter(segment, offset, index, received_ms, cells.get(b"event", b""), reason)
    return Letter(letter, REPLAYED in cells)


def by_source(letters: Iterator[Letter]) -> dict[str, Source]:
    """How many each source has, and the reasons of those that wait."""
    found: dict[str, Source] = {}
    for letter in letters:
        source = found.setdefault(letter.source, Source())
        if letter.replayed:
            source.replayed += 1
        else:
            source.waiting += 1
            source.reasons[letter.letter.reason] += 1
    return found


def replay(hbase: Hbase, client: redis.Redis | None, selection: str, progress: Callable[[str], None]) -> Replay:
    """Put a selection through once more: into `events`, the counts, and then the mark that it was."""
    letters = read(hbase, selection)
    stored = before = 0
    left: list[Letter] = []
    while chunk := list(islice(letters, AT_ONCE)):
        before += sum(letter.replayed for letter in chunk)
        fit: list[Letter] = []
        for letter in chunk:
            if not letter.replayed:
                (left if isinstance(select(letter.letter.event), Unfit) else fit).append(letter)
        if fit:
            _store(hbase, client, fit)
        if client:  # also those that another replay marked before it was cut short
            client.delete(*[_position(letter) for letter in chunk])
        stored += len(fit)
        progress(f"{stored} stored, {len(left)} cannot be")
    return Replay(stored, before, left)


def _store(hbase: Hbase, client: redis.Redis | None, letters: list[Letter]) -> None:
    batch = Batch()
    for each in letters:
        letter = each.letter
        end = letter.offset + len(letter.event)
        batch.add(letter.segment, [Record(letter.offset, letter.offset, end, letter.received_ms, [letter.event])])
    hbase.put("events", batch.rows())
    if client:
        _count(client, letters)
    hbase.put(deadletters.TABLE, {each.letter.row(): [(REPLAYED, b"yes", each.letter.received_ms)] for each in letters})


def _count(client: redis.Redis, letters: list[Letter]) -> None:
    """Each letter has a position of its own until it is marked: cut short in between, it is still counted once."""
    apply = script(client)
    for each in letters:
        letter = each.letter
        move = Move("", "counted", [letter.event], letter.received_ms // QUARTER_MS)
        answer = apply(keys=[_position(each)], args=[counting.encode(move, each.source, KEEP_S)])
        if answer[0] == FENCED:
            raise redis.RedisError("the counts are being compared with HBase: replay again when that has ended")


def _position(letter: Letter) -> str:
    return f"position:deadletter-{letter.name}"
