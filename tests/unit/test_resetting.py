"""How long a reset waits for what its converge is to bring back."""

from __future__ import annotations

from concurrent.futures import Future

import pytest

from primetime import resetting
from primetime.converge.report import ConvergeReport, Failure
from primetime.errors import PrimetimeError

WELL = ConvergeReport(changed=0, operations=1, changes=(), failures=())
BADLY = ConvergeReport(changed=0, operations=1, changes=(), failures=(Failure("store-1", "Install Java", ""),))


def test_while_the_converge_is_at_work_nothing_is_hopeless_and_after_it_there_is_some_time() -> None:
    converged: Future[ConvergeReport] = Future()
    hopeless = resetting.hopeless_after(converged)
    assert not hopeless()
    converged.set_result(WELL)
    assert not hopeless()


def test_that_time_is_over_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resetting, "SERVES_S", -1.0)
    converged: Future[ConvergeReport] = Future()
    hopeless = resetting.hopeless_after(converged)
    assert not hopeless()
    converged.set_result(WELL)
    assert hopeless()


def test_a_converge_that_failed_or_could_not_be_made_brings_nothing_back() -> None:
    failed: Future[ConvergeReport] = Future()
    failed.set_result(BADLY)
    broken: Future[ConvergeReport] = Future()
    broken.set_exception(PrimetimeError("converge did not finish"))
    assert resetting.hopeless_after(failed)()
    assert resetting.hopeless_after(broken)()
