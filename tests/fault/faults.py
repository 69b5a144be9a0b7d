"""What a fault is: a part of the matrix, declared in one place. tests/fault/test_faults.py runs each the same way."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from primetime.rehearsal.certificate import Certificate
from tests.fault.cluster import Cluster

Step = Callable[[Cluster], object]


def nothing(_: Cluster) -> None:
    """A fault that ends by itself, or that notes nothing before."""


def whatever(_: Certificate) -> None:
    """A certificate that must be as every certificate."""


@dataclass(frozen=True)
class Fault:
    """One fault, done in the middle of a burst.

    `look` notes what is so before; `do` does it; `proof` gets what `look` noted, raises AssertionError when the fault
    did not happen, and says what showed it. After `lasts_s`, `undo` ends it: it may be called twice, and whatever else
    went wrong. `recovered` is then waited for. `around` prepares the cluster before the burst and puts it back.
    `certified` claims more of the certificate than `missing 0`.
    """

    name: str
    do: Step
    proof: Callable[[Cluster, Any], str]
    recovered: Callable[[Cluster], bool]
    look: Step = nothing
    undo: Step = nothing
    lasts_s: float = 0
    around: Callable[[Cluster], AbstractContextManager[object]] = nullcontext
    certified: Callable[[Certificate], None] = whatever
    quick: bool = False  # cheap enough for `test`, when its turn comes
    updates: int = 100_000
    batch: int = 10
    recovers_within_s: float = 180

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Elsewhere:
    """A fault that needs no hosts: `proofs` are the tests that do it, as `path::test`."""

    name: str
    proofs: tuple[str, ...]
