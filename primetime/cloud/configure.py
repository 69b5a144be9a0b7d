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
_SHOWN = ("systemctl", "show", "--property=Id,ActiveState,NRestarts", "*.service")
_LAST = 3  # lines of theirs that go into one line


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
        failing = _words_of(failing_units(_said(*_SHOWN)))
        print("\n".join([*complaints, *failing, in_short(tried, complaints, failing)]), flush=True)
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
        return [str(each).removeprefix(f"{here}: ") for each in (*report.failures, *report.not_tried)]
    verified = verify(living.inventory(declared, services, here=True), topology, progress, here=here)
    every = [str(each).removeprefix(f"{here}: ") for each in (*verified.failed, *verified.following)]
    return [f"not kept: {each}" for each in every]


def failing_units(shown: str) -> list[str]:
    """Those that failed, or come and go, of what systemctl shows: one that is started anew looks alive in between."""
    found = []
    for block in shown.split("\n\n"):
        unit = dict(line.partition("=")[::2] for line in block.splitlines())
        if unit.get("ActiveState") in ("failed", "activating") or int(unit.get("NRestarts") or 0):
            found.append(unit["Id"])
    return found


def _words_of(units: Sequence[str]) -> list[str]:
    """What they have said last themselves: the disk goes with the machine, and it is nowhere else."""
    asked = ("journalctl", "--no-pager", "--quiet", "--output=cat", "--lines=10")
    return [f"{unit}: {line}" for unit in units for line in _said(*asked, f"_SYSTEMD_UNIT={unit}").splitlines()]


def _said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, errors="replace").stdout


def in_short(tried: int, complaints: Sequence[str], failing: Sequence[str] = ()) -> str:
    """One line for whoever waits: the first complaint with the end of what it says, and what daemons say that fail."""
    lines = [line.strip() for line in complaints[0].splitlines() if line.strip()]
    more = f", and {len(complaints) - 1} more" if complaints[1:] else ""
    said = "".join(f"; {line}" for line in dict.fromkeys(failing[-_LAST:]))
    return f"{NOT_YET} (try {tried}): {' '.join(dict.fromkeys((lines[0], lines[-1])))}{more}{said}"


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
