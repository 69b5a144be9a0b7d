"""Closing the segments of dead writers, and nobody else's."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from pathlib import Path

import pytest

from primetime.errors import PrimetimeError
from primetime.shipper.spool import Kind, SegmentId, Spool, only_shipper
from primetime.shipper.tail import Closed
from primetime.shipper.warden import Warden
from tests.shipping import SPOOL, Writer, event, record

SEGMENT = SegmentId(f"{SPOOL}-w00", 1)


def patrol(warden: Warden, wanted: int) -> list[SegmentId]:
    """What a warden closes until there are `wanted`."""
    closed: list[SegmentId] = []
    until = time.monotonic() + 20
    while len(closed) < wanted:
        closed += warden.close_dead()
        assert time.monotonic() < until
        time.sleep(0.02)
    return closed


def test_a_dead_writer_s_segment_is_closed_where_its_valid_data_ends(tmp_path: Path) -> None:
    torn = record(3, [event(4)])[:-5]
    writer = Writer(tmp_path, reserve=8192).write(event(1)).write(event(2), event(3))
    valid = writer.bytes
    writer.append(torn).die()
    patrol(Warden(Spool(tmp_path)), 1)
    sidecar = json.loads((tmp_path / f"{SEGMENT}.closed").read_text())
    closed_ms = sidecar.pop("closed_ms")
    assert sidecar == {"bytes": valid, "records": 2, "events": 3, "reason": "its writer is dead"}
    assert abs(closed_ms / 1000 - time.time()) < 60


def test_a_living_writer_s_segment_stays_open(tmp_path: Path) -> None:
    living = Writer(tmp_path, worker=0).write(event(1))
    Writer(tmp_path, worker=1).write(event(2)).die()
    closed = patrol(Warden(Spool(tmp_path)), 1)
    assert closed == [SegmentId(f"{SPOOL}-w01", 1)]
    living.die()


def test_a_segment_found_unlocked_once_is_not_yet_closed(tmp_path: Path) -> None:
    Writer(tmp_path).write(event(1)).die()
    assert Warden(Spool(tmp_path)).close_dead() == []


def test_a_corrupt_segment_of_a_dead_writer_is_closed_with_the_reason(tmp_path: Path) -> None:
    writer = Writer(tmp_path).write(event(1))
    valid = writer.bytes
    writer.append(record(7, [event(2)])).die()
    patrol(Warden(Spool(tmp_path)), 1)
    sidecar = json.loads((tmp_path / f"{SEGMENT}.closed").read_text())
    assert (sidecar["bytes"], sidecar["reason"]) == (valid, "record 7 where 2 belongs")


def test_a_scan_tells_open_sealed_and_closed_apart(tmp_path: Path) -> None:
    Writer(tmp_path, 1).write(event(1)).seal()
    Writer(tmp_path, 2).write(event(2)).die()
    patrol(Warden(Spool(tmp_path)), 1)
    living = Writer(tmp_path, 3).write(event(3))
    kinds = {segment.number: kind for segment, kind in Spool(tmp_path).scan().items()}
    assert kinds == {1: Kind.SEALED, 2: Kind.CLOSED, 3: Kind.OPEN}
    living.die()


def test_a_closed_segment_s_state_carries_what_the_sidecar_promises(tmp_path: Path) -> None:
    writer = Writer(tmp_path).write(event(1))
    writer.die()
    patrol(Warden(Spool(tmp_path)), 1)
    assert Spool(tmp_path).state(SEGMENT, Kind.CLOSED) == Closed(writer.bytes)


def test_nothing_but_segments_is_found_in_a_spool(tmp_path: Path) -> None:
    for name in ("spool.ulid", "w00.next", "w00.number", f"{SEGMENT}.closed", f"{SEGMENT}.open.tmp"):
        (tmp_path / name).touch()
    assert Spool(tmp_path).scan() == {}


def test_a_removal_that_was_cut_short_is_completed(tmp_path: Path) -> None:
    for name in (f"{SEGMENT}.closed", f"{SEGMENT}.closed.tmp"):
        (tmp_path / name).touch()
    Spool(tmp_path).remove_orphans()
    assert list(tmp_path.iterdir()) == []


def test_a_segment_s_sidecar_is_not_an_orphan(tmp_path: Path) -> None:
    Writer(tmp_path).write(event(1)).die()
    patrol(Warden(Spool(tmp_path)), 1)
    Spool(tmp_path).remove_orphans()
    assert (tmp_path / f"{SEGMENT}.closed").exists()


def test_a_spool_has_one_shipper(tmp_path: Path) -> None:
    with only_shipper(tmp_path), pytest.raises(PrimetimeError, match="another shipper"), only_shipper(tmp_path, 0):
        pass


def test_a_shipper_waits_for_one_that_is_ending(tmp_path: Path) -> None:
    ended: list[str] = []
    with contextlib.ExitStack() as other:
        other.enter_context(only_shipper(tmp_path))
        other.callback(ended.append, "the other")
        threading.Timer(0.1, other.pop_all().close).start()
    with only_shipper(tmp_path, 20):
        assert ended == ["the other"]
