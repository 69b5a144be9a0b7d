"""The certificate of a run of 200, whose events this test stores, loses, alters and buries."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from primetime.errors import PrimetimeError
from primetime.rehearsal.burst import BYTES_VERSION, Burst, Plan
from primetime.rehearsal.certificate import Certificate, certify, check
from primetime.rehearsal.ids import new_run
from primetime.rehearsal.record import Record
from primetime.rehearsal.share import ACKED, REFUSED, UNANSWERED, Tally
from primetime.rehearsal.stored import Found
from tests.memory_hbase import ReadHbase

BURST = Burst("01M7YFS0TCSDYY42QP", Plan("quiz-20261121", 200, 5, batch=10))
EVERYTHING = range(200)


def record_of(outcomes: bytes) -> Record:
    tally = Tally(outcomes, 10.0, 15.25, [40] * 5, {12: 10, 57: 9, 80: 1}, {"400 no": 1}, 3, [(15.25, 19)])
    return Record.of(BURST, tally)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The record of a run in which everything was acknowledged."""
    record_of(bytes([ACKED] * 20)).save(tmp_path / BURST.run)
    return tmp_path / BURST.run


@pytest.fixture
def hbase() -> ReadHbase:
    """An HBase in which the whole run is stored, among others' events."""
    hbase = ReadHbase()
    hbase.store_numbers(BURST, EVERYTHING)
    hbase.store_numbers(Burst("01M7YFS0TCZZZZZZZZ", BURST.plan), range(50))
    return hbase


def altered(number: int) -> bytes:
    return BURST.event(number).replace(b'"viewer-', b'"Viewer-')


def test_a_run_that_is_stored_whole_passes(folder: Path, hbase: ReadHbase) -> None:
    certificate = check(folder, hbase)
    assert certificate.passed
    assert (certificate.sent, certificate.acked, certificate.stored, certificate.missing) == (200, 200, 200, 0)


def test_one_lost_cell_is_named_and_fails(folder: Path, hbase: ReadHbase) -> None:
    hbase.lose(BURST.event(123))
    certificate = check(folder, hbase)
    assert not certificate.passed
    assert (certificate.stored, certificate.missing) == (199, 1)
    assert certificate.missing_ids == [json.loads(BURST.event(123))["id"]]


def test_as_many_others_do_not_make_up_for_a_lost_one(folder: Path, hbase: ReadHbase) -> None:
    hbase.lose(BURST.event(7))
    hbase.store(BURST.event(8).replace(BURST.run.encode(), b"01M7YFS0TCZZZZZZZZ"))
    assert check(folder, hbase).missing == 1


def test_altered_bytes_are_a_conflict_and_not_the_event(folder: Path, hbase: ReadHbase) -> None:
    hbase.lose(BURST.event(5))
    hbase.store(altered(5))
    certificate = check(folder, hbase)
    assert (certificate.stored, certificate.conflicts, certificate.missing) == (199, 1, 1)


def test_an_id_stored_twice_with_other_bytes_is_one_conflict_and_nothing_is_missing(
    folder: Path, hbase: ReadHbase
) -> None:
    hbase.store(altered(5))
    hbase.store(altered(5).replace(b"Viewer", b"VIEWER"))
    certificate = check(folder, hbase)
    assert (certificate.stored, certificate.conflicts, certificate.missing) == (200, 1, 0)


def test_a_dead_letter_is_not_missing(folder: Path, hbase: ReadHbase) -> None:
    hbase.lose(BURST.event(0))
    hbase.bury(BURST.event(0))
    certificate = check(folder, hbase)
    assert certificate.passed
    assert (certificate.stored, certificate.dead_lettered) == (199, 1)


def test_a_dead_letter_with_other_bytes_excuses_nothing(folder: Path, hbase: ReadHbase) -> None:
    hbase.lose(BURST.event(0))
    hbase.bury(altered(0))
    certificate = check(folder, hbase)
    assert (certificate.dead_lettered, certificate.conflicts, certificate.missing) == (0, 1, 1)


def test_dead_letters_of_others_are_not_the_run_s(folder: Path, hbase: ReadHbase) -> None:
    hbase.bury(b'{"id":"01M7YFS0TCZZZZZZZZ00000001","show":"quiz-20261121","pos_ms":1}')
    hbase.bury(b"not json at all")
    assert check(folder, hbase).dead_lettered == 0


