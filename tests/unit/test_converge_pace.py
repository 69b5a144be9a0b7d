"""Time left of a converge: what operations took before, at this run's pace."""

from primetime.converge.pace import Pace


class Run:
    """A converge at a clock that the test sets."""

    def __init__(self, remembered: dict[str, float], operations: list[str], changing: list[str]) -> None:
        self.now = 0.0
        self.pace = Pace(remembered, lambda: self.now)
        self.pace.expect(operations, frozenset(changing))

    def do(self, operation: str, seconds: float) -> None:
        self.pace.begin()
        self.now += seconds
        self.pace.end(operation)


QUICK = [f"write {number}" for number in range(20)]


def test_what_operations_took_before_is_what_is_left() -> None:
    run = Run({"packages": 20.0, "start": 8.0}, ["packages", "start"], ["packages", "start"])
    assert run.pace.left() == 28.0
    run.do("packages", 20.0)
    assert run.pace.left() == 8.0


def test_what_has_nothing_to_do_takes_no_time() -> None:
    assert Run({"packages": 20.0, "start": 8.0}, ["packages", "start"], ["start"]).pace.left() == 8.0


def test_one_long_operation_does_not_stretch_those_to_come() -> None:
    run = Run({}, ["packages", *QUICK], ["packages", *QUICK])
    run.do("packages", 100.0)
    for operation in QUICK[:10]:
        run.do(operation, 0.5)
    assert run.pace.left() == 5.0


def test_nothing_is_said_while_nothing_is_known() -> None:
    run = Run({}, QUICK, QUICK)
    run.do(QUICK[0], 3.0)
    assert run.pace.left() is None


def test_a_busier_machine_than_last_time_stretches_what_is_left() -> None:
    run = Run(dict.fromkeys(QUICK, 1.0), QUICK, QUICK)
    for operation in QUICK[:10]:
        run.do(operation, 2.0)
    assert run.pace.left() == 20.0


def test_only_what_had_something_to_do_is_remembered() -> None:
    run = Run({}, QUICK, QUICK[1:])
    run.do(QUICK[0], 0.0)
    run.do(QUICK[1], 4.0)
    assert run.pace.took == {QUICK[1]: 4.0}
