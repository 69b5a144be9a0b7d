"""Waiting for a condition, with a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_S = 60.0  # with a machine that has other things to do
CLUSTER_S = 240.0  # with a cluster on such a machine: an update is counted when all else is done


def wait_for(claim: Callable[[], bool], what: str, deadline_s: float = PATIENCE_S) -> None:
    """Until `claim` holds; an assertion names `what` did not come within `deadline_s`."""
    ends = time.monotonic() + deadline_s
    while not claim():
        assert time.monotonic() < ends, f"not within {deadline_s} s: {what}"
        time.sleep(0.1)
