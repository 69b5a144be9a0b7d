"""A batch's rows and dead letters do not depend on how many events are looked at together."""

from __future__ import annotations

from primetime.event import qualifier, row_key
from primetime.shipper.batch import TOGETHER, Batch
from primetime.shipper.record import Record
from primetime.shipper.spool import SegmentId
from tests.shipping import RECEIVED_MS, SHOW, SPOOL, event

SEGMENT = SegmentId(f"{SPOOL}-w00", 1)
BAD = b'{"id":"nonsense"}'


def test_every_event_is_in_its_row_or_a_dead_letter_that_names_its_place() -> None:
    events = [event(number, pos_ms=number * 100) for number in range(3 * TOGETHER + 7)]
    unfit = [0, TOGETHER + 1, len(events) - 1]
    for index in unfit:
        events[index] = BAD
    batch = Batch()
    batch.add(
        SEGMENT, [Record(0, 40, 4000, RECEIVED_MS, events), Record(4000, 4040, 5000, RECEIVED_MS + 1, events[1:3])]
    )
    fit = [(each, RECEIVED_MS) for each in events if each != BAD] + [(each, RECEIVED_MS + 1) for each in events[1:3]]
    rows: dict[bytes, list[tuple[bytes, bytes, int]]] = {}
    for each, at_ms in fit:
        id_ = each[7:33]
        pos_ms = int(each.partition(b'"pos_ms":')[2].partition(b",")[0])
        rows.setdefault(row_key(id_, SHOW.encode(), pos_ms), []).append((qualifier(id_, each), each, at_ms))
    assert batch.rows() == rows
    assert [(letter.offset, letter.index, letter.event) for letter in batch.dead] == [
        (0, index, BAD) for index in unfit
    ]
    progress = batch.progress[SEGMENT]
    assert (progress.stored, progress.unfit) == ({SHOW: len(fit)}, {None: 3})
    assert (batch.events, progress.records, progress.bytes) == (len(events) + 2, 2, 5000)
