"""What is not tried any more once something failed: what needs it, and the next member of what goes one by one.

pyinfra itself leaves out the failed host and runs all that follows on the others: HBase on two hosts over a file system
that the third does not have, and a restart that broke one member of a quorum on the next member too. Here operations
are taken out of the run as soon as that is known. pyinfra skips what a host does not have, so `_if` and restarts that
wait for a change see nothing of it. Called by the runner.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

from pyinfra.api.host import Host
from pyinfra.api.state import BaseStateCallback, State, StateOperationHostData
from pyinfra.context import ctx_host

from primetime.converge.plan import gates
from primetime.converge.report import NotTried
from primetime.needs import daemons, label, needing


class Dependants(BaseStateCallback):
    """Add it to a state, and `begin` when everything is prepared. `not_tried` is what was left out, and why."""

    def __init__(self) -> None:
        self.not_tried: list[NotTried] = []
        self._parts: dict[str, str] = {}  # operation, in order → its part: a daemon, or `hbase_tables`
        self._failed: set[Host] = set()

    def begin(self, state: State) -> None:
        """Take out what needs a host that failed before anything ran."""
        by_deploy = _parts_by_deploy()
        for op_hash in state.get_op_order():
            deploy = next(iter(state.get_op_meta(op_hash).names)).partition(" | ")[0]
            self._parts[op_hash] = by_deploy.get(deploy, deploy)
        for host in sorted(state.failed_hosts, key=lambda host: str(host.name)):
            self._failed.add(host)
            lost = {part for group in host.groups for part in [group] if group in daemons(group)}
            self._leave_members(state, host, lost, f"{host.name} was not reached")
            self._leave_dependants(state, host, lost, f"{host.name} was not reached")

    def operation_host_error(  # type: ignore[override]
        self, state: State, host: Host, op_hash: str, retry_count: int = 0, max_retries: int = 0
    ) -> None:
        self._fail(state, host, op_hash)

    def operation_end(self, state: State, op_hash: str) -> None:  # type: ignore[override]
        for host in state.failed_hosts - self._failed:  # one that could not answer a question fails without an error
            self._fail(state, host, op_hash)

    def _fail(self, state: State, host: Host, op_hash: str) -> None:
        if host in self._failed:
            return
        self._failed.add(host)
        failed = self._parts[op_hash]
        because = f"{label(failed)} failed on {host.name}"
        # in order of running, as begin() put them
        ahead = list(self._parts)[list(self._parts).index(op_hash) + 1 :]
        after = {self._parts[later] for later in ahead if later in state.ops[host]} - {failed}
        self._note(host, after, because)
        self._leave_members(state, host, {failed} | after, because)
        self._leave_dependants(state, host, {failed} | after, because)

    def _leave_members(self, state: State, failed: Host, parts: set[str], because: str) -> None:
        """Operations that go from member to member stop: a quorum may not bear a second failure."""
        for op_hash, part in self._parts.items():
            if part in parts and state.get_op_meta(op_hash).global_arguments["_serial"]:
                for host in self._take_out(state, failed, {op_hash}):
                    name = next(iter(state.get_op_meta(op_hash).names)).partition(" | ")[2]
                    self.not_tried.append(NotTried(host.name, f"{label(part)}: {name}", because))

    def _leave_dependants(self, state: State, failed: Host, parts: set[str], because: str) -> None:
        every = set(self._parts.values())
        for needer in sorted({needer for part in parts for needer in needing(part, every)}):
            ours = {op_hash for op_hash, part in self._parts.items() if part == needer}
            for host in self._take_out(state, failed, ours):
                self._note(host, {needer}, because)

    def _note(self, host: Host, parts: Iterable[str], because: str) -> None:
        self.not_tried += [NotTried(host.name, label(part), because) for part in sorted(parts)]

    def _take_out(self, state: State, failed: Host, operations: set[str]) -> list[Host]:
        """The other hosts that had some of these to do, now without."""
        hosts = []
        for host in sorted(state.active_hosts - {failed}, key=lambda host: str(host.name)):
            ours = [name for name, data in state.ops[host].items() if name in operations and _to_come(host, data)]
            for op_hash in ours:
                del state.ops[host][op_hash]
            hosts += [host] if ours else []
        return hosts


def _to_come(host: Host, data: StateOperationHostData) -> bool:
    """Whether an operation has not run, and is not known to have nothing to do."""
    if data.operation_meta.is_complete():
        return False
    try:
        with ctx_host.use(host):
            return all(gate() for gate in gates(data))
    except RuntimeError:  # it waits for one that has not run either
        return True


def _parts_by_deploy() -> dict[str, str]:
    """The name of a deploy → its function's, which is its inventory group (or `hbase_tables`).

    Of two with one name the first is meant: the other keeps running what that one has begun to start.
    """
    found: dict[str, str] = {}
    for name, module in list(sys.modules.items()):
        if re.fullmatch(r"roles\.\w+\.deploy", name):
            functions: list[Any] = [getattr(value, "_inner", None) for value in vars(module).values()]
            for function in functions:
                if title := getattr(function, "deploy_name", ""):
                    found.setdefault(title, function.__name__)
    return found
