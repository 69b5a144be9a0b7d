"""What processes saw, merged; and how many processes there are."""

from __future__ import annotations

from dataclasses import replace

from primetime.rehearsal.burst import Burst, Plan
from primetime.rehearsal.crowd import processes, shares
from primetime.rehearsal.share import ACKED, REFUSED, UNANSWERED, Share, Tally, merge

ONE = Tally(bytes([ACKED, REFUSED]), 10.0, 12.0, [10, 0], {5: 1}, {"400 no": 1}, 2, [(12.0, 0)])
TWO = Tally(bytes([ACKED, UNANSWERED]), 9.5, 12.5, [5, 5, 5], {5: 2, 90: 1}, {"400 no": 1, "413": 1}, 0, [(12.5, 1)])
NOBODY = Tally(bytes([UNANSWERED]), None, None, [], {}, {}, 0, [])


def test_outcomes_are_dealt_back_in_turn() -> None:
    assert merge([ONE, TWO]).outcomes == bytes([ACKED, ACKED, REFUSED, UNANSWERED])


def test_the_whole_lasts_from_the_first_byte_of_any_part_to_the_last_204_of_any() -> None:
    assert merge([ONE, TWO, NOBODY]).accept_seconds == 3.0


def test_counts_of_parts_add_up() -> None:
    whole = merge([ONE, TWO])
    assert whole.per_second == [15, 5, 5]
    assert whole.latencies == {5: 3, 90: 1}
    assert whole.refusals == {"400 no": 2, "413": 1}
    assert whole.latest == [(12.5, 1), (12.0, 0)]


def test_the_curve_of_the_whole_is_the_sum_of_its_parts() -> None:
    parts = [replace(ONE, per_tenth=[1, 2]), replace(TWO, per_tenth=[10, 20, 30]), NOBODY]
    assert merge(parts).per_tenth == [11, 22, 30]


def test_a_percentile_is_the_time_that_so_many_answers_kept() -> None:
    whole = merge([ONE, TWO])
    assert (whole.percentile_ms(50), whole.percentile_ms(75), whole.percentile_ms(99)) == (0.5, 0.5, 9.0)


def test_without_any_answer_there_is_no_time_to_tell() -> None:
    assert (NOBODY.accept_seconds, NOBODY.percentile_ms(50)) == (None, None)


def test_a_tally_survives_json() -> None:
    assert Tally.from_json(TWO.to_json()) == TWO


def test_a_share_survives_json() -> None:
    share = Share(Burst("01M7YFS0TCSDYY42QP", Plan("quiz", 100, 1.5)), [("10.0.0.1", 8080)], 3, 1, 2)
    assert Share.from_json(share.to_json()) == share


def test_a_million_in_five_seconds_by_ten_is_one_process() -> None:
    assert processes(Plan("quiz", 1_000_000, 5, batch=10), cpus=2) == 1


def test_one_by_one_it_is_as_many_as_there_are_cpus_for() -> None:
    assert processes(Plan("quiz", 1_000_000, 5, batch=1), cpus=2) == 2
    assert processes(Plan("quiz", 1_000_000, 5, batch=1), cpus=8) == 4


def test_more_connections_than_a_process_may_have_need_another() -> None:
    assert processes(Plan("quiz", 1_000_000, 60, connections=20_000), cpus=2) == 2


def test_connections_and_collectors_are_dealt_out_over_the_parts() -> None:
    burst = Burst("01M7YFS0TCSDYY42QP", Plan("quiz", 100_000, 1, connections=5))
    parts = shares(burst, [("10.0.0.1", 80), ("10.0.0.2", 80)], 2)
    assert [part.connections for part in parts] == [3, 2]
    assert [part.collectors[0] for part in parts] == [("10.0.0.1", 80), ("10.0.0.2", 80)]


def test_there_are_no_more_connections_than_requests() -> None:
    burst = Burst("01M7YFS0TCSDYY42QP", Plan("quiz", 30, 1, batch=10, connections=64))
    assert shares(burst, [("10.0.0.1", 80)], 1)[0].connections == 3
