"""What this machine lacks for a topology, and the command that mends it.

facts gathers, checks judges (pure functions, so that each can be tested with data).
Called by `doctor`, and by `demo`, `test` and `up` before they begin.
"""

from primetime.doctor.checks import BROKEN, OK, WARNING, Finding, all_of, blocking
from primetime.doctor.facts import gather
from primetime.errors import PrimetimeError
from primetime.topology import Topology

__all__ = ["BROKEN", "OK", "WARNING", "Finding", "all_of", "blocking", "gather", "require"]


def require(topology: Topology, named: str, verb: str) -> None:
    """PrimetimeError with what stands in the way of making machines here and that no verb mends by itself."""
    found = blocking(gather(topology, named, quick=True))
    if found:
        listed = "\n".join(f"{finding}" for finding in found)
        raise PrimetimeError(f"{verb} would not get far here: {listed}")
