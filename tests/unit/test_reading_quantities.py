"""Positions, numbers and times as operators write them."""

from __future__ import annotations

import pytest

from primetime.errors import UsageError
from primetime.quantities import count, seconds
from primetime.reading import position


@pytest.mark.parametrize(
    ("text", "pos_ms"),
    [
        ("0:00", 0),
        ("0:10", 10_000),
        ("1:05", 65_000),
        ("75:00", 4_500_000),
        ("1:02:03", 3_723_000),
        ("24:00:00", 86_400_000),
        ("10s", 10_000),
        ("3m", 180_000),
        ("2h", 7_200_000),
    ],
)
def test_a_position_is_read(text: str, pos_ms: int) -> None:
    assert position(text) == pos_ms


@pytest.mark.parametrize(
    "text", ["", "10", "0:1", "0:60", "1:5:00", "-0:10", "0:10.5", "1:00:60", "10 s", "24:00:01", "25h"]
)
def test_what_is_no_position_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match=r"position"):
        position(text)


@pytest.mark.parametrize(
    ("text", "number"), [("1", 1), ("20000", 20_000), ("1e6", 1_000_000), ("1.5e6", 1_500_000), ("1E3", 1000)]
)
def test_a_count_is_read(text: str, number: int) -> None:
    assert count(text) == number


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "ten", "1e-3", "nan", "inf", "1e99", "5s"])
def test_what_is_no_count_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="1e6"):
        count(text)


@pytest.mark.parametrize(
    ("text", "time_s"), [("5", 5.0), ("5s", 5.0), ("0.5s", 0.5), ("3m", 180.0), ("2h", 7200.0), ("1.5m", 90.0)]
)
def test_a_time_is_read(text: str, time_s: float) -> None:
    assert seconds(text) == time_s


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "5 s", "5d", "s", "1e3s", "1:30"])
def test_what_is_no_time_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="5s"):
        seconds(text)
