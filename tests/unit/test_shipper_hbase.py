"""The HBase sink: each event once, the ledger right, whatever is cut short in between."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from primetime.event import qualifier, row_key
from primetime.hbase import Cell, HbaseUnavailable
from primetime.shipper.hbase_sink import HbaseSink
from primetime.shipper.spool import SegmentId, Spool
from tests.shipping import RECEIVED_MS, SHOW, SPOOL, Killed, MemoryHbase, Writer, event, record

BAD = b'{"id":"nonsense","show":"%s","pos_ms":1}' % SHOW.encode()
FIRST, SECOND, THIRD = (f"{SPOOL}-w00-{number:010d}" for number in (1, 2, 3))


def sink(spool: Path, hbase: MemoryHbase, **options: object) -> HbaseSink:
    return HbaseSink(Spool(spool), hbase, **{"batch_events": 4, "settle_s": 0, **options})  # type: ignore[arg-type]


def ship(shipper: HbaseSink, until: Callable[[], bool]) -> None:
    """Step until it is so; a call that failed is tried again."""
    deadline = time.monotonic() + 20
    while not until():
        with contextlib.suppress(HbaseUnavailable):
            shipper.step()
        assert time.monotonic() < deadline, shipper.report()


def empty(spool: Path) -> Callable[[], bool]:
    return lambda: not Spool(spool).scan()


def ended(hbase: MemoryHbase, name: str) -> Callable[[], bool]:
    return lambda: hbase.ledger(name).get("state", "open") != "open"


def test_an_event_is_stored_under_its_id_and_bytes_at_its_receive_time(tmp_path: Path) -> None:
    Writer(tmp_path).write(event(5), received_ms=RECEIVED_MS + 7).seal()
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase), empty(tmp_path))
    event_id = event(5)[7:33]
    stored = {qualifier(event_id, event(5)): (event(5), RECEIVED_MS + 7)}
    assert hbase.tables["events"] == {row_key(event_id, SHOW.encode(), 2500): stored}


def test_an_event_is_stored_while_its_segment_is_still_open(tmp_path: Path) -> None:
    writer = Writer(tmp_path, reserve=4096).write(event(1))
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase), lambda: hbase.events() == [event(1)])
    assert hbase.ledger(FIRST)["state"] == "open"
    writer.die()


def test_the_ledger_says_what_was_read_and_stored(tmp_path: Path) -> None:
    other = event(3, show="news")
    Writer(tmp_path).write(event(1), event(2)).write(other, BAD).seal()
    valid = sum(len(record(seq, events)) for seq, events in ((1, [event(1), event(2)]), (2, [other, BAD])))
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase), empty(tmp_path))
    assert hbase.ledger(FIRST) == {
        "state": "done",
        "bytes": str(valid),
        "records": "2",
        "read": "4",
        "stored": "3",
        "dead": "1",
        "gated": "0",
        f"read:{SHOW}": "3",
        f"stored:{SHOW}": "2",
        "read:news": "1",
        "stored:news": "1",
    }


def scene(spool: Path) -> list[bytes]:
    """Two workers, a resend, a dead letter, an open segment: what of it must be stored."""
    Writer(spool, 1).write(event(1), event(2), event(3)).write(event(4)).write(event(5), BAD).seal()
    Writer(spool, 2).write(event(6)).write(event(2)).seal()
    Writer(spool, 1, worker=1).write(*(event(number) for number in range(10, 20))).seal()
    return sorted(event(number) for number in (*range(1, 7), *range(10, 20)))


def outcome(hbase: MemoryHbase) -> dict[str, tuple[str, ...]]:
    """The final ledger, by segment; what is read and stored of the show is what is read and stored at all."""
    found = {}
    for name in hbase.tables["ledger"]:
        row = hbase.ledger(name.decode())
        assert [row.get(f"{key}:{SHOW}", "0") for key in ("read", "stored")] == [row["read"], row["stored"]]
        found[name.decode()] = tuple(row[key] for key in ("state", "read", "stored", "dead", "records"))
    return found


DONE = {
    FIRST: ("done", "6", "5", "1", "3"),
    SECOND: ("done", "2", "2", "0", "2"),
    f"{SPOOL}-w01-0000000001": ("done", "10", "10", "0", "1"),
}


def undisturbed_calls(spool: Path) -> int:
    hbase = MemoryHbase()
    scene(spool)
    ship(sink(spool, hbase), empty(spool))
    return len(hbase.calls)


@pytest.mark.parametrize("applied", [0.0, 0.5, 1.0], ids=["not applied", "applied in part", "applied"])
def test_killed_at_any_call_each_event_is_stored_once_and_the_ledger_is_right(tmp_path: Path, applied: float) -> None:
    (tmp_path / "calm").mkdir()
    calls = undisturbed_calls(tmp_path / "calm")
    assert calls >= 8
    for call in range(1, calls + 1):
        spool = tmp_path / str(call)
        spool.mkdir()
        wanted = scene(spool)
        hbase = MemoryHbase(fail={call: (Killed, applied)})
        try:
            ship(sink(spool, hbase), empty(spool))
        except Killed:
            ship(sink(spool, hbase), empty(spool))
        assert hbase.events() == wanted, call
        assert outcome(hbase) == DONE, call
        assert [letter["event"] for letter in hbase.letters()] == [BAD], call


@pytest.mark.parametrize("applied", [0.0, 0.5, 1.0], ids=["not applied", "applied in part", "applied"])
def test_a_failed_call_is_made_again_with_the_same_keys(tmp_path: Path, applied: float) -> None:
    (tmp_path / "calm").mkdir()
    for call in range(1, undisturbed_calls(tmp_path / "calm") + 1):
        spool = tmp_path / str(call)
        spool.mkdir()
        wanted = scene(spool)
        failures: Mapping[int, tuple[type[Exception], float]] = {
            number: (HbaseUnavailable, applied) for number in (call, call + 1, call + 3)
        }
        hbase = MemoryHbase(failures)
        ship(sink(spool, hbase), empty(spool))
        assert (hbase.events(), outcome(hbase)) == (wanted, DONE), call


def test_events_are_stored_before_the_ledger_says_so(tmp_path: Path) -> None:
    class Ordered(MemoryHbase):
        def put(self, table: str, rows: Mapping[bytes, list[Cell]]) -> None:
            super().put(table, rows)
            claimed = sum(int(self.ledger(name)["stored"]) for name in DONE if self.ledger(name))
            buried = sum(int(self.ledger(name)["dead"]) for name in DONE if self.ledger(name))
            claims.append((claimed - len(self.events()) - 1, buried - len(self.letters())))  # one event is a resend

    claims: list[tuple[int, int]] = []
    scene(tmp_path)
    hbase = Ordered()
    ship(sink(tmp_path, hbase), empty(tmp_path))
    assert max(too_many for claim in claims for too_many in claim) == 0


class Slow(MemoryHbase):
    """`meanwhile` happens while HBase is at work on a put of events."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        super().__init__()
        self._meanwhile = meanwhile

    def begin_put(self, table: str, rows: Mapping[bytes, list[Cell]]) -> Callable[[], None]:
        stored = super().begin_put(table, rows)

        def wait() -> None:
            self._meanwhile()
            stored()

        return wait


