"""In which order operations run, over all hosts: role by role, as the lines of deploy.py stand.

Called by the runner. pyinfra itself takes whatever each host has next, round by round: with hosts of different roles
it starts a role on one host before another host has finished what that role needs.
"""

from __future__ import annotations

import functools
import heapq
import inspect
from collections.abc import Callable, Iterable, Sequence
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import Any

from pyinfra.api import arguments, facts, util
from pyinfra.api.state import State

Place = tuple[int, ...]


def in_start_order(chains: Iterable[Sequence[str]], place: Callable[[str], Place]) -> list[str]:
    """Every operation of `chains` (one a host, in the host's own order), the one that stands first as soon as its turn
    has come on all of its hosts. `graphlib.CycleError` when two hosts want two operations in opposite orders."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for chain in chains:
        for before, after in pairwise(chain):
            sorter.add(after, before)
        if chain:
            sorter.add(chain[0])
    sorter.prepare()
    ready: list[tuple[Place, str]] = []
    ordered: list[str] = []
    while sorter.is_active():
        for operation in sorter.get_ready():
            heapq.heappush(ready, (place(operation), operation))
        _, first = heapq.heappop(ready)
        ordered.append(first)
        sorter.done(first)
    return ordered


def install() -> None:
    """Let pyinfra see file and line of the stack alone. It reads the source around each frame, for every operation, and
    uses none of it: a fifth of a dry run. And let it read once which arguments each operation may have, and of what
    type: a tenth of one."""
    lines: Any = util
    lines.stack = lambda: inspect.stack(0)
    lines.getframeinfo = lambda frame: inspect.getframeinfo(frame, 0)
    known = functools.cache(arguments.all_global_arguments)
    module: Any
    for module in (arguments, facts):
        module.all_global_arguments = known


class OrderedState(State):
    """pyinfra's state, with operations in the order in which roles start."""

    def get_op_order(self) -> list[str]:
        chains = [host.op_hash_order for host in self.inventory]
        return in_start_order(chains, lambda operation: self.op_meta[operation].op_order)
