"""Asks live hosts whether they keep their promises, many at a time. Called by primetime.verify.run."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest

from primetime.inventory import Inventory
from primetime.paths import REPO
from primetime.secrets import topology as secrets
from primetime.secrets.value import Value
from primetime.settings import Settings, from_data, known
from primetime.topology import NodeSpec, load
from primetime.verify import promises, shell
from primetime.verify.network import Network, listening, look
from primetime.verify.promises import Promise, Rendered

S = TypeVar("S", bound=Settings)
R = TypeVar("R")

AT_ONCE = 32  # promises asked at a time, for any number of hosts
ANSWERS = "answers ssh"


@dataclass(frozen=True, eq=False)
class LiveNode:
    """What a promise may know of the host it is checked on."""

    name: str
    address: str
    groups: tuple[str, ...]
    data: Mapping[str, Any] = field(repr=False)
    ssh_config: str = field(repr=False)

    def mine(self, cls: type[S]) -> S:
        return from_data(cls, self.data)

    def peers(self, group: str) -> list[SimpleNamespace]:
        return [SimpleNamespace(**peer) for peer in self.data["cluster"].get(group, [])]

    def heap_mb(self, group: str) -> int:
        return int(self.data["heap_mb"][group])

    def memory(self) -> tuple[int, bool]:
        """What the topology gives this host in MiB, and whether JVMs have a share of it."""
        return int(self.data["memory_mb"]), bool(self.data["heap_mb"])

    def secret(self, name: str) -> Value:
        return secrets.value(load(self.data["topology"]), name)


@dataclass(frozen=True)
class Judgement:
    """Whether a host keeps a promise: `why` is the evidence when it does not. `depth` as in Promise."""

    node: str
    role: str
    promise: str
    kept: bool
    why: str = ""
    depth: int = 2
    rendered: bool = False  # not kept, because this kind of host cannot: written there, and not proved


def judge(
    inventory: Inventory, names: Collection[str], wanted: Callable[[str], bool], here: str = ""
) -> list[Judgement]:
    """Every promise of the nodes in `names` whose role is `wanted`. Of a host that does not answer ssh, only that.

    `here` is the node that this machine is: no other is looked at.
    """
    nodes = [node for node in inventory.topology.nodes if here in ("", node.name)]
    groups = {group for node in nodes for group in node.groups}
    return _explained(promises.modules(groups), lambda: _judge(inventory, nodes, names, wanted))


def _explained(modules: list[str], work: Callable[[], R]) -> R:
    """`work`, with pytest's explanations in the assertions of these modules: they say what was found."""

    class Explaining:
        result: R

        def pytest_configure(self, config: pytest.Config) -> None:
            config.addinivalue_line("markers", "daemon(group): the inventory group whose hosts keep this promise")

        def pytest_cmdline_main(self, config: pytest.Config) -> int:
            for name in modules:
                pytest.register_assert_rewrite(name)
                importlib.import_module(name)
            self.result = work()
            return 0

    plugin = Explaining()
    without = [word for name in ("cacheprovider", "faulthandler", "terminal") for word in ("-p", f"no:{name}")]
    pytest.main(["-c", os.devnull, f"--rootdir={REPO}", "-s", "--disable-plugin-autoload", *without], [plugin])
    return plugin.result


def _judge(
    inventory: Inventory, specs: Sequence[NodeSpec], names: Collection[str], wanted: Callable[[str], bool]
) -> list[Judgement]:
    nodes = [_node(inventory, spec) for spec in specs]
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, shell.SHELLS * len(nodes))) as pool, _hosts(nodes, pool) as seen:
        answering = [node for node in nodes if not isinstance(seen[node.name], shell.Gone)]
        told = [_answers(node, seen[node.name]) for node in nodes if node.name in names and wanted("base")]
        with ThreadPoolExecutor(max_workers=1) as looking:
            network = looking.submit(_look, inventory, answering, names)
            here = [node for node in answering if node.name in names]
            questions = [(node, promise) for node in here for promise in _of(node, known().items(), wanted)]
            # what the network tells comes last: it is the last to be known
            questions.sort(key=lambda asked: "network" in asked[1].wants)
            told += pool.map(lambda asked: _ask(asked[0], asked[1], seen[asked[0].name], network), questions)
            network.result()
    return told


def _node(inventory: Inventory, spec: NodeSpec) -> LiveNode:
    data = {**inventory.settings(spec), **inventory.data(spec)}
    where = inventory.located[spec.name]
    return LiveNode(spec.name, where.address, spec.groups, data, where.ssh_config)


def _of(node: LiveNode, classes: Iterable[tuple[str, type[Settings]]], wanted: Callable[[str], bool]) -> list[Promise]:
    return [
        promise
        for group, cls in classes
        if group in node.groups and wanted(promises.role(group))
        for promise in promises.of(group, node.mine(cls))
        if not promise.once or node.peers(group)[0].name == node.name
    ]


@contextmanager
def _hosts(nodes: list[LiveNode], pool: ThreadPoolExecutor) -> Iterator[dict[str, Any]]:
    """Node name → testinfra's view of it, or Gone."""

    def see(node: LiveNode) -> Any:
        try:
            return shell.see(node.name, node.ssh_config)
        except shell.Gone as gone:
            return gone

    seen = dict(zip([node.name for node in nodes], pool.map(see, nodes), strict=True))
    try:
        yield seen
    finally:
        for host in seen.values():
            if not isinstance(host, shell.Gone):
                host.backend.close()


def _look(inventory: Inventory, answering: list[LiveNode], names: Collection[str]) -> Network:
    where = {node.name: (node.address, node.ssh_config) for node in answering}
    if inventory.topology.cloud:
        return listening(where)
    [controller] = inventory.controllers
    return look(where, inventory.flows, controller, [n.address for n in answering if n.name in names])


def _answers(node: LiveNode, host: Any) -> Judgement:
    gone = isinstance(host, shell.Gone)
    return Judgement(node.name, "base", ANSWERS, not gone, str(host) if gone else "", depth=0)


def _ask(node: LiveNode, promise: Promise, host: Any, network: Future[Network]) -> Judgement:
    given = {"host": host, "node": node, "group": promise.group, **promise.given}
    kept, rendered, why = True, False, ""
    try:
        if "network" in promise.wants:
            given["network"] = network.result()
        promise.check(**{name: value for name, value in given.items() if name in promise.wants})
    except Rendered as unproved:
        kept, rendered, why = False, True, str(unproved)
    except AssertionError as broken:
        kept, why = False, _evidence(str(broken))
    except Exception as broken:  # a promise that cannot be checked is not known to be kept
        kept, why = False, f"{type(broken).__name__}: {broken}".split("\n")[0]
    return Judgement(node.name, promise.role, promise.sentence, kept, why[:200], promise.depth, rendered)


def _evidence(said: str) -> str:
    """What an assertion says for itself, or else pytest's explanation of it, whose second line has the values."""
    first, *more = said.split("\n")
    return f"{first}{more[0]}" if first.startswith("assert ") and more else first
