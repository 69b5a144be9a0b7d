"""A machine that proves itself: its own shell in place of ssh, and nothing said of what only others can see."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from primetime.endpoints import Endpoint
from primetime.verify.network import Network, listening
from primetime.verify.promises import Rendered
from primetime.verify.shell import Shell, ssh

NODE = SimpleNamespace(name="cache-1", address="10.40.0.4")


def test_without_a_way_there_a_command_runs_here() -> None:
    assert ssh("cache-1", "/etc/config", "exec sh")[:4] == ["ssh", "-F", "/etc/config", "cache-1"]
    assert ssh("cache-1", "", "echo", "two words")[2] == "echo 'two words'"
    shell = Shell("cache-1", "")
    try:
        assert shell.run("echo out; echo err >&2; exit 3") == (3, b"out\n", b"err\n")
    finally:
        shell.close()


def test_what_listens_is_seen_where_nobody_probes() -> None:
    found = listening({"here": ("127.0.0.1", "")})
    assert set(found.listening) == {"here"} and found.wrong is None


def test_reaching_it_is_not_called_proved_where_nobody_tried() -> None:
    network = Network({"cache-1": (("tcp", "10.40.0.4", 6379),)}, None)
    for controller in (True, False):
        with pytest.raises(Rendered):
            network.into(NODE, controller=controller)
    assert network.listens(NODE, Endpoint("redis", 6379)) and not network.listens(NODE, Endpoint("redis", 1))


def test_what_a_peer_listens_on_is_not_known_to_a_machine_by_itself() -> None:
    network = Network({"cache-1": ()}, None)
    with pytest.raises(Rendered, match="cache-2 was not looked at"):
        network.listens(SimpleNamespace(name="cache-2", address="10.40.0.5"), Endpoint("redis", 6379))