def test_the_next_batch_is_read_while_hbase_stores_the_last(tmp_path: Path) -> None:
    events = [event(number) for number in range(8)]
    Writer(tmp_path, number=1).write(*events[:4]).seal()
    second = Writer(tmp_path, number=2).write(*events[4:]).seal()
    # gone once the first batch of four is stored: what was read by then is kept, anything else is lost
    hbase = Slow(lambda: second.unlink(missing_ok=True))
    shipper = sink(tmp_path, hbase)
    for _ in range(4):
        shipper.step()
    assert hbase.events() == events


def test_done_is_said_with_the_batch_that_has_the_end_not_when_the_end_is_read(tmp_path: Path) -> None:
    Writer(tmp_path).write(*(event(number) for number in range(4))).write(event(4)).seal()
    hbase = MemoryHbase()
    shipper = sink(tmp_path, hbase)
    shipper.step()
    row = hbase.ledger(FIRST)
    assert (row["state"], row["stored"], len(hbase.events())) == ("open", "4", 4)
    shipper.step()
    assert (hbase.ledger(FIRST)["state"], len(hbase.events())) == ("done", 5)


def test_a_dead_letter_has_event_reason_and_place(tmp_path: Path) -> None:
    good = record(1, [event(1)])
    Writer(tmp_path).write(event(1)).write(event(2), BAD).seal()
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase), empty(tmp_path))
    (row,) = hbase.tables["deadletters"]
    source = f"{SPOOL}-w00".encode()
    assert row == source + b"\0" + (1).to_bytes(8) + len(good).to_bytes(8) + (1).to_bytes(4)
    assert hbase.letters() == [
        {"event": BAD, "reason": b"id is missing or not a ULID", "received_ms": b"%d" % RECEIVED_MS}
    ]


