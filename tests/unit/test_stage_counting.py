"""The window: what is said of the last five seconds, from readings of a counter."""

import pytest

from primetime.stage.counting import HISTORY_S, STEP_S, Window


def filled(seconds: int, per_second: int, start_s: float = 100.0) -> Window:
    window = Window()
    for quarter in range(4 * seconds + 1):
        window.add(start_s + quarter / 4, 1000 + quarter * per_second // 4)
    return window


def test_the_last_five_seconds_count_and_older_ones_do_not() -> None:
    window = filled(20, 40)
    assert window.within(120.0) == 200
    assert window.rate(120.0) == 40


def test_between_two_readings_a_counter_stands_in_proportion() -> None:
    window = Window()
    window.add(0.0, 0)
    window.add(4.0, 400)
    assert window.within(4.0, 1.0) == 100


def test_what_was_there_before_the_first_reading_did_not_just_come() -> None:
    window = Window()
    window.add(50.0, 1_000_000)
    assert (window.within(50.0), window.rate(50.0), window.total) == (0, 0, 1_000_000)


def test_without_news_the_count_goes_down_to_nothing() -> None:
    assert filled(20, 40).within(122.5) == 100
    assert filled(20, 40).within(126.0) == 0


def test_a_counter_that_was_made_anew_is_counted_from_there() -> None:
    window = filled(20, 40)
    window.add(120.25, 5)
    window.add(120.50, 25)
    assert window.within(120.5) == 20
    assert window.total == 25


def test_what_came_while_nobody_read_is_not_taken_for_a_burst() -> None:
    window = filled(20, 40)
    window.add(200.0, 900_000)
    assert window.within(200.0) == 0


@pytest.mark.parametrize("now", [120.0, 120.1, 120.4])
def test_a_step_of_the_history_keeps_its_value_while_it_moves_left(now: float) -> None:
    history = filled(20, 40).history(now)
    assert len(history) == HISTORY_S / STEP_S
    assert history[-40:] == (40,) * 40
    assert history[0] == 0


def test_it_keeps_no_more_than_it_needs() -> None:
    window = filled(600, 4)
    assert len(window._times) < 4 * 70
