"""Which request goes next, and what has become of each; times are made up."""

from __future__ import annotations

import pytest

from primetime.rehearsal import book as book_module
from primetime.rehearsal.book import NOTHING, Book
from primetime.rehearsal.burst import Burst, Plan
from primetime.rehearsal.share import ACKED, REFUSED, UNANSWERED, Share

START = 1000.0


def book_of(updates: int = 50, part: int = 0, parts: int = 1) -> Book:
    plan = Plan("quiz-20261121", updates, 5, batch=10, deadline_s=60)
    return Book(Share(Burst("01M7YFS0TCSDYY42QP", plan), [("127.0.0.1", 1)], 1, part, parts))


def test_no_more_is_taken_than_is_due() -> None:
    book = book_of()
    assert [book.take(2, START) for _ in range(3)] == [0, 1, NOTHING]


def test_what_is_sent_again_waits_its_time_and_then_goes_first() -> None:
    book = book_of()
    book.take(1, START)
    book.again(0, START + 2)
    assert book.take(2, START + 1.9) == 1
    assert book.take(3, START + 2) == 0
    assert book.take(3, START + 2) == 2


def test_a_request_past_its_deadline_is_given_up() -> None:
    book = book_of(updates=10)
    book.take(1, START)
    book.again(0, START + 60)
    assert not book.settled
    book.again(book.take(1, START + 60), START + 60.1)
    assert book.settled
    assert book.tally(START).outcomes == bytes([UNANSWERED])


def test_an_answer_time_counts_from_the_first_attempt() -> None:
    book = book_of(updates=10)
    book.take(1, START)
    book.again(0, START + 1)
    book.take(1, START + 1)
    book.acknowledge(0, START + 1.5)
    tally = book.tally(START)
    assert tally.latencies == {15_000: 1}
    assert (tally.first_sent, tally.last_acked, tally.accept_seconds) == (START, START + 1.5, 1.5)


def test_each_second_counts_the_updates_acknowledged_in_it() -> None:
    book = book_of(updates=35)
    for request, when in enumerate((0.1, 0.9, 2.0, 2.5)):
        book.take(4, START)
        book.acknowledge(request, START + when)
    assert book.tally(START).per_second == [20, 0, 15]
    assert sum(book.tally(START).per_tenth) == 35


def test_a_part_names_its_requests_as_the_burst_does() -> None:
    book = book_of(updates=50, part=1, parts=2)
    for request in (0, 1):
        book.take(2, START)
        book.acknowledge(request, START + request)
    assert book.tally(START).latest == [(START + 1, 3), (START, 1)]
    assert book.bytes(1) == book.share.burst.http(3)


def test_refused_and_acknowledged_requests_are_settled_and_nothing_is_owed() -> None:
    book = book_of(updates=20)
    book.take(2, START)
    book.take(2, START)
    book.acknowledge(0, START + 1)
    assert (book.owed(2), book.settled) == (1, False)
    book.refuse(1, "400 no")
    assert (book.owed(2), book.settled) == (0, True)
    assert book.tally(START).outcomes == bytes([ACKED, REFUSED])


def test_the_next_request_is_due_by_the_schedule_or_when_it_may_be_sent_again() -> None:
    book = book_of(updates=50)
    assert book.next_at(START) == START
    book.take(1, START)
    assert book.next_at(START) == START + book.share.burst.due_s(1) > START
    book.again(0, START + 0.25)
    assert book.next_at(START) == START + 0.25


def test_what_memory_does_not_hold_is_made_when_it_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = book_of(updates=1000)
    monkeypatch.setattr(book_module, "PREPARED_BYTES", 5000)
    part = book_of(updates=1000)
    assert sum(len(request) for request in part._prepared) < 10_000
    assert [part.bytes(request) for request in range(100)] == [whole.bytes(request) for request in range(100)]