def test_two_workers_dead_letters_do_not_overwrite_each_other(tmp_path: Path) -> None:
    for worker in (0, 1):
        Writer(tmp_path, worker=worker).write(BAD + b" " * worker).seal()
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase), empty(tmp_path))
    assert len(hbase.letters()) == 2


def test_dead_letters_beyond_the_cap_keep_their_segment(tmp_path: Path) -> None:
    Writer(tmp_path).write(*[BAD] * 3).write(event(1), BAD, BAD).seal()
    hbase = MemoryHbase()
    shipper = sink(tmp_path, hbase, most_dead_letters=4)
    ship(shipper, ended(hbase, FIRST))
    ledger = hbase.ledger(FIRST)
    assert (ledger["state"], ledger["dead"], ledger["gated"], len(hbase.letters())) == ("gated", "5", "1", 4)
    shipper.step()
    assert [segment for segment, _ in Spool(tmp_path).scan().items()] == [SegmentId(f"{SPOOL}-w00", 1)]


def test_the_cap_counts_what_earlier_segments_and_shippers_buried(tmp_path: Path) -> None:
    hbase = MemoryHbase()
    Writer(tmp_path, 1).write(BAD, BAD).seal()
    ship(sink(tmp_path, hbase, most_dead_letters=3), empty(tmp_path))
    Writer(tmp_path, 2).write(BAD, BAD).seal()
    ship(sink(tmp_path, hbase, most_dead_letters=3), ended(hbase, SECOND))
    assert (hbase.ledger(SECOND)["gated"], len(hbase.letters())) == ("1", 3)


def test_a_gated_segment_goes_once_there_is_room(tmp_path: Path) -> None:
    Writer(tmp_path).write(BAD, BAD).seal()
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase, most_dead_letters=1), ended(hbase, FIRST))
    ship(sink(tmp_path, hbase, most_dead_letters=2), empty(tmp_path))
    assert outcome(hbase) == {FIRST: ("done", "2", "0", "2", "1")}


def test_of_a_corrupt_segment_all_that_is_readable_is_stored_and_the_file_is_kept(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 1).write(event(1))
    place = writer.bytes
    writer.append(record(2, [event(2)]).replace(b"u2", b"u3")).seal()
    Writer(tmp_path, 2).write(event(4)).seal()
    hbase = MemoryHbase()
    shipper = sink(tmp_path, hbase)
    ship(shipper, lambda: hbase.ledger(SECOND).get("state") == "done" and ended(hbase, FIRST)())
    ledger = hbase.ledger(FIRST)
    assert (ledger["state"], ledger["offset"], ledger["reason"]) == ("corrupt", str(place), "wrong checksum")
    assert hbase.events() == sorted([event(1), event(4)])
    shipper.step()
    assert list(tmp_path.glob("*.sealed")) == [tmp_path / f"{FIRST}.sealed"]


