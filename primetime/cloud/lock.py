"""One operator at a time: a launch template of a name that only one can make. Called by machines.

AWS gives a name to one of two who ask at once, which is all that a lock needs, and it takes no further service or
permission. A lock that its holder left behind is removed by its id, so of two who find it only one takes over.
"""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping

from primetime.drivers.aws.errors import AlreadyThere, NotThere
from primetime.drivers.aws.wire import tags
from primetime.drivers.ec2 import Ec2Driver, LaunchTemplate
from primetime.errors import PrimetimeError

TAG, UNTIL = "primetime:lock", "primetime:until"
LASTS_S = 1800.0  # longer than any command waits without renewing it


@contextlib.contextmanager
def held(
    ec2: Ec2Driver, topology: str, command: str, clock: Callable[[], float] = time.time
) -> Iterator[Callable[[], None]]:
    """Hold a topology's lock; PrimetimeError naming the holder when it is taken. Yields what makes it last anew."""
    taken = _take(ec2, topology, command, clock)

    def renew() -> None:
        ec2.connection.ask("CreateTags", ResourceId=[taken.id], Tag=tags({UNTIL: _until(clock)}))

    try:
        yield renew
    finally:
        with contextlib.suppress(NotThere):
            ec2.ex_delete_launch_template(taken)


def _take(ec2: Ec2Driver, topology: str, command: str, clock: Callable[[], float]) -> LaunchTemplate:
    marks = {
        TAG: topology,
        "primetime:host": socket.gethostname(),
        "primetime:pid": str(os.getpid()),
        "primetime:command": command,
        UNTIL: _until(clock),
    }
    name = f"primetime-lock-{topology}"
    for _ in range(2):
        with contextlib.suppress(AlreadyThere):
            return ec2.ex_create_launch_template(name, {"InstanceType": "t3.nano"}, marks)
        for found in ec2.ex_list_launch_templates({f"tag:{TAG}": topology}):
            if _is_live(found.tags, clock()):
                raise PrimetimeError(_taken(found.tags, topology, command))
            with contextlib.suppress(NotThere):
                ec2.ex_delete_launch_template(found)
    raise PrimetimeError(
        f"{command} has to wait: somebody has just taken the lock of {topology}: repeat it in a minute"
    )


def _until(clock: Callable[[], float]) -> str:
    return f"{clock() + LASTS_S:.0f}"


def _is_live(marks: Mapping[str, str], now: float) -> bool:
    """Not past its time, and not of a process of this very machine that is gone, or is this one."""
    if float(marks.get(UNTIL, 0)) < now:
        return False
    if marks.get("primetime:host") != socket.gethostname():
        return True
    pid = int(marks.get("primetime:pid", 0))
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _taken(marks: Mapping[str, str], topology: str, command: str) -> str:
    until = time.strftime("%H:%M:%S", time.localtime(float(marks[UNTIL])))
    who = f"`{marks.get('primetime:command')}` on {marks.get('primetime:host')} (pid {marks.get('primetime:pid')})"
    return f"{command} has to wait: {who} is at work on {topology}: repeat when that has ended ({until} at the latest)"
