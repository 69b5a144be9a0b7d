"""What `ledger` makes of rows and spools: every segment accounted for, and what is wrong named."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from primetime.audit.accounts import Accounts, settle
from primetime.audit.collectors import Surveyed
from primetime.audit.report import Report, sentences
from primetime.shipper.hbase_sink import HbaseSink
from primetime.shipper.ledger import CORRUPT, DONE, LOST, Row, everything
from primetime.shipper.spool import SegmentId, Spool
from primetime.shipper.survey import survey
from tests.shipping import RECEIVED_MS, SPOOL, MemoryHbase, Writer, event, record

SOURCE = f"{SPOOL}-w00"
FIRST, SECOND, THIRD = (f"{SOURCE}-{number:010d}" for number in (1, 2, 3))


def look(spool: Path, hbase: MemoryHbase, last: int | None = None, redis: str = "") -> Accounts:
    """As `primetime ledger` looks: positions, then the spool, then the ledger."""
    (spool / "spool.ulid").write_text(f"{SPOOL}\n")
    (spool / "w00.number").write_text(f"{last or max((s.number for s in Spool(spool).scan()), default=0)}\n")
    positions = {str(segment): [row.bytes, row.records, row.read] for segment, row in everything(hbase).items()}
    found = survey(Spool(spool), {"hbase": positions, "redis": {SOURCE: redis}})
    return settle(everything(hbase), [Surveyed("collector-1", found["at_ms"], found["last"], found["segments"])])


def ship(spool: Path, hbase: MemoryHbase, steps: int = 12, **options: Any) -> HbaseSink:
    sink = HbaseSink(Spool(spool), hbase, **{"batch_events": 4, "settle_s": 0, **options})
    for _ in range(steps):
        sink.step()
    return sink


def named(accounts: Accounts) -> list[tuple[str, str]]:
    return [(problem.what, problem.name) for problem in accounts.problems]


def test_what_was_shipped_and_removed_is_accounted_for(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        Writer(tmp_path, number).write(event(number)).seal()
    hbase = MemoryHbase()
    ship(tmp_path, hbase)
    accounts = look(tmp_path, hbase, last=3)
    assert (named(accounts), [account.row.state for account in accounts.segments]) == ([], [DONE] * 3)


def test_what_waits_in_the_spool_is_counted_with_its_age_and_is_no_fault(tmp_path: Path) -> None:
    writer = Writer(tmp_path, reserve=1 << 16).write(event(1), event(2)).write(event(3), received_ms=RECEIVED_MS + 5000)
    hbase = MemoryHbase()
    accounts = look(tmp_path, hbase)
    (account,) = accounts.segments
    assert (named(accounts), account.waiting, account.oldest_ms) == ([], 3, RECEIVED_MS)
    ship(tmp_path, hbase)
    writer.write(event(4), received_ms=RECEIVED_MS + 9000)
    accounts = look(tmp_path, hbase)
    (account,) = accounts.segments
    assert (named(accounts), account.waiting, account.oldest_ms) == ([], 1, RECEIVED_MS + 9000)
    writer.die()


def test_a_line_dropped_from_a_sealed_segment_names_it(tmp_path: Path) -> None:
    sealed = Writer(tmp_path).write(event(1), event(2)).write(event(3)).seal()
    sealed.write_bytes(sealed.read_bytes().replace(event(2) + b"\n", b""))
    hbase = MemoryHbase()
    assert named(look(tmp_path, hbase)) == [("corrupt", FIRST)]
    ship(tmp_path, hbase)
    assert named(look(tmp_path, hbase)) == [("corrupt", FIRST)]


def test_a_flipped_byte_names_its_segment(tmp_path: Path) -> None:
    sealed = Writer(tmp_path).write(event(1)).write(event(2), event(3)).seal()
    content = bytearray(sealed.read_bytes())
    content[content.index(b"u3")] ^= 1
    sealed.write_bytes(content)
    hbase = MemoryHbase()
    ship(tmp_path, hbase)
    accounts = look(tmp_path, hbase)
    assert (named(accounts), hbase.events()) == ([("corrupt", FIRST)], [event(1)])
    assert "wrong checksum at byte" in str(accounts.problems[0])


def test_a_lost_segment_is_named_before_and_after_the_shipper_finds_out(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        Writer(tmp_path, number).write(event(number)).seal()
    (tmp_path / f"{SECOND}.sealed").unlink()
    hbase = MemoryHbase()
    assert named(look(tmp_path, hbase)) == [("lost", SECOND)]
    ship(tmp_path, hbase)
    assert named(look(tmp_path, hbase, last=3)) == [("lost", SECOND)]


def test_a_lost_segment_that_comes_back_is_shipped_after_all(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        Writer(tmp_path, number).write(event(number)).seal()
    lost = tmp_path / f"{SECOND}.sealed"
    content, hbase = lost.read_bytes(), MemoryHbase()
    lost.unlink()
    ship(tmp_path, hbase)
    lost.write_bytes(content)
    ship(tmp_path, hbase)
    assert (named(look(tmp_path, hbase, last=3)), hbase.events()) == ([], sorted(map(event, (1, 2, 3))))


def test_the_last_segment_is_missed_too(tmp_path: Path) -> None:
    hbase = MemoryHbase()
    Writer(tmp_path, 1).write(event(1)).seal()
    ship(tmp_path, hbase)
    assert named(look(tmp_path, hbase, last=3)) == [("lost", f"{SECOND} to 3")]


def test_a_segment_that_vanished_half_shipped_is_named(tmp_path: Path) -> None:
    writer = Writer(tmp_path).write(event(1))
    hbase = MemoryHbase()
    ship(tmp_path, hbase)
    writer.die().unlink()
    assert named(look(tmp_path, hbase, last=1)) == [("lost", FIRST)]


def test_a_spool_that_no_collector_has_is_named_while_something_of_it_is_open(tmp_path: Path) -> None:
    writer = Writer(tmp_path).write(event(1))
    hbase = MemoryHbase()
    ship(tmp_path, hbase)
    writer.die()
    accounts = settle(everything(hbase), [Surveyed("collector-2")])
    assert named(accounts) == [("left behind", FIRST)]


def test_a_collector_that_cannot_be_asked_is_named() -> None:
    assert named(settle({}, [Surveyed("collector-1", trouble="no route")])) == [("not looked at", "collector-1")]


def test_a_number_that_is_taken_and_not_used_yet_is_no_loss(tmp_path: Path) -> None:
    hbase = MemoryHbase()
    Writer(tmp_path, 1).write(event(1)).seal()
    ship(tmp_path, hbase)
    (tmp_path / "w00.next").touch()
    os.utime(tmp_path / "w00.next", (2, 2))
    assert named(look(tmp_path, hbase, last=2)) == []


@pytest.mark.parametrize("cell", ["bytes", "records", "read"])
@pytest.mark.parametrize("shift", ["7", "1", "99999", "nonsense", ""])
def test_a_corrupt_position_names_its_segment_and_nothing_is_skipped_in_silence(
    tmp_path: Path, cell: str, shift: str
) -> None:
    writer = Writer(tmp_path, reserve=1 << 16).write(event(1), event(2)).write(event(3))
    hbase = MemoryHbase()
    ship(tmp_path, hbase)
    now = int(hbase.ledger(FIRST)[cell])
    text = str(now + int(shift)) if shift.isdecimal() else shift
    hbase.put("ledger", {FIRST.encode(): [(cell.encode(), text.encode(), 1 << 50)]})
    writer.write(event(4))
    assert named(look(tmp_path, hbase)) != []
    writer.seal()
    Writer(tmp_path, 2).write(event(5)).seal()
    ship(tmp_path, hbase)  # a new shipper, which takes up the position
    accounts = look(tmp_path, hbase, last=2)
    assert {name for _, name in named(accounts)} == {FIRST}
    assert hbase.ledger(SECOND)["state"] == "done", "others go on"


def test_a_segment_that_redis_cannot_be_in_is_named(tmp_path: Path) -> None:
    Writer(tmp_path).write(event(1), event(2)).seal()
    hbase = MemoryHbase()
    first = len(record(1, [event(1), event(2)])) - len(event(2)) - 1
    assert named(look(tmp_path, hbase, redis=f"1:{first}")) == []
    assert named(look(tmp_path, hbase, redis=f"1:{first + 1}")) == [("position", FIRST)]


def test_lost_numbers_and_neighbours_that_are_done_are_a_line_each() -> None:
    done = Row(state=DONE, read=2, stored=2)
    rows = {SegmentId(SOURCE, number): done for number in (1, 2, 5)}
    rows[SegmentId(SOURCE, 3)] = Row(state=LOST, notes={"last": "4"})
    accounts = settle(rows, [])
    report = Report("demo", accounts.segments, problems=accounts.problems)
    lines = list(sentences(report))
    assert [line.split()[2:5] for line in lines[0].splitlines()[1:]] == [
        ["1-2", "done", "4"],
        ["3-4", "lost", "0"],
        ["5", "done", "2"],
    ]
    assert (report.totals()["lost"], report.totals()["done"], report.totals()["stored"]) == (2, 3, 6)
    assert lines[-1].startswith("FAILED: 1")


def test_what_is_read_and_neither_stored_nor_a_dead_letter_is_named() -> None:
    row = replace(Row(state=DONE), read=5, stored=4)
    assert named(settle({SegmentId(SOURCE, 1): row}, [])) == [("position", FIRST)]


def test_a_row_that_cannot_be_read_is_corrupt() -> None:
    hbase = MemoryHbase()
    hbase.put("ledger", {FIRST.encode(): [(b"bytes", b"12x", 1)]})
    assert everything(hbase)[SegmentId(SOURCE, 1)].state == CORRUPT
