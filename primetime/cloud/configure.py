"""A machine's own roles onto itself, then their proof: `python -m primetime.cloud.configure TOPOLOGY INSTANCE SECONDS`.

Run by boot, from the bundle. What a role needs may not be up yet (a quorum that boots at the same time), so it is tried
again until it is, or the time is over. Exit code 0 when every promise is kept, 1 when the time is over.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

from primetime.cloud import living
from primetime.cloud.found import aws
from primetime.cloud.wanted import cloud_of
from primetime.converge import converge
from primetime.errors import PrimetimeError
from primetime.topology import load
from primetime.verify.run import verify

AGAIN_S = 10.0


def main() -> int:
    topology, instance, within_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
    until = time.monotonic() + within_s
    while True:
        try:
            complaints = attempt(topology, instance, print)
        except PrimetimeError as error:
            complaints = [str(error)]
        print("\n".join(complaints) or "every promise is kept", flush=True)
        if not complaints:
            return 0
        if time.monotonic() + AGAIN_S > until:
            return 1
        time.sleep(AGAIN_S)


def attempt(topology: str, instance: str, progress: Callable[[str], None]) -> list[str]:
    """Converge and verify the machine that is `instance`, this one; what is not as it shall be, as sentences."""
    declared = load(topology)
    services = aws(cloud_of(declared).region)
    here = next((each.name for each in living.machines(services, declared) if each.id == instance), None)
    if here is None:
        raise PrimetimeError(f"{instance} has no tag of {declared.name}: it was not made by primetime")
    report = converge(topology, here=here, progress=progress)
    if report.failures:
        return [report.complaint()]
    verified = verify(living.inventory(declared, services, here=True), topology, progress, here=here)
    return [f"not kept: {broken}" for broken in (*verified.failed, *verified.following)]


if __name__ == "__main__":
    sys.exit(main())
