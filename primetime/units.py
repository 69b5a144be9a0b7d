"""A daemon of ours under systemd, by four operations that many roles would say alike: its unit is written and read,
it restarts when what it read is older than what lies there, and it runs.

pyinfra orders operations by the source lines that lead to them, the caller's first: so these four stay together, where
the role calls, and in the order in which they stand here.
"""

from __future__ import annotations

from typing import Any

from pyinfra.api.operation import OperationMeta
from pyinfra.operations import files, systemd

from primetime.pending import UNITS, reload_due, restart_due


def keep(
    service: str, called: str, *changes: OperationMeta, src: str, new: str = "unit", reads: str = "", **values: Any
) -> None:
    """Keep `service` running on its unit, which the template `src` makes with `values`, and on what else it reads.

    `called` is what an operator knows it as ("the guard"). When one of `changes` happened, or `reads` (a file or
    folder) is newer than the process, it restarts "on its new `new`".
    """
    unit = files.template(
        name=f"Write the unit of {called}",
        src=src,
        dest=f"{UNITS}/{service}.service",
        mode="644",
        **values,
    )
    systemd.daemon_reload(name=f"Read the changed unit of {called}", _if=reload_due(service, unit))
    systemd.service(
        name=f"Restart {called} on its new {new}",
        service=service,
        restarted=True,
        _if=restart_due(service, *changes, unit, reads=reads),
    )
    systemd.service(name=f"Keep {called} running", service=service, running=True, enabled=True)