def test_a_corrupt_segment_stays_known_as_corrupt_after_a_restart(tmp_path: Path) -> None:
    Writer(tmp_path).write(event(1)).append(b"garbage\n").seal()
    hbase = MemoryHbase()
    for _ in range(2):
        shipper = sink(tmp_path, hbase)
        ship(shipper, lambda: bool(shipper.report()["kept"]))  # noqa: B023
    assert outcome(hbase)[FIRST] == ("corrupt", "1", "1", "0", "1")


def test_a_segment_waits_for_redis_before_it_is_removed(tmp_path: Path) -> None:
    Writer(tmp_path).write(event(1)).seal()
    hbase, passed = MemoryHbase(), []
    shipper = sink(tmp_path, hbase, passed_redis=lambda segment: segment in passed, grace_s=3600)
    ship(shipper, ended(hbase, FIRST))
    shipper.step()
    assert not empty(tmp_path)()
    passed.append(SegmentId(f"{SPOOL}-w00", 1))
    ship(shipper, empty(tmp_path))
    assert "redis" not in hbase.ledger(FIRST)


def test_a_segment_does_not_wait_for_redis_longer_than_the_grace_and_says_so(tmp_path: Path) -> None:
    Writer(tmp_path).write(event(1)).seal()
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase, passed_redis=lambda segment: False, grace_s=0.01), empty(tmp_path))
    assert hbase.ledger(FIRST)["redis"] == "not waited for"


def test_a_segment_is_not_removed_before_hbase_has_it(tmp_path: Path) -> None:
    Writer(tmp_path).write(event(1)).seal()
    hbase = MemoryHbase(fail={call: (HbaseUnavailable, 0.0) for call in range(3, 50)})
    shipper = sink(tmp_path, hbase, passed_redis=lambda segment: True)
    for _ in range(40):
        with pytest.raises(HbaseUnavailable):
            shipper.step()
    assert not empty(tmp_path)()


def test_what_was_done_before_a_restart_is_removed_and_not_shipped_again(tmp_path: Path) -> None:
    sealed = Writer(tmp_path).write(event(1)).seal()
    content, hbase = sealed.read_bytes(), MemoryHbase()
    ship(sink(tmp_path, hbase), empty(tmp_path))
    sealed.write_bytes(content)
    hbase.calls.clear()
    ship(sink(tmp_path, hbase), empty(tmp_path))
    assert {method for method, _ in hbase.calls} == {"scan"}


def test_a_missing_number_is_a_loss_with_a_name(tmp_path: Path) -> None:
    for number in (1, 4):
        Writer(tmp_path, number).write(event(number)).seal()
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase), lambda: empty(tmp_path)() and ended(hbase, SECOND)())
    assert hbase.ledger(SECOND) | {"state": "lost", "last": "3", "read": "0"} == hbase.ledger(SECOND)


def test_a_missing_number_may_still_appear_for_a_while(tmp_path: Path) -> None:
    for number in (1, 3):
        Writer(tmp_path, number).write(event(number)).seal()
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase, settle_s=3600), empty(tmp_path))
    assert hbase.ledger(SECOND) == {}


def test_numbers_that_were_finished_and_removed_are_no_loss(tmp_path: Path) -> None:
    hbase = MemoryHbase()
    for number in (1, 2, 3):
        Writer(tmp_path, number).write(event(number)).seal()
        ship(sink(tmp_path, hbase), empty(tmp_path))
    assert {row["state"] for row in map(hbase.ledger, (FIRST, SECOND, THIRD))} == {"done"}


