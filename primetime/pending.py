"""What a run that was cut short left undone on a host: a service that has not read its changed files yet.

The restart that a changed file asks for comes operations later; a run that fails or dies in between is not repeated,
for the next one finds the file as it should be. So roles ask the host as well: `_if=restart_due(...)`,
`_if=reload_due(...)` and `_if=load_due(...)`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable

from pyinfra import host
from pyinfra.api.operation import OperationMeta
from pyinfra.facts.server import Command

UNITS = "/etc/systemd/system"

# Files that are newer than the main process of a service that is active, and not from a future that a clock has left.
_NEWER = """
test "$(systemctl is-active {unit})" = active || exit 0
since=$(systemctl show --timestamp=us+utc --value --property ExecMainStartTimestamp {unit})
test -z "$since" || find {paths} -type f -newermt "$since" ! -newermt now -print -quit 2>/dev/null || true
"""


def restart_due(service: str, *changes: OperationMeta, reads: str = "") -> Callable[[], bool]:
    """For the `_if` of a restart: one of `changes` happened, or a file is newer than the service that reads it.

    `reads` is a file or folder, or nothing; the unit's own file, when it is ours, counts too.
    """
    unit = _unit(service)
    paths = shlex.join([*([reads] if reads else []), f"{UNITS}/{unit}"])
    late = bool(host.get_fact(Command, command=_NEWER.format(unit=unit, paths=paths)))
    return lambda: late or any(change.did_change() for change in changes)


def reload_due(service: str, written: OperationMeta) -> Callable[[], bool]:
    """For the `_if` of systemd's daemon-reload: the unit was `written`, or systemd says that it knows an older one."""
    command = f"systemctl show --value --property NeedDaemonReload {_unit(service)}"
    late = host.get_fact(Command, command=command) == "yes"
    return lambda: late or written.did_change()


def load_due(written: OperationMeta, *, reads: str, loaded: str) -> Callable[[], bool]:
    """For the `_if` of a service's reload: the file that it `reads` was `written`, or is newer than what it has loaded.

    The unit's start and reload touch `loaded` before they read.
    """
    late = bool(host.get_fact(Command, command=f"find {reads} -newer {loaded} -print -quit 2>/dev/null || true"))
    return lambda: late or written.did_change()


def _unit(service: str) -> str:
    return service if service.endswith((".service", ".path")) else f"{service}.service"
