"""The faster ssh connector serves commands as pyinfra asks them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api.arguments import CONNECTOR_ARGUMENT_KEYS, all_argument_meta
from pyinfra.api.command import StringCommand
from pyinfra.api.config import Config

from primetime.converge.connector import FastSSH


class Shell:
    """Remembers what it was asked to run."""

    def __init__(self) -> None:
        self.ran: list[str] = []

    def run(self, command: str) -> tuple[int, list[str], list[str]]:
        self.ran.append(command)
        return 0, ["said"], []


@pytest.fixture
def connector() -> Any:
    connector: Any = object.__new__(FastSSH)
    connector.state, connector.host = SimpleNamespace(), SimpleNamespace(connector_data={})
    connector._shell, connector._facts = Shell(), {}
    return connector


def defaults() -> dict[str, Any]:
    """The arguments that pyinfra gives to every command."""
    config = Config(DIFF=True)
    return {name: all_argument_meta[name].default(config) for name in CONNECTOR_ARGUMENT_KEYS}


def test_a_command_with_pyinfra_s_defaults_goes_through_the_open_shell(connector: Any) -> None:
    done, output = connector.run_shell_command(StringCommand("id", "root"), **defaults())
    assert (done, output.stdout_lines, connector._shell.ran) == (True, ["said"], ["id root"])


def test_another_shell_is_asked_for_by_name(connector: Any) -> None:
    connector.run_shell_command(StringCommand("id"), **{**defaults(), "_shell_executable": "bash"})
    assert connector._shell.ran == ["bash -c id"]


def test_a_fact_is_asked_again_after_a_command_only(connector: Any) -> None:
    def ask() -> None:
        connector.reading = True
        connector.run_shell_command(StringCommand("id"), **defaults())
        connector.reading = False

    ask()
    ask()
    assert connector._shell.ran == ["id"]
    connector.run_shell_command(StringCommand("useradd", "x"), **defaults())
    ask()
    assert connector._shell.ran == ["id", "useradd x", "id"]
