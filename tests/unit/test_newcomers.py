"""What a machine's own log says that it lacks, in one line."""

import pytest

from primetime.cloud.configure import failing_units, in_short
from primetime.cloud.newcomers import reason

BEGUN = "2026-11-29T20:00:00Z i-1 of evening collector: bundle 1\n"
LATE = "2026-11-29T20:25:00Z its roles did not come to keep their promises within 1500 s: see above\n"
UNCLEAN = "2026-11-29T20:25:00Z it could not be cleaned: see above\n"
ABANDONED = "2026-11-29T20:25:01Z launch: ABANDON\n"
TRIES = "i-1: a failed\nnot yet (try 1): no mirror\nnot kept: x\nnot yet (try 2): no Redis, and 1 more\n"


@pytest.mark.parametrize(
    ("log", "says"),
    [
        ("", ""),
        (BEGUN, ""),
        (BEGUN + TRIES, "no Redis, and 1 more"),
        (BEGUN + TRIES + LATE + ABANDONED, "no Redis, and 1 more"),
        (BEGUN + TRIES + UNCLEAN + ABANDONED, "no Redis, and 1 more"),
        (BEGUN + "2026-11-29T20:00:01Z bundle 1 is not signed\n" + ABANDONED, "bundle 1 is not signed"),
        (BEGUN + "every promise is kept\n2026-11-29T20:02:00Z launch: CONTINUE\n", ""),
    ],
)
def test_a_log_s_reason_is_its_last_try_s_or_what_kept_it_from_trying(log: str, says: str) -> None:
    assert reason(log) == says


FAILED = "Redis | Install Redis failed:\n    Reading\n    no mirror\n"


@pytest.mark.parametrize(
    ("complaints", "failing", "says"),
    [
        ([FAILED, "x"], [], "Redis | Install Redis failed: no mirror, and 1 more"),
        (["not kept: redis: it runs"], ["a: 1", "a: 2", "a: 2"], "not kept: redis: it runs; a: 1; a: 2"),
    ],
)
def test_what_a_try_lacked_is_one_line(complaints: list[str], failing: list[str], says: str) -> None:
    assert reason(in_short(2, complaints, failing)) == says


def test_a_unit_that_is_started_again_and_again_is_failing_while_it_looks_alive() -> None:
    shown = "Id=a.service\nActiveState=active\nNRestarts={}\n\nId=b.service\nActiveState={}\nNRestarts=0\n"
    assert failing_units(shown.format(0, "active")) == []
    assert failing_units(shown.format(3, "failed")) == ["a.service", "b.service"]
    assert failing_units("") == []
