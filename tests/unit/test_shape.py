"""The rules that keep roles alike: what settings may import, where a port may stand, that names agree."""

import ast
import re
from pathlib import Path

import pytest
from libcloud.compute.providers import get_driver

import primetime.drivers  # noqa: F401  (registers ours)
from primetime.paths import REPO
from primetime.settings import exposes, known
from primetime.topology import load

ROLES = sorted(path.parent.name for path in (REPO / "roles").glob("*/settings.py"))


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.parametrize("role", ROLES)
def test_settings_are_data_and_import_nothing_of_ours_but_declarations(role: str) -> None:
    ours = {
        name
        for name in imports(REPO / "roles" / role / "settings.py")
        if name.split(".")[0] in ("primetime", "roles", "pyinfra")
    }
    assert ours <= {"primetime.endpoints", "primetime.secrets.declared"}


@pytest.mark.parametrize("role", ROLES)
def test_a_role_has_deploy_promises_and_templates_under_one_name(role: str) -> None:
    wanted = [REPO / "roles" / role / "deploy.py", REPO / "roles" / role / "verify.py", REPO / "templates" / role]
    assert [path for path in wanted if not path.exists()] == []


@pytest.mark.parametrize("role", ROLES)
def test_a_role_s_groups_carry_its_name(role: str) -> None:
    groups = [group for group, cls in known().items() if cls.__module__ == f"roles.{role}.settings"]
    assert groups
    assert all(group == role or group.startswith(f"{role}_") for group in groups)


def test_every_group_is_deployed_by_one_line_of_deploy_py() -> None:
    text = (REPO / "deploy.py").read_text()
    deployed = set(re.findall(r'if "(\w+)" in host.groups:', text))
    daemons = {group for group, cls in known().items() if getattr(cls, "services", ())}
    assert daemons <= deployed


def test_no_two_daemons_of_a_demo_host_want_the_same_port() -> None:
    for node in load("demo").nodes:
        ports = [endpoint.port for group in node.groups if group in known() for endpoint in exposes(known()[group]())]
        assert len(ports) == len(set(ports)), node.name


def test_no_two_roles_want_different_values_of_one_kernel_setting() -> None:
    wanted = {pair for cls in known().values() for pair in getattr(cls, "sysctls", {}).items()}
    assert len(wanted) == len({key for key, _ in wanted})


def test_a_port_stands_in_settings_only() -> None:
    ports = {str(endpoint.port) for cls in known().values() for endpoint in exposes(cls())} - {"22"}
    ports -= {"80", "443"}  # numbers of other things, too
    files = [
        *REPO.glob("primetime/**/*.py"),
        *REPO.glob("roles/*/deploy.py"),
        *REPO.glob("roles/*/verify.py"),
        *(path for path in REPO.glob("templates/**/*") if path.is_file()),
        REPO / "deploy.py",
    ]
    found = [f"{path.relative_to(REPO)}:{line}" for path in files for line in literal_ports(path.read_text(), ports)]
    assert found == []


def literal_ports(text: str, ports: set[str]) -> list[int]:
    """The lines that say one of these ports, other than in a comment."""
    literal = re.compile(rf"(?<![\w.])({'|'.join(sorted(ports))})(?![\w.])")
    return [number for number, line in enumerate(text.splitlines(), 1) if literal.search(line.split("#")[0])]


@pytest.mark.parametrize(
    ("defect", "lines"),
    [("a\nlisten 0.0.0.0:6379;\n", [2]), ("port = 6379  # 6379\n", [1]), ("# 6379\n16379 6379.5\n", [])],
)
def test_a_literal_port_is_named_by_its_line(defect: str, lines: list[int]) -> None:
    assert literal_ports(defect, {"6379"}) == lines


@pytest.mark.parametrize("role", sorted(path.parent.name for path in (REPO / "roles").glob("*/deploy.py")))
def test_a_package_is_named_in_settings_only(role: str) -> None:
    """What a deploy alone names is in no cache: its host would need a route to a mirror."""
    tree = ast.parse((REPO / "roles" / role / "deploy.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "apt.packages"]
    named = [keyword.value for call in calls for keyword in call.keywords if keyword.arg == "packages"]
    assert [ast.unparse(value) for value in named if "packages" not in ast.unparse(value)] == []


def operations_at_import(source: str) -> list[str]:
    """The calls of a module's own level into what it imported as operations: they would reach the first host only."""
    tree = ast.parse(source)
    brought = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".operations")[1]
        for alias in node.names
    }
    defined = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    found, level = [], list(ast.iter_child_nodes(tree))
    while level:
        node = level.pop()
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[0] in brought:
            found.append(ast.unparse(node))
        level += [] if isinstance(node, defined) else ast.iter_child_nodes(node)
    return found


@pytest.mark.parametrize("path", sorted(REPO.glob("roles/*/*.py")), ids=lambda path: str(path.relative_to(REPO)))
def test_no_operation_runs_when_a_role_is_imported(path: Path) -> None:
    assert operations_at_import(path.read_text()) == []


@pytest.mark.parametrize(
    ("defect", "named"),
    [
        ("from pyinfra.operations import server\nserver.shell('x')\n", ["server.shell('x')"]),
        ("from pyinfra.operations import files as f\nif True:\n    DONE = f.put(src='a')\n", ["f.put(src='a')"]),
        ("from primetime.operations import system_user\nsystem_user('x')\n", ["system_user('x')"]),
        ("from pyinfra.operations import server\ndef role():\n    server.shell('x')\n", []),
    ],
)
def test_an_operation_at_import_time_is_named(defect: str, named: list[str]) -> None:
    assert operations_at_import(defect) == named


@pytest.mark.parametrize("path", sorted(REPO.glob("templates/**/*.j2")), ids=lambda path: path.name)
def test_a_template_says_that_edits_are_lost(path: Path) -> None:
    role = path.relative_to(REPO / "templates").parts[0]
    head = "\n".join(path.read_text().splitlines()[:3])
    assert f"Managed by primetime (roles/{role}); edits are lost" in head


@pytest.mark.parametrize("driver", ["nspawn", "vagrant"])
def test_a_driver_that_declares_that_it_takes_many_has_the_verbs_for_it(driver: str) -> None:
    cls = get_driver(driver)
    assert {hasattr(cls, verb) for verb in ("ex_create_nodes", "ex_destroy_nodes")} == {cls.ex_takes_many}


@pytest.mark.parametrize("driver", ["nspawn", "vagrant"])
def test_a_driver_that_declares_that_it_breaks_cables_can_heal_them(driver: str) -> None:
    made = get_driver(driver)("test-shape")
    assert {hasattr(made, verb) for verb in ("ex_link_down", "ex_heal")} == {made.ex_breaks}
