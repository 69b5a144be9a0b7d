"""What agents of collectd write, as Prometheus reads it."""

from __future__ import annotations

import contextlib
import importlib.util
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from primetime import telling
from primetime.paths import REPO
from primetime.verify.samples import read
from tests.hosted import hosted
from tests.redis_server import free_port
from tests.waiting import wait_for

PROGRAM = REPO / "templates" / "collectd" / "receiver.py"
# as collectd 5.12 of Debian writes them
LOAD = b"load.load.shortterm;host=redis-1;plugin=load;type=load;ds_name=shortterm 14.87158203125 1795978619\n"
OCTETS = b"interface.if_octets.rx;host=redis-1;plugin=interface;plugin_instance=host0;type=if_octets;ds_name=rx nan 1\n"
FREE = b"df.df_complex;host=redis-1;plugin=df;plugin_instance=root;type=df_complex;type_instance=free 78494896128 1\n"
SHOWN = 'collectd_load_load_shortterm{host="redis-1"}'


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("collectd_receiver_program", PROGRAM)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patched:
        patched.setitem(sys.modules, "telling", telling)  # on a host it lies beside the program
        spec.loader.exec_module(module)
    return module


def figures(program: ModuleType, most: int = 10, at: list[float] | None = None) -> Any:
    return program.Figures(60, most, lambda: (at or [0.0])[0])


def shown(found: Any) -> dict[str, float]:
    return {name: value for name, value in read(found.rendered()).items() if name.startswith("collectd_")}


def counted(found: Any, name: str) -> float:
    return read(found.rendered())[f"primetime_collectd_receiver_{name}_total"]


def test_a_figure_has_its_host_and_its_instances_as_labels(program: ModuleType) -> None:
    found = figures(program)
    found.take(LOAD)
    found.take(FREE)
    assert shown(found) == {
        SHOWN: 14.87158203125,
        'collectd_df_df_complex{host="redis-1",plugin_instance="root",type_instance="free"}': 78494896128,
    }


def test_the_newest_of_a_thing_is_shown(program: ModuleType) -> None:
    found = figures(program)
    found.take(LOAD)
    found.take(LOAD.replace(b"14.87158203125", b"2"))
    assert shown(found) == {SHOWN: 2}


def test_a_rate_that_is_not_known_yet_is_not_shown(program: ModuleType) -> None:
    found = figures(program)
    found.take(OCTETS)
    assert (shown(found), counted(found, "taken")) == ({}, 1)


def test_a_figure_that_nobody_renews_goes(program: ModuleType) -> None:
    at = [0.0]
    found = figures(program, at=at)
    found.take(LOAD)
    at[0] = 60
    assert shown(found) == {SHOWN: 14.87158203125}
    at[0] = 60.1
    assert shown(found) == {}


def test_what_is_more_than_there_is_room_for_is_counted_and_dropped(program: ModuleType) -> None:
    found = figures(program, most=1)
    for line in (LOAD, FREE, LOAD):
        found.take(line)
    assert (list(shown(found)), counted(found, "dropped"), counted(found, "taken")) == ([SHOWN], 1, 2)


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"load.load 1 1\n",  # of nobody
        b"load.load;host= 1 1\n",
        b"load.load;host=a;tag 1 1\n",
        b"load.load;host=a one 1\n",
        b"load.load;host=a 1\n",
        b"load.load;host=a 1 now\n",
        b"load.load;host=\xff 1 1\n",
    ],
)
def test_what_no_agent_writes_is_counted_and_not_shown(program: ModuleType, line: bytes) -> None:
    found = figures(program)
    found.take(line)
    assert (shown(found), counted(found, "malformed")) == ({}, 1)


def test_a_label_cannot_end_itself(program: ModuleType) -> None:
    found = figures(program)
    found.take(b'load.load;host=a"}\\ 1 1\n')
    assert list(shown(found)) == ['collectd_load_load{host="a\\"}\\\\"}']


def test_the_program_shows_what_came_over_a_connection(tmp_path: Path) -> None:
    program = hosted(tmp_path, PROGRAM, "telling")
    port, http_port = free_port(), free_port()
    process = subprocess.Popen([sys.executable, program, "127.0.0.1", str(port), str(http_port), "60", "10"], env={})
    url = f"http://127.0.0.1:{http_port}/metrics"

    def told() -> dict[str, float]:
        try:
            with urllib.request.urlopen(url, timeout=60) as answer:
                return read(answer.read().decode())
        except OSError:
            return {}

    try:
        wait_for(lambda: bool(told()), "it answers")
        with socket.create_connection(("127.0.0.1", port)) as agent:
            agent.sendall(LOAD + FREE)
            wait_for(lambda: told()["primetime_collectd_receiver_taken_total"] == 2, "both figures")
            agent.sendall(b"x" * 4096)  # no line is so long: it hangs up
            with contextlib.suppress(ConnectionResetError):
                assert agent.recv(1) == b""
        assert told()[SHOWN] == 14.87158203125
    finally:
        process.kill()
        process.wait()
