"""Every promise on every live host, beside a dry converge that looks for drift; told by what is at the root of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from primetime.converge import ConvergeReport, converge
from primetime.inventory import Inventory
from primetime.settings import known
from primetime.verify.judge import ANSWERS, Judgement, judge

Progress = Callable[[str], None]
BASE = "base"


@dataclass(frozen=True)
class Broken:
    """A promise that a host does not keep; `why` is the first line of the evidence."""

    node: str
    role: str
    promise: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.node}: {self.role}: {self.promise}" + (f" ({self.why})" if self.why else "")


@dataclass(frozen=True)
class VerifyReport:
    """`checked` promises, of which `failed` and `following` are not kept.

    `following` cannot be kept while one of `failed` is broken on the same host: a daemon that does not run does not
    answer either. They are told apart so that what is to be mended stands alone. `rendered` is what the host has in
    its files and its kind cannot put in force or prove, a container most kernel settings: neither kept nor broken.
    """

    checked: int
    failed: tuple[Broken, ...]
    following: tuple[Broken, ...] = ()
    rendered: tuple[Broken, ...] = ()


def verify(
    inventory: Inventory,
    topology: str,
    progress: Progress = lambda _: None,
    *,
    nodes: Sequence[str] = (),
    roles: Sequence[str] = (),
    here: str = "",
) -> VerifyReport:
    """Check every promise of every role on every live host, and that a converge would change nothing.

    `nodes` and `roles` (`hdfs`, `hdfs/namenode`) restrict it; all when empty. `here` is the node that this machine is:
    it alone, without ssh.
    """
    names = ([here] if here else nodes) or [node.name for node in inventory.topology.nodes]
    progress(f"checking the promises of {len(names)} hosts")

    def wanted(role: str) -> bool:
        return not roles or role in roles or role.partition("/")[0] in roles

    with ThreadPoolExecutor(max_workers=1) as pool:
        drift = pool.submit(converge, topology, dry=True, limit=nodes, here=here)
        judgements = judge(inventory, names, wanted, here)
        groups = {group for node in inventory.topology.nodes for group in node.groups}
        return together(judgements + [j for j in drifted(drift.result(), groups) if wanted(j.role)])


def drifted(drift: ConvergeReport, groups: Collection[str]) -> list[Judgement]:
    """What a dry converge says, as judgements: each operation is a promise to be as converged."""
    said = [Judgement(failure.host, BASE, ANSWERS, False, failure.said) for failure in drift.failures]
    for host, operation in drift.changes:
        title, _, name = operation.partition(" | ")
        said.append(Judgement(host, _role(title, groups), f"is as converged: {name or operation}", False))
    return said + [Judgement("", BASE, "is as converged", True)] * (drift.operations - len(drift.changes))


def _role(title: str, groups: Collection[str]) -> str:
    """`HDFS NameNode`, as a deploy is called, is hdfs/namenode; `HBase tables` is no daemon but a matter of hbase."""
    words = title.lower().split()
    return "/".join(words) if "_".join(words) in groups else words[0]


def together(judgements: Sequence[Judgement]) -> VerifyReport:
    """The report; what a broken promise explains on its host follows from it."""
    broken = {(j.node, j.role, j.promise): j for j in reversed(judgements) if not j.kept and not j.rendered}
    roots: dict[tuple[str, str], int] = {}
    for j in broken.values():
        depth = roots.get((j.node, j.role), j.depth)
        roots[j.node, j.role] = min(depth, j.depth)
    unreachable = {j.node for j in broken.values() if j.promise == ANSWERS and j.depth == 0}

    def follows(j: Judgement) -> bool:
        if j.node in unreachable:
            return j.promise != ANSWERS
        if j.depth > roots.get((j.node, _watched(j.role)), j.depth):  # what tells of another daemon
            return True
        # what else base promises asks nothing of its services, but that ssh listens and answers
        return j.depth > roots[j.node, j.role] and (j.role != BASE or j.promise == ANSWERS or j.depth == 1)

    ordered = sorted(broken.values(), key=lambda j: (j.node, j.role, j.depth))
    failed = tuple(_broken(j) for j in ordered if not follows(j))
    following = tuple(_broken(j) for j in ordered if follows(j))
    return VerifyReport(len(judgements), failed, following, tuple(_broken(j) for j in judgements if j.rendered))


def _watched(role: str) -> str:
    """The daemon that this one only tells of, if it is of that kind; base is there in any case."""
    watched = str(getattr(known().get(role.replace("/", "_")), "watches", ""))
    return "" if watched == BASE else watched.replace("_", "/", 1)


def _broken(j: Judgement) -> Broken:
    return Broken(j.node, j.role, j.promise, j.why)
