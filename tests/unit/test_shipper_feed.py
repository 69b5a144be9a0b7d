"""A source in order, as moves from position to position."""

from __future__ import annotations

from pathlib import Path

import pytest

from primetime.shipper.feed import QUARTER_MS, Feed, Move
from primetime.shipper.spool import Kind, Spool
from tests.shipping import RECEIVED_MS, SPOOL, Writer, event, record

SOURCE = f"{SPOOL}-w00"


def moves(spool: Path, feed: Feed, most: int = 100) -> list[Move]:
    """Every move that there is now, each applied."""
    found = []
    while move := feed.next({segment.number: kind for segment, kind in Spool(spool).scan().items()}, most):
        found.append(move)
        feed.moved(move)
    return found


def events_of(found: list[Move]) -> list[bytes]:
    return [event for move in found for event in move.events]


def test_a_source_is_read_in_order_of_its_segments(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        Writer(tmp_path, number).write(event(number)).seal()
    found = moves(tmp_path, Feed(Spool(tmp_path), SOURCE, ""))
    assert [(move.start, move.end) for move in found] == [("", "2:0"), ("2:0", "3:0"), ("3:0", "4:0")]
    assert events_of(found) == [event(1), event(2), event(3)]


@pytest.mark.parametrize("most", [1, 2, 3, 100])
def test_wherever_the_position_is_no_event_is_left_out_or_read_twice(tmp_path: Path, most: int) -> None:
    everything = [event(number) for number in range(9)]
    Writer(tmp_path, 1).write(*everything[:4]).write(everything[4]).seal()
    Writer(tmp_path, 2).write(*everything[5:]).seal()
    found = moves(tmp_path, Feed(Spool(tmp_path), SOURCE, ""), most)
    assert events_of(found) == everything
    for taken in range(len(found)):
        position = found[taken].start
        rest = moves(tmp_path, Feed(Spool(tmp_path), SOURCE, position), most)
        assert events_of(rest) == events_of(found[taken:]), position


def test_an_open_segment_is_followed_and_left_when_it_is_sealed(tmp_path: Path) -> None:
    feed = Feed(Spool(tmp_path), SOURCE, "")
    writer = Writer(tmp_path, reserve=4096).write(event(1))
    assert events_of(moves(tmp_path, feed)) == [event(1)]
    assert moves(tmp_path, feed) == []
    writer.write(event(2))
    assert events_of(moves(tmp_path, feed)) == [event(2)]
    writer.seal()
    assert [move.end for move in moves(tmp_path, feed)] == ["2:0"]


def test_a_move_holds_events_of_one_quarter_only(tmp_path: Path) -> None:
    later = RECEIVED_MS + QUARTER_MS
    Writer(tmp_path).write(event(1)).write(event(2), received_ms=later).write(event(3), received_ms=later).seal()
    found = moves(tmp_path, Feed(Spool(tmp_path), SOURCE, ""))
    assert [(move.quarter - RECEIVED_MS // QUARTER_MS, len(move.events)) for move in found] == [(0, 1), (1, 2)]


def test_a_corrupt_segment_is_read_as_far_as_it_goes_and_left(tmp_path: Path) -> None:
    Writer(tmp_path, 1).write(event(1)).append(record(7, [event(7)])).seal()
    Writer(tmp_path, 2).write(event(2)).seal()
    found = moves(tmp_path, Feed(Spool(tmp_path), SOURCE, ""))
    assert (events_of(found), found[-1].end) == ([event(1), event(2)], "3:0")


def test_segments_that_are_gone_are_a_gap(tmp_path: Path) -> None:
    Writer(tmp_path, 4).write(event(4)).seal()
    found = moves(tmp_path, Feed(Spool(tmp_path), SOURCE, "2:77", settle_s=0))
    assert found[0] == Move("2:77", "4:0", gap=True)
    assert events_of(found) == [event(4)]


def test_a_segment_that_goes_while_it_is_read_is_a_gap(tmp_path: Path) -> None:
    feed = Feed(Spool(tmp_path), SOURCE, "", settle_s=0)
    writer = Writer(tmp_path, 1).write(event(1))
    (first,) = moves(tmp_path, feed)
    writer.die().unlink()
    Writer(tmp_path, 2).write(event(2)).seal()
    found = moves(tmp_path, feed)
    assert (found[0], events_of(found)) == (Move(first.end, "2:0", gap=True), [event(2)])


def test_a_gap_is_believed_only_after_a_while(tmp_path: Path) -> None:
    Writer(tmp_path, 2).write(event(2)).seal()
    assert moves(tmp_path, Feed(Spool(tmp_path), SOURCE, "1:0", settle_s=3600)) == []


def test_a_segment_that_a_renaming_hides_is_no_gap(tmp_path: Path) -> None:
    for number in (1, 2):
        Writer(tmp_path, number).write(event(number)).seal()
    assert Feed(Spool(tmp_path), SOURCE, "", settle_s=0).next({2: Kind.SEALED}, 9) is None


def test_nothing_after_the_position_is_no_gap(tmp_path: Path) -> None:
    Writer(tmp_path, 1).write(event(1)).seal()
    assert moves(tmp_path, Feed(Spool(tmp_path), SOURCE, "2:0", settle_s=0)) == []


def test_another_position_is_gone_to(tmp_path: Path) -> None:
    Writer(tmp_path, 1).write(event(1)).seal()
    feed = Feed(Spool(tmp_path), SOURCE, "")
    moves(tmp_path, feed)
    feed.go("")
    assert events_of(moves(tmp_path, feed)) == [event(1)]
