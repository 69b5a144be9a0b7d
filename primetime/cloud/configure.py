"""A machine's own roles onto itself, then their proof: `python -m primetime.cloud.configure TOPOLOGY INSTANCE SECONDS`.

Run by boot, from the bundle. What a role needs may not be up yet (a quorum that boots at the same time), so it is tried
again until it is, or the time is over. After each try that was not enough the log goes into the topology's bucket, for
whoever waits for this machine. Exit code 0 when every promise is kept, 1 when the time is over.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from libcloud.common.types import LibcloudError

from primetime.cloud import living, names
from primetime.cloud.boot import LOG
from primetime.cloud.found import aws
from primetime.cloud.newcomers import NOT_YET
from primetime.cloud.wanted import cloud_of
from primetime.converge import converge
from primetime.errors import PrimetimeError
from primetime.topology import load
from primetime.verify.run import verify

AGAIN_S = 10.0
# Its disk goes with it: what its daemons have said of their failing is nowhere else.
_UNITS = "systemctl list-units --all --plain --no-legend --state=failed,activating | cut -d ' ' -f 1"
_JOURNALS = f'for unit in $({_UNITS}); do echo "$unit:"; journalctl --no-pager -o cat -n 10 -u $unit; done'


def main() -> int:
    topology, instance, within_s = sys.argv[1], sys.argv[2], float(sys.argv[3])
    until, tried = time.monotonic() + within_s, 0
    while True:
        tried += 1
        try:
            complaints = attempt(topology, instance, print)
        except PrimetimeError as error:
            complaints = [str(error)]
        if not complaints:
            print("every promise is kept", flush=True)
            return 0
        print("\n".join([*complaints, *_failing(), _in_short(tried, complaints)]), flush=True)
        if time.monotonic() + AGAIN_S > until:
            return 1
        _keep_log(topology, instance)
        time.sleep(AGAIN_S)


def attempt(topology: str, instance: str, progress: Callable[[str], None]) -> list[str]:
    """Converge and verify the machine that is `instance`, this one; what is not as it shall be, its root first."""
    declared = load(topology)
    services = aws(cloud_of(declared).region)
    here = next((each.name for each in living.machines(services, declared) if each.id == instance), None)
    if here is None:
        raise PrimetimeError(f"{instance} has no tag of {declared.name}: it was not made by primetime")
    report = converge(topology, here=here, progress=progress)
    if report.failures:
        return [*map(str, report.failures), *map(str, report.not_tried)]
    verified = verify(living.inventory(declared, services, here=True), topology, progress, here=here)
    return [f"not kept: {broken}" for broken in (*verified.failed, *verified.following)]


def _in_short(tried: int, complaints: Sequence[str]) -> str:
    """One line for whoever waits: the first complaint, with the end of what it says."""
    lines = [line.strip() for line in complaints[0].splitlines() if line.strip()]
    more = f", and {len(complaints) - 1} more" if complaints[1:] else ""
    return f"{NOT_YET} (try {tried}): {' '.join(dict.fromkeys((lines[0], lines[-1])))}{more}"


def _failing() -> list[str]:
    """What units that do not run have said last."""
    return subprocess.run(["sh", "-c", _JOURNALS], capture_output=True, text=True, errors="replace").stdout.splitlines()


def _keep_log(topology: str, instance: str) -> None:
    """As boot does at the end of all."""
    declared = load(topology)
    services = aws(cloud_of(declared).region)
    try:
        [group] = {each.group for each in living.machines(services, declared) if each.id == instance}
        services.keep(declared.name, names.log(group, instance), LOG)
    except (PrimetimeError, LibcloudError, OSError, ValueError) as error:  # the next try's, or boot's, will do
        print(f"its log could not be kept: {error}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
