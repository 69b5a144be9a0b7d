"""A run's ids: what they carry, and what is not one of them."""

from __future__ import annotations

import pytest

from primetime.event import ULID
from primetime.rehearsal.ids import MAX_UPDATES, RUN_LENGTH, event_id, new_run, number_of, started_ms

RUN = b"01M7YFS0TCSDYY42QP"


@pytest.mark.parametrize("number", [0, 1, 31, 32, 1023, 1024, 2**20, 2**30 + 5, MAX_UPDATES - 1])
def test_an_id_carries_its_number(number: int) -> None:
    assert number_of(RUN, event_id(RUN, number)) == number


def test_an_id_is_a_ulid_that_begins_with_its_run() -> None:
    run = new_run(1_763_708_400_000)
    made = event_id(run.encode(), 123_456).decode()
    assert ULID.fullmatch(made)
    assert made[:RUN_LENGTH] == run


def test_ids_sort_by_number() -> None:
    ids = [event_id(RUN, number) for number in (0, 9, 10, 31, 32, 33, 1024, 99_999)]
    assert ids == sorted(ids)


def test_a_run_tells_when_it_began() -> None:
    assert started_ms(new_run(1_763_708_400_123)) == 1_763_708_400_123


def test_two_runs_of_one_millisecond_have_two_names() -> None:
    assert new_run(1_763_708_400_000) != new_run(1_763_708_400_000)


@pytest.mark.parametrize(
    "foreign",
    [
        b"01M7YFS0TCSDYY42QX00000001",  # another run
        RUN + b"0000001",  # too short
        RUN + b"000000001",  # too long
        RUN + b"0000000a",  # lower case
        RUN + b"0000000U",  # not in Crockford's alphabet
        RUN + b"0000_001",  # int() would read this
        RUN + b"      +1",  # and this
    ],
)
def test_what_is_not_an_id_of_the_run_has_no_number(foreign: bytes) -> None:
    assert number_of(RUN, foreign) is None