def test_what_was_not_acknowledged_may_be_stored(tmp_path: Path, hbase: ReadHbase) -> None:
    record_of(bytes([ACKED] * 17 + [REFUSED, UNANSWERED, ACKED])).save(tmp_path)
    for number in (0, *BURST.numbers(17)):
        hbase.lose(BURST.event(number))
    certificate = check(tmp_path, hbase)
    assert (certificate.acked, certificate.refused, certificate.unanswered) == (180, 10, 10)
    assert (certificate.stored, certificate.unacked_stored, certificate.missing) == (189, 10, 1)


def test_an_unanswered_update_fails_the_run(tmp_path: Path, hbase: ReadHbase) -> None:
    record_of(bytes([ACKED] * 19 + [UNANSWERED])).save(tmp_path)
    assert not check(tmp_path, hbase).passed


def test_a_refused_update_does_not_fail_the_run(tmp_path: Path, hbase: ReadHbase) -> None:
    record_of(bytes([ACKED] * 19 + [REFUSED])).save(tmp_path)
    assert check(tmp_path, hbase).passed


def test_twenty_of_many_missing_are_named(folder: Path) -> None:
    certificate = check(folder, ReadHbase())
    assert certificate.missing == 200
    assert certificate.missing_ids == [json.loads(BURST.event(number))["id"] for number in range(20)]


def test_a_check_keeps_the_times_and_duplicates_of_the_run(tmp_path: Path, hbase: ReadHbase) -> None:
    replace(record_of(bytes([ACKED] * 20)), stored_seconds=6.5, duplicates=4).save(tmp_path)
    hbase.lose(BURST.event(1))
    certificate = check(tmp_path, hbase)
    assert (certificate.accept_seconds, certificate.stored_seconds, certificate.duplicates) == (5.25, 6.5, 4)
    assert (certificate.p50_ms, certificate.p99_ms, certificate.per_second) == (1.2, 8.0, [40] * 5)


def test_the_json_has_the_fields_of_the_contract(folder: Path, hbase: ReadHbase) -> None:
    contract = (
        "run batch connections sent acked refused unanswered stored unacked_stored duplicates conflicts dead_lettered "
        "missing accept_seconds stored_seconds p50_ms p99_ms per_second missing_ids show started"
    )
    assert set(check(folder, hbase).to_json()) == set(contract.split())


def unanswered(burst: Burst) -> Certificate:
    tally = Tally(bytes([UNANSWERED] * 20), None, None, [], {}, {}, 0, [])
    return certify(Record.of(burst, tally), Found(burst))


def test_a_run_says_when_it_started() -> None:
    assert unanswered(Burst(new_run(1_763_670_400_000), BURST.plan)).started == "2025-11-20T20:26:40.000+00:00"


def test_a_run_without_any_answer_has_no_times_and_can_be_told() -> None:
    certificate = unanswered(BURST)
    assert (certificate.accept_seconds, certificate.p50_ms) == (None, None)
    assert certificate.sentences()[-1] == "FAILED: 0 acknowledged and missing, 200 unanswered"


def test_an_operator_reads_which_are_missing(folder: Path, hbase: ReadHbase) -> None:
    hbase.lose(BURST.event(123))
    text = "\n".join(check(folder, hbase).sentences())
    assert json.loads(BURST.event(123))["id"] in text
    assert "FAILED: 1 acknowledged and missing" in text


def test_a_saved_certificate_is_its_json(folder: Path, hbase: ReadHbase) -> None:
    certificate = check(folder, hbase)
    certificate.save(folder / "certificate.json")
    assert json.loads((folder / "certificate.json").read_text()) == certificate.to_json()


def test_an_unknown_run_is_a_sentence(tmp_path: Path, hbase: ReadHbase) -> None:
    with pytest.raises(PrimetimeError, match="No record of a run"):
        check(tmp_path / "01M7YFS0TCSDYY42QQ", hbase)


def test_a_run_of_another_version_is_not_judged(folder: Path, hbase: ReadHbase) -> None:
    fields = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(fields | {"bytes_version": BYTES_VERSION + 1}))
    with pytest.raises(PrimetimeError, match="another version"):
        check(folder, hbase)


def test_a_run_of_which_nothing_was_acknowledged_does_not_pass() -> None:
    assert not certify(record_of(bytes([REFUSED] * 20)), Found(BURST)).passed
