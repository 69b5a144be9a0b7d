"""Each role by itself, on a fresh host of each distribution: created, converged, converged again, verified, searched
for secrets that leaked, destroyed.

Called by the verb `validate`, and by the tests of roles. `hosts` says what a role's host has beside it, `changed` which
roles a change reaches, `case` is one role on one distribution, `leaks` its search, `matrix` all of them, `junit` what
CI reads.
"""

from primetime.validation.case import ERROR, FAILED, OK, SKIPPED, STEPS, Case, Outcome, Step
from primetime.validation.hosts import HOSTS

__all__ = ["ERROR", "FAILED", "HOSTS", "OK", "SKIPPED", "STEPS", "Case", "Outcome", "Step"]
