"""Reading a segment: what is an event, what is a torn tail, what is corruption."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from primetime.shipper.tail import Closed, Fault, Live, Sealed, State, Tail
from tests.shipping import RECEIVED_MS, Writer, event, record

GROUPS = [[event(1)], [event(2), event(3)], [event(4, more=',"data":{"long":"' + "x" * 50 + '"}'), event(5)]]
EVENTS = [event for group in GROUPS for event in group]
SEGMENT = b"".join(record(seq, group) for seq, group in enumerate(GROUPS, 1))
ENDS = [len(b"".join(record(seq, group) for seq, group in enumerate(GROUPS[:many], 1))) for many in range(4)]
SEALED = SEGMENT + b"E1 3 5 %d\n" % len(SEGMENT)


@pytest.fixture
def segment(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "segment"
    yield path


def whole(path: Path, state: State, tail: Tail | None = None) -> tuple[list[bytes], Tail]:
    """Everything a segment yields now, and the tail that read it."""
    tail = tail or Tail(os.open(path, os.O_RDONLY))
    events = []
    while records := tail.read(state, 1):
        events += [event for record in records for event in record.events]
    return events, tail


@pytest.mark.parametrize("reserved", [0, 300], ids=["at the end of the file", "before reserved zeros"])
def test_a_torn_tail_is_not_an_event_wherever_it_is_torn(segment: Path, reserved: int) -> None:
    for size in range(len(SEGMENT) + 1):
        segment.write_bytes(SEGMENT[:size] + bytes(reserved))
        events, tail = whole(segment, Closed())
        complete = sum(end <= size for end in ENDS[1:])
        assert (tail.finished, tail.offset, events) == (True, ENDS[complete], EVENTS[: [0, 1, 3, 5][complete]]), size


def test_a_segment_that_is_being_written_yields_each_event_once_it_is_there_whole(segment: Path) -> None:
    segment.write_bytes(bytes(len(SEGMENT)))
    tail = Tail(os.open(segment, os.O_RDONLY))
    seen: list[bytes] = []
    with segment.open("r+b") as file:
        for size in range(len(SEGMENT) + 1):
            file.seek(0)
            file.write(SEGMENT[:size])
            file.flush()
            seen += whole(segment, Live(), tail)[0]
            complete = sum(end <= size for end in ENDS[1:])
            assert seen == EVENTS[: [0, 1, 3, 5][complete]], size
    assert not tail.ended


def test_a_sealed_segment_is_finished_at_its_last_line(segment: Path) -> None:
    segment.write_bytes(SEALED)
    events, tail = whole(segment, Sealed())
    assert (events, tail.finished, tail.offset) == (EVENTS, True, len(SEGMENT))


def test_a_segment_that_was_sealed_empty_is_finished(segment: Path) -> None:
    segment.write_bytes(b"E1 0 0 0\n")
    events, tail = whole(segment, Sealed())
    assert (events, tail.finished) == ([], True)


def test_a_sealed_segment_without_its_whole_last_line_is_corrupt(segment: Path) -> None:
    for size in range(len(SEALED)):
        segment.write_bytes(SEALED[:size])
        events, tail = whole(segment, Sealed())
        complete = sum(end <= size for end in ENDS[1:])
        assert tail.fault is not None, size
        assert (tail.fault.offset, events) == (ENDS[complete], EVENTS[: [0, 1, 3, 5][complete]]), size


@pytest.mark.parametrize("state", [Sealed(), Closed()], ids=["sealed", "closed"])
def test_no_flipped_bit_goes_unnoticed_or_makes_another_event(segment: Path, state: State) -> None:
    for place in range(len(SEALED)):
        damaged = bytearray(SEALED)
        damaged[place] ^= 1
        segment.write_bytes(damaged)
        events, tail = whole(segment, state)
        before = sum(end <= place for end in ENDS[1:])
        assert events == EVENTS[: [0, 1, 3, 5][before]], place
        torn = isinstance(state, Closed) and tail.finished and before == 3
        assert torn or (tail.fault and tail.fault.offset == ENDS[before]), place


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (SEGMENT + b"E1 2 5 %d\n" % len(SEGMENT), "its last line says"),
        (SEGMENT + b"E1 3 4 %d\n" % len(SEGMENT), "its last line says"),
        (SEGMENT + b"E1 3 5 7\n", "its last line says"),
        (SEALED + b"P1", "data after its last line"),
        (SEGMENT + b"hello\n", "neither a record"),
        (SEGMENT + bytes(100), "without its last line"),
        (SEGMENT + record(5, GROUPS[0]), "record 5 where 4 belongs"),
        (SEGMENT + record(4, GROUPS[0]).replace(b" 1 17", b" 2 17"), "wrong checksum"),
    ],
)
def test_a_sealed_segment_s_fault_is_named(segment: Path, content: bytes, fault: str) -> None:
    segment.write_bytes(content)
    tail = whole(segment, Sealed())[1]
    assert tail.fault
    assert tail.fault.offset == len(SEGMENT)
    assert fault in tail.fault.reason


def hole(data: bytes, start: int, stop: int) -> bytes:
    """Bytes that never reached the disk when the power went."""
    return data[:start] + bytes(stop - start) + data[stop:]


def test_a_last_record_with_a_hole_is_a_torn_tail(segment: Path) -> None:
    segment.write_bytes(hole(SEGMENT, ENDS[2] + 60, ENDS[2] + 90) + bytes(100))
    events, tail = whole(segment, Closed())
    assert (events, tail.finished, tail.offset) == (EVENTS[:3], True, ENDS[2])


def test_a_hole_before_a_later_record_is_corruption(segment: Path) -> None:
    segment.write_bytes(hole(SEGMENT, ENDS[1] + 60, ENDS[1] + 90) + bytes(100))
    events, tail = whole(segment, Closed())
    assert (events, tail.fault) == (EVENTS[:1], Fault(ENDS[1], "data after bytes that were never written"))


def test_a_writer_that_died_before_the_rename_left_a_whole_segment(segment: Path) -> None:
    segment.write_bytes(SEALED + record(4, GROUPS[0])[len(SEALED) - len(SEGMENT) :] + bytes(100))
    events, tail = whole(segment, Closed())
    assert (events, tail.finished) == (EVENTS, True)


def test_less_than_its_sidecar_says_is_corruption(segment: Path) -> None:
    segment.write_bytes(SEGMENT[: ENDS[2]] + bytes(100))
    tail = whole(segment, Closed(len(SEGMENT)))[1]
    assert tail.fault == Fault(ENDS[2], f"closed at {len(SEGMENT)} bytes, valid to {ENDS[2]} only")


def test_a_position_is_taken_up_where_it_was_left(segment: Path) -> None:
    segment.write_bytes(SEALED)
    events, tail = whole(segment, Sealed(), Tail(os.open(segment, os.O_RDONLY), ENDS[2], 2, 3))
    assert (events, tail.finished, tail.events) == (EVENTS[3:], True, 5)


def test_what_a_writer_took_back_before_sealing_is_no_corruption(tmp_path: Path) -> None:
    unacknowledged = record(2, [event(2)])
    writer = Writer(tmp_path, reserve=4096).write(event(1)).append(unacknowledged)
    tail = Tail(os.open(writer.path, os.O_RDONLY))
    assert whole(writer.path, Live(), tail)[0] == [event(1), event(2)]
    sealed = writer.take_back(unacknowledged).seal()
    assert whole(sealed, Sealed(), tail)[0] == []
    assert tail.finished


def test_what_was_read_ahead_and_then_taken_back_is_not_an_event(tmp_path: Path) -> None:
    unacknowledged = record(2, [event(2)])
    writer = Writer(tmp_path, reserve=4096).write(event(1)).append(unacknowledged)
    tail = Tail(os.open(writer.path, os.O_RDONLY))
    assert [found.events for found in tail.read(Live(), 1)] == [[event(1)]]
    sealed = writer.take_back(unacknowledged).seal()
    assert whole(sealed, Sealed(), tail)[0] == []
    assert tail.finished


def test_a_position_behind_the_end_of_a_sealed_segment_is_finished(segment: Path) -> None:
    segment.write_bytes(SEALED)
    tail = whole(segment, Sealed(), Tail(os.open(segment, os.O_RDONLY), len(SEALED) + 500, 7, 9))[1]
    assert tail.finished


def test_a_position_inside_a_record_is_a_fault_not_a_loss(segment: Path) -> None:
    segment.write_bytes(SEALED)
    tail = whole(segment, Sealed(), Tail(os.open(segment, os.O_RDONLY), ENDS[1] + 5, 1, 1))[1]
    assert tail.fault
    assert "no record begins at this position" in tail.fault.reason


def test_a_record_larger_than_what_is_read_at_once_comes_whole(segment: Path) -> None:
    large = [event(number, more=f',"data":{{"x":"{"y" * 40_000}"}}') for number in range(100)]
    segment.write_bytes(record(1, large) + record(2, [event(1)]))
    assert whole(segment, Closed())[0] == [*large, event(1)]


def test_a_read_stops_with_the_record_that_makes_it_enough(segment: Path) -> None:
    segment.write_bytes(SEALED)
    records = Tail(os.open(segment, os.O_RDONLY)).read(Sealed(), 2)
    assert [len(record.events) for record in records] == [1, 2]


def test_a_record_knows_when_it_was_received_and_where_it_stands(segment: Path) -> None:
    segment.write_bytes(SEALED)
    records = Tail(os.open(segment, os.O_RDONLY)).read(Sealed(), 9)
    assert [(found.offset, found.end, found.received_ms) for found in records] == [
        (start, end, RECEIVED_MS) for start, end in pairwise(ENDS)
    ]
