"""Operations run role by role over all hosts, whatever else a host has to do."""

from __future__ import annotations

from graphlib import CycleError

import pytest

from primetime.converge.order import in_start_order


def place(operation: str) -> tuple[int, ...]:
    return (int(operation.strip("abcdefgh")),)


def test_a_role_waits_until_the_one_before_is_done_everywhere() -> None:
    store, client = ["a1", "b2", "c3", "d4"], ["a1", "e5", "f6"]
    assert in_start_order([client, store], place) == ["a1", "b2", "c3", "d4", "e5", "f6"]


def test_a_host_s_own_order_holds_even_against_the_lines() -> None:
    assert in_start_order([["b2", "a1"], ["c3"]], place) == ["b2", "a1", "c3"]


def test_hosts_without_operations_are_no_matter() -> None:
    assert in_start_order([[], ["a1"], []], place) == ["a1"]


def test_hosts_that_contradict_each_other_are_an_error() -> None:
    with pytest.raises(CycleError):
        in_start_order([["a1", "b2"], ["b2", "a1"]], place)
