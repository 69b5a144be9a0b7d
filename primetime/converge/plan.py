"""Which operations would change something: what the dry run prints, and what decides whether to run at all.

pyinfra cannot evaluate `_if` before execution, so a restart that waits for a changed file always counts as a change
in its own plan. Here `_if` is asked with the *planned* result of the operations it looks at.
"""

from __future__ import annotations

from collections.abc import Callable

from pyinfra.api.host import Host
from pyinfra.api.operation import OperationMeta
from pyinfra.api.state import State, StateOperationHostData
from pyinfra.context import ctx_host


def effective_changes(state: State) -> list[tuple[str, str]]:
    """(host, operation name) of everything that would change, in execution order."""
    changes, pretended = [], []
    try:
        for op_hash in state.get_op_order():
            for host in state.inventory.get_active_hosts():
                data = state.ops[host].get(op_hash)
                if data is None:
                    continue
                with ctx_host.use(host):
                    changing = bool(data.operation_meta.will_change) and all(gate() for gate in gates(data))
                _pretend(data.operation_meta, changing)
                pretended.append(data.operation_meta)
                if changing:
                    changes.append((host.name, _name(state, op_hash)))
    finally:
        for meta in pretended:
            meta._success = meta._commands = None
    return changes


def gates(data: StateOperationHostData) -> list[Callable[[], bool]]:
    """The conditions of an operation's `_if`."""
    found = data.global_arguments.get("_if") or []
    return found if isinstance(found, list) else [found]


def _pretend(meta: OperationMeta, changed: bool) -> None:
    """Let `meta.did_change()`, which a later operation's `_if` may be bound to, answer as planned."""
    meta._success, meta._commands = True, ["planned"] if changed else []


def performed_changes(state: State) -> list[tuple[str, str]]:
    """(host, operation name) of everything that did change, in execution order."""
    return [
        (host.name, _name(state, op_hash))
        for op_hash in state.get_op_order()
        for host in state.inventory
        if _changed(state, host, op_hash)
    ]


def _changed(state: State, host: Host, op_hash: str) -> bool:
    data = state.ops[host].get(op_hash)
    return data is not None and data.operation_meta.is_complete() and data.operation_meta.did_change()


def _name(state: State, op_hash: str) -> str:
    return ", ".join(sorted(state.get_op_meta(op_hash).names))
