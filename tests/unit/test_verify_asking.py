"""What several promises want to know of a host is asked once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from primetime.verify.asking import once


class Host:
    """A host as far as this is concerned."""


def test_it_is_asked_once_however_many_want_to_know_at_one_time() -> None:
    host, asked, go = Host(), list[int](), threading.Event()

    def ask() -> int:
        go.wait(60)
        asked.append(1)
        return 7

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(once, host, "x", ask) for _ in range(4)]
        go.set()
        assert [answer.result() for answer in answers] == [7] * 4
    assert asked == [1]


def test_an_error_is_everybody_s() -> None:
    host = Host()

    def ask() -> None:
        raise AssertionError("it is gone")

    for _ in range(2):
        with pytest.raises(AssertionError, match="it is gone"):
            once(host, "x", ask)


def test_another_host_and_another_question_are_asked_for_themselves() -> None:
    one, other = Host(), Host()
    found = [
        once(one, "x", lambda: 1),
        once(other, "x", lambda: 2),
        once(one, "y", lambda: 3),
        once(one, "x", lambda: 4),
    ]
    assert found == [1, 2, 3, 1]
