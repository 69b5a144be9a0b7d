"""Every fault of the matrix, in the middle of a burst: it really happened, nothing acknowledged is lost, it is over.

All of them: `bin/primetime test --all --group fault`; three, other ones with each commit, in `test`. One of them:
`bin/primetime test --all -- 'tests/fault/test_faults.py::test_nothing_acknowledged_is_lost[Redis killed -9]'`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from primetime.paths import REPO
from primetime.rehearsal.burst import Plan
from tests.conftest import Demo
from tests.fault import results
from tests.fault.cluster import Cluster, Rehearsal
from tests.fault.faults import Fault
from tests.fault.matrix import ELSEWHERE, FAULTS
from tests.rotation import rotating
from tests.waiting import wait_for

QUICK = 3  # in `test`
BURST_S = 8
PATIENCE_WITHOUT_S = 3  # for a proof of what was not done


def cases() -> list[Any]:
    quick = rotating("faults", [fault for fault in FAULTS if fault.quick], QUICK)
    return [pytest.param(fault, id=fault.name, marks=() if fault in quick else pytest.mark.long) for fault in FAULTS]


@pytest.fixture(scope="module")
def shared(demo: Demo) -> Iterator[Cluster]:
    """The demo, of which every promise is kept after all this."""
    cluster = Cluster(demo)
    yield cluster
    wait_for(cluster.is_whole, "every promise kept after the last fault", 120)


@pytest.fixture
def cluster(shared: Cluster, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The same, mended after a test that failed."""
    failed = request.session.testsfailed
    yield shared
    shared.kept.clear()
    if request.session.testsfailed > failed:
        shared.mend()


@pytest.mark.parametrize("fault", cases())
def test_nothing_acknowledged_is_lost(cluster: Cluster, fault: Fault) -> None:
    with fault.around(cluster):
        rehearsal = Rehearsal(cluster, plan(cluster, fault))
        rehearsal.begin()
        seen = fault.look(cluster)
        began = time.monotonic()
        try:
            fault.do(cluster)
            evidence = fault.proof(cluster, seen)
            until(began + fault.lasts_s)
        finally:
            fault.undo(cluster)
        ended = time.monotonic() if fault.lasts_s else began
        wait_for(lambda: fault.recovered(cluster), f"recovery after: {fault}", fault.recovers_within_s)
        recovered_s = time.monotonic() - ended
        certificate = rehearsal.certificate()
        assert (certificate.missing, certificate.unanswered, certificate.refused) == (0, 0, 0), rehearsal.said[-5:]
        assert certificate.acked == certificate.sent == fault.updates
        fault.certified(certificate)
        wait_for(lambda: not cluster.problems(), "a ledger without a problem", 60)
    results.keep(fault.name, evidence, recovered_s, certificate)
    print(f"{fault}: {evidence}; recovered after {recovered_s:.1f} s")


def plan(cluster: Cluster, fault: Fault) -> Plan:
    """The burst; what the fault keeps away is waited for as long as it lasts, and a while longer."""
    return Plan(
        show=cluster.show,
        updates=fault.updates,
        seconds=BURST_S,
        batch=fault.batch,
        stored_deadline_s=fault.lasts_s + fault.recovers_within_s + 120,
    )


def until(moment: float) -> None:
    """The fault's duration is the test's subject, not a wait for anything."""
    time.sleep(max(0, moment - time.monotonic()))


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_its_proof_fails_when_it_is_not_done(cluster: Cluster, fault: Fault, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "patience_s", PATIENCE_WITHOUT_S)
    with fault.around(cluster):
        seen = fault.look(cluster)
        with pytest.raises(AssertionError):
            fault.proof(cluster, seen)


@pytest.mark.parametrize("proof", [proof for each in ELSEWHERE for proof in each.proofs])
def test_what_is_proved_elsewhere_is_there(proof: str) -> None:
    path, _, name = proof.partition("::")
    assert f"def {name}(" in (REPO / path).read_text()
