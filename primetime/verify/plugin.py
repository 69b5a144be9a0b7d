"""The pytest plugin behind `verify`: gives promises their hosts, and writes down which are kept.

A promise is a test in roles/<role>/verify.py. It runs on every node of its group: the module's `GROUP`, or
`@pytest.mark.daemon("hdfs_namenode")`. Fixtures: `host` (testinfra, over ssh) and `node`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TypeVar

import pytest
import testinfra

from primetime.inventory import Inventory, live
from primetime.settings import Settings, exposes, from_data, known
from primetime.topology import NodeSpec, load

S = TypeVar("S", bound=Settings)


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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--topology", required=True)
    parser.addoption("--promises")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "daemon(group): the inventory group whose hosts keep this promise")
    config.addinivalue_line("python_files", "verify.py")
    config.addinivalue_line("python_files", "everyone.py")


@cache
def nodes(topology: str) -> tuple[LiveNode, ...]:
    """The live nodes of a topology, with all that is declared of them."""
    inventory = live(load(topology))
    return tuple(_node(inventory, spec) for spec in inventory.topology.nodes)


def _node(inventory: Inventory, spec: NodeSpec) -> LiveNode:
    data = {**inventory.settings(spec), **inventory.data(spec)}
    where = inventory.located[spec.name]
    return LiveNode(spec.name, where.address, spec.groups, data, where.ssh_config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    everyone = nodes(metafunc.config.getoption("--topology"))
    wanted = set(metafunc.fixturenames)
    if "service" in wanted:
        cases = [
            (node, group, service)
            for node, group in _owners(everyone)
            for service in getattr(known()[group], "services", ())
        ]
        _parametrize(metafunc, "node, group, service", cases)
    elif "endpoint" in wanted:
        cases = [
            (node, group, endpoint)
            for node, group in _owners(everyone)
            for endpoint in exposes(node.mine(known()[group]))
        ]
        _parametrize(metafunc, "node, group, endpoint", cases)
    elif {"node", "host"} & wanted:
        mark = metafunc.definition.get_closest_marker("daemon")
        group = mark.args[0] if mark else metafunc.module.GROUP
        _parametrize(metafunc, "node, group", [(node, group) for node in everyone if group in node.groups])


def _owners(everyone: tuple[LiveNode, ...]) -> list[tuple[LiveNode, str]]:
    classes = known()
    return [(node, group) for node in everyone for group in node.groups if hasattr(classes.get(group), "services")]


def _parametrize(metafunc: pytest.Metafunc, names: str, cases: list[tuple[Any, ...]]) -> None:
    ids = ["-".join(getattr(value, "name", str(value)) for value in case) for case in cases]
    metafunc.parametrize(names, cases, ids=ids)


@pytest.fixture
def group() -> str:
    """The inventory group whose promise this is (parametrized)."""
    raise AssertionError("parametrized by pytest_generate_tests")


@cache
def _connection(name: str, ssh_config: str) -> Any:
    return testinfra.get_host(f"ssh://{name}", ssh_config=ssh_config)


@pytest.fixture
def host(node: LiveNode, group: str) -> Any:
    """testinfra's view of the node; one multiplexed connection serves all promises."""
    return _connection(node.name, node.ssh_config)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    outcome = yield
    report = outcome.get_result()
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "node" not in parameters or (report.when != "call" and report.passed):
        return
    why = "" if report.passed else str(call.excinfo.value if call.excinfo else "").splitlines()
    report.user_properties.append(
        (
            "promise",
            {
                "node": parameters["node"].name,
                "role": parameters["group"].replace("_", "/", 1),
                "promise": _sentence(item, parameters),
                "kept": report.passed,
                "why": why[0][:200] if why else "",
            },
        )
    )


def _sentence(item: pytest.Item, parameters: Mapping[str, Any]) -> str:
    text = getattr(item, "originalname", item.name).removeprefix("test_").replace("_", " ")
    if "service" in parameters:
        return f"{parameters['service']} {text}"
    if "endpoint" in parameters:
        endpoint = parameters["endpoint"]
        return f"{endpoint.name} {text} (port {endpoint.port})"
    return text


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    for name, promise in report.user_properties:
        if name == "promise" and _report_path is not None:
            with _report_path.open("a") as file:
                file.write(json.dumps(promise) + "\n")


_report_path: Path | None = None


def pytest_sessionstart(session: pytest.Session) -> None:
    global _report_path
    path = session.config.getoption("--promises")
    # only the process that collects all reports writes them down, not xdist's workers
    if path and not hasattr(session.config, "workerinput"):
        _report_path = Path(path)
        _report_path.touch()
