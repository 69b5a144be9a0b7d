"""The shipper's bundle: it runs by itself, and is the same wherever it is built."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from primetime import bundle
from tests.hbase_gateway import GatewayServer
from tests.redis_server import RedisServer, free_port
from tests.shipping import Writer, event


@pytest.fixture(scope="module")
def built() -> Path:
    return bundle.SHIPPER.ensure()


@pytest.fixture
def redis_port(tmp_path: Path) -> Iterator[int]:
    port = free_port()
    server = RedisServer(tmp_path, port)
    yield port
    server.kill()


def test_it_ships_with_nothing_but_a_plain_python(built: Path, tmp_path: Path, redis_port: int) -> None:
    tree, spool, run = tmp_path / "tree", tmp_path / "spool", tmp_path / "run"
    spool.mkdir()
    Writer(spool).write(event(1)).seal()
    gateway = GatewayServer()
    gateway.start()
    tree.mkdir()
    subprocess.run(["tar", "-xf", built, "-C", tree], check=True)
    values = {
        **{"spool": str(spool), "run": str(run), "hbase_host": "127.0.0.1", "hbase_port": gateway.port},
        **{
            "hbase_lanes": 1,
            "hbase_batch_events": 10,
            "hbase_timeout_s": 5.0,
            "dead_letters": 10,
            "redis_host": "127.0.0.1",
        },
        **{"redis_port": redis_port, "redis_user": "shipper", "redis_password": str(tmp_path / "redis.password")},
        **{"redis_lanes": 1, "redis_batch_events": 10, "redis_grace_s": 60.0},
        **{"redis_nice": 19, "redis_waits_s": 10.0, "redis_share": 0.1, "poll_active_ms": 5, "poll_idle_ms": 50},
        **{"metrics_address": "", "metrics_port": 0},
    }
    config = tmp_path / "shipper.toml"
    config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))
    python = shutil.which("python3", path="/usr/bin") or "python3"
    command = [python, "-S", "-B", "-m", "primetime.shipper", "--config", str(config), "--drain"]
    done = subprocess.run(command, cwd="/", env={"PYTHONPATH": str(tree)}, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert gateway.events() == [event(1)]


def test_two_machines_build_the_same_bytes(built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMETIME_CACHE", str(tmp_path))
    again = bundle.SHIPPER.ensure()
    assert again != built
    assert (again.name, again.read_bytes()) == (built.name, built.read_bytes())


def test_what_is_in_the_cache_is_not_built_again(built: Path) -> None:
    said: list[str] = []
    assert (bundle.SHIPPER.ensure(said.append), said) == (built, [])


def test_a_wheel_that_is_not_the_locked_one_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "shipper.lock"
    wrong = "0" * 64
    lock.write_text(f"async-timeout==5.0.1 --hash=sha256:{wrong}\n")
    monkeypatch.setenv("PRIMETIME_CACHE", str(tmp_path))
    with pytest.raises(bundle.PrimetimeError) as refused:
        replace(bundle.SHIPPER, lock=lock).ensure()
    said = rf"async_timeout-5\.0\.1-py3-none-any\.whl: {lock} wants sha256 {wrong}, pip brought [0-9a-f]{{64}}: "
    assert re.match(said, str(refused.value))
    assert list(tmp_path.glob("bundles/*.tar")) == []