def test_what_is_missing_before_the_first_segment_is_a_loss_too(tmp_path: Path) -> None:
    Writer(tmp_path, 3).write(event(3)).seal()
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase), lambda: empty(tmp_path)() and ended(hbase, FIRST)())
    assert (hbase.ledger(FIRST)["state"], hbase.ledger(FIRST)["last"]) == ("lost", "2")


def test_a_segment_that_was_begun_and_then_went_is_a_loss(tmp_path: Path) -> None:
    writer = Writer(tmp_path, 1).write(event(1))
    hbase = MemoryHbase()
    ship(sink(tmp_path, hbase), lambda: hbase.events() == [event(1)])
    writer.die().unlink()
    Writer(tmp_path, 2).write(event(2)).seal()
    ship(sink(tmp_path, hbase), lambda: empty(tmp_path)() and ended(hbase, FIRST)())
    assert outcome(hbase)[FIRST] == ("lost", "1", "1", "0", "1")


def test_a_segment_that_goes_under_the_shipper_s_eyes_is_a_loss(tmp_path: Path) -> None:
    writer = Writer(tmp_path).write(event(1))
    hbase = MemoryHbase()
    shipper = sink(tmp_path, hbase)
    ship(shipper, lambda: hbase.events() == [event(1)])
    writer.die().unlink()
    ship(shipper, ended(hbase, FIRST))
    assert outcome(hbase)[FIRST] == ("lost", "1", "1", "0", "1")


def test_a_loss_is_told_until_the_segment_is_back_also_by_the_next_shipper(tmp_path: Path) -> None:
    for number in (1, 4):
        Writer(tmp_path, number).write(event(number)).seal()
    (tmp_path / "spool.ulid").write_text(f"{SPOOL}\n")
    (tmp_path / "w00.number").write_text("4\n")
    hbase = MemoryHbase()
    first = sink(tmp_path, hbase)
    ship(first, lambda: first.report().get("lost") == {SECOND: 2})
    second = sink(tmp_path, hbase)
    ship(second, lambda: second.report().get("lost") == {SECOND: 2})
    Writer(tmp_path, 2).write(event(2)).seal()
    ship(second, lambda: second.report()["lost"] == {})


def test_what_is_lost_is_not_known_while_there_is_something_to_ship(tmp_path: Path) -> None:
    Writer(tmp_path).write(event(1)).seal()
    shipper = sink(tmp_path, MemoryHbase())
    shipper.step()
    assert "lost" not in shipper.report()
    ship(shipper, lambda: shipper.report().get("lost") == {})


def test_the_ledger_moves_on_when_the_clock_was_set_back(tmp_path: Path) -> None:
    hbase = MemoryHbase()
    next_year = time.time_ns() // 1_000_000 + 365 * 86_400_000
    hbase.put("ledger", {FIRST.encode(): [(b"state", b"open", next_year), (b"bytes", b"0", next_year)]})
    Writer(tmp_path).write(event(1)).seal()
    ship(sink(tmp_path, hbase), empty(tmp_path))
    assert hbase.ledger(FIRST)["state"] == "done"


def test_a_worker_s_backlog_does_not_hold_up_the_other_worker(tmp_path: Path) -> None:
    backlog = Writer(tmp_path, worker=0)
    for number in range(1000):
        backlog.write(event(number))
    backlog.seal()
    Writer(tmp_path, worker=1).write(event(5000)).seal()
    hbase = MemoryHbase()
    shipper = sink(tmp_path, hbase)
    for _ in range(2):
        shipper.step()
    assert event(5000) in hbase.events()


def test_a_lane_leaves_other_lanes_workers_alone(tmp_path: Path) -> None:
    for worker in (0, 1):
        Writer(tmp_path, worker=worker).write(event(worker)).seal()
    hbase = MemoryHbase()
    shipper = sink(tmp_path, hbase, mine=lambda segment: segment.worker == 1)
    ship(shipper, lambda: len(Spool(tmp_path).scan()) == 1)
    assert hbase.events() == [event(1)]
