"""The shipper as a process, between a spool, a Redis and a gateway: what it survives, and what it says."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from primetime.shipper.config import Config
from tests.hbase_gateway import GatewayServer
from tests.redis_server import RedisServer, free_port
from tests.shipping import SHOW, SPOOL, Writer, event

PATIENCE_S = 60


class Shipper:
    """A spool, the two stores it is shipped to, and the shipper's processes."""

    def __init__(self, folder: Path) -> None:
        self.spool, self.run = folder / "spool", folder / "run"
        self.spool.mkdir()
        self.gateway = GatewayServer()
        self.redis_folder = folder / "redis"
        self.redis_folder.mkdir()
        self.redis_port = free_port()
        self.redis: RedisServer | None = None
        self.config = folder / "shipper.toml"
        self.grace_s = 3600
        self.metrics_port = 0  # nobody is told metrics
        self.processes: list[subprocess.Popen[str]] = []

    def write_config(self, **changes: Any) -> None:
        config = Config(
            spool=self.spool,
            run=self.run,
            hbase_host="127.0.0.1",
            hbase_port=self.gateway.port,
            hbase_lanes=2,
            hbase_batch_events=100,
            hbase_timeout_s=30,
            dead_letters=10_000,
            redis_host="127.0.0.1",
            redis_port=self.redis_port,
            redis_user="shipper",
            redis_password=self.redis_folder / "redis.password",
            redis_lanes=1,
            redis_batch_events=100,
            redis_grace_s=3600,
            redis_nice=19,
            redis_waits_s=10,
            redis_share=0.1,
            poll_active_ms=5,
            poll_idle_ms=50,
            metrics_address="127.0.0.1" if self.metrics_port else "",
            metrics_port=self.metrics_port,
        )
        paths = {name: str(value) for name, value in vars(config).items() if isinstance(value, Path)}
        values = {**vars(config), **paths, **changes}
        self.config.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in values.items()))

    def start_redis(self) -> None:
        self.redis = RedisServer(self.redis_folder, self.redis_port)

    def start(self, *options: str, **changes: Any) -> subprocess.Popen[str]:
        self.write_config(**changes)
        command = [sys.executable, "-m", "primetime.shipper", "--config", str(self.config), *options]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
        )
        self.processes.append(process)
        return process

    def status(self) -> dict[str, Any]:
        with contextlib.suppress(FileNotFoundError):
            return dict(json.loads((self.run / "status.json").read_text()))
        return {}

    def segments(self) -> list[str]:
        return sorted(path.name for path in self.spool.iterdir() if path.suffix in (".open", ".sealed", ".closed"))

    def counted(self) -> int:
        assert self.redis
        return int(self.redis.client().get(f"total:{SHOW}") or 0)

    def close(self) -> None:
        for process in self.processes:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            assert process.stdout
            process.stdout.close()
        if self.redis:
            self.redis.kill()


@pytest.fixture
def shipper(tmp_path: Path) -> Iterator[Shipper]:
    shipper = Shipper(tmp_path)
    yield shipper
    shipper.close()


def wait_for(condition: Callable[[], Any]) -> Any:
    until = time.monotonic() + PATIENCE_S
    while not (found := condition()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def fill(spool: Path, segments: int, events: int = 50, workers: int = 2) -> list[bytes]:
    """Sealed segments of several workers, and what is in them."""
    numbers = iter(range(segments * events * workers))
    written = []
    for worker in range(workers):
        for number in range(1, segments + 1):
            these = [event(next(numbers)) for _ in range(events)]
            Writer(spool, number, worker).write(*these).seal()
            written += these
    return sorted(written)


def test_a_spool_is_drained_into_both_stores(shipper: Shipper) -> None:
    written = fill(shipper.spool, 5)
    shipper.gateway.start()
    shipper.start_redis()
    assert shipper.start("--drain").wait(PATIENCE_S) == 0
    assert (shipper.segments(), shipper.gateway.events(), shipper.counted()) == ([], written, len(written))


def test_without_a_redis_everything_goes_to_hbase(shipper: Shipper) -> None:
    written = fill(shipper.spool, 2)
    shipper.gateway.start()
    assert shipper.start("--drain", redis_host="").wait(PATIENCE_S) == 0
    assert (shipper.gateway.events(), shipper.status()["sinks"]["redis"]) == (written, {"disabled": True})


def test_a_dead_hbase_delays_only_itself(shipper: Shipper) -> None:
    written = fill(shipper.spool, 3)
    before = shipper.segments()
    shipper.start_redis()
    shipper.start()
    wait_for(lambda: shipper.counted() == len(written))
    sinks = wait_for(
        lambda: (shipper.status().get("sinks") or {}).get("hbase", {}).get("last_error") and shipper.status()
    )
    assert (shipper.segments(), "cannot connect" in sinks["sinks"]["hbase"]["last_error"]) == (before, True)
    shipper.gateway.start()
    wait_for(lambda: shipper.segments() == [])
    assert (shipper.gateway.events(), shipper.counted()) == (written, len(written))


def test_a_dead_redis_delays_only_itself(shipper: Shipper) -> None:
    written = fill(shipper.spool, 3)
    before = shipper.segments()
    shipper.gateway.start()
    shipper.start()
    wait_for(lambda: shipper.gateway.states() == ["done"] * 6)
    assert (shipper.segments(), shipper.gateway.events()) == (before, written)
    shipper.start_redis()
    wait_for(lambda: shipper.segments() == [])
    assert shipper.counted() == len(written)


def test_a_redis_that_stays_away_does_not_fill_the_spool(shipper: Shipper) -> None:
    fill(shipper.spool, 2)
    shipper.gateway.start()
    shipper.start(redis_grace_s=0.5)
    wait_for(lambda: shipper.segments() == [])
    shipper.start_redis()
    writer = Writer(shipper.spool, 3).write(event(1000))
    assert shipper.redis
    client = shipper.redis.client()
    assert wait_for(lambda: client.hgetall(f"gap:{SPOOL}-w00")) == {"1:0": "3:0"}
    writer.die()


def test_killed_again_and_again_it_ships_each_event_once(shipper: Shipper) -> None:
    written = fill(shipper.spool, 40)
    shipper.gateway.start()
    shipper.start_redis()
    for share in range(1, 6):
        process = shipper.start()
        wait_for(lambda: len(shipper.gateway.events()) > len(written) * share // 8)  # noqa: B023
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert shipper.start("--drain").wait(PATIENCE_S) == 0
    assert (shipper.gateway.events(), shipper.counted()) == (written, len(written))
    ledger = shipper.gateway.hbase.ledger
    stored = [int(ledger(name.decode())["stored"]) for name in shipper.gateway.hbase.tables["ledger"]]
    assert stored == [50] * 80


def test_an_event_is_shipped_while_its_segment_is_open(shipper: Shipper) -> None:
    shipper.gateway.start()
    shipper.start_redis()
    shipper.start()
    writer = Writer(shipper.spool, reserve=1 << 20)
    for number in range(3):
        writer.write(event(number))
        wait_for(lambda: len(shipper.gateway.events()) == number + 1 == shipper.counted())  # noqa: B023
    assert shipper.segments() == [writer.path.name]
    writer.die()


def test_a_dead_writer_s_segment_is_shipped_to_redis_though_hbase_is_away(shipper: Shipper) -> None:
    shipper.start_redis()
    shipper.start()
    Writer(shipper.spool, 1).write(event(1)).append(b"P1 2 100").die()
    Writer(shipper.spool, 2).write(event(2)).seal()
    wait_for(lambda: shipper.counted() == 2)


def test_a_sidecar_that_cannot_be_written_stops_nothing_else(shipper: Shipper) -> None:
    shipper.gateway.start()
    shipper.start_redis()
    process = shipper.start()
    wait_for(shipper.status)
    blocked = Writer(shipper.spool, 1, worker=1).write(event(1)).die()
    obstacle = shipper.spool / f"{blocked.stem}.closed.tmp"
    obstacle.mkdir()
    written = sorted([*fill(shipper.spool, 1, workers=1), event(1)])
    wait_for(lambda: shipper.gateway.events() == sorted(set(written)) and len(shipper.segments()) == 1)
    assert "Is a directory" in wait_for(lambda: shipper.status()["trouble"])
    obstacle.rmdir()
    wait_for(lambda: shipper.segments() == [])
    process.terminate()
    assert process.stdout
    assert process.stdout.read().count("Is a directory") == 1


def test_it_stops_at_sigterm_though_hbase_and_redis_are_away(shipper: Shipper) -> None:
    fill(shipper.spool, 1)
    process = shipper.start()
    wait_for(lambda: (shipper.status().get("sinks") or {}).get("redis", {}).get("last_error"))
    process.terminate()
    assert process.wait(PATIENCE_S) == 0
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def lanes_of(process: subprocess.Popen[str]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(child) for child in children]


def alive(pid: int) -> bool:
    """Whether it runs; one that nobody has reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_lane_is_started_again(shipper: Shipper) -> None:
    shipper.gateway.start()
    shipper.start_redis()
    process = shipper.start()
    for lane in wait_for(lambda: len(lanes_of(process)) == 3 and lanes_of(process)):
        os.kill(lane, signal.SIGKILL)
    written = fill(shipper.spool, 2)
    wait_for(lambda: shipper.segments() == [])
    assert (shipper.gateway.events(), shipper.counted()) == (written, len(written))
    wait_for(lambda: shipper.status()["restarts"] == 3)


def test_lanes_do_not_outlive_their_supervisor(shipper: Shipper) -> None:
    process = shipper.start()
    lanes = wait_for(lambda: len(lanes_of(process)) == 3 and lanes_of(process))
    process.kill()
    process.wait()
    wait_for(lambda: not any(alive(lane) for lane in lanes))


def test_a_drain_that_leaves_something_says_what(shipper: Shipper) -> None:
    Writer(shipper.spool).write(event(1)).append(b"nonsense\n").seal()
    shipper.gateway.start()
    shipper.start_redis()
    process = shipper.start("--drain")
    assert process.wait(PATIENCE_S) == 3
    assert process.stdout
    assert "left: corrupt at byte" in process.stdout.read()


def test_a_spool_has_one_shipper(shipper: Shipper) -> None:
    shipper.start()
    wait_for(shipper.status)
    second = shipper.start()
    assert second.wait(PATIENCE_S) == 1
    assert second.stdout
    assert "another shipper is at work here" in second.stdout.read()


def test_the_status_says_how_far_each_sink_is_behind(shipper: Shipper) -> None:
    fill(shipper.spool, 2)
    size = sum(path.stat().st_size for path in shipper.spool.glob("*.sealed"))
    shipper.start_redis()
    shipper.start()
    wait_for(lambda: shipper.counted() == 200)
    hbase = wait_for(lambda: shipper.status().get("sinks", {}).get("hbase", {}).get("lag_bytes") and shipper.status())
    assert hbase["sinks"]["hbase"]["lag_bytes"] == size
    assert 180 < hbase["sinks"]["hbase"]["lag_events"] < 260
    assert hbase["sinks"]["hbase"]["lag_seconds"] > 86_400  # since these events' receive time, in 2023
    redis = wait_for(lambda: shipper.status()["sinks"]["redis"]["lag_bytes"] == 0 and shipper.status())
    assert (redis["sinks"]["redis"]["lag_events"], redis["sinks"]["redis"]["lag_seconds"]) == (0, 0)
    assert time.time() - redis["at_ms"] / 1000 < PATIENCE_S


def test_a_failure_is_told_once_and_its_end_too(shipper: Shipper) -> None:
    fill(shipper.spool, 1)
    shipper.start_redis()
    process = shipper.start(hbase_lanes=1)
    wait_for(lambda: (shipper.status().get("sinks") or {}).get("hbase", {}).get("retries", 0) >= 5)
    shipper.gateway.start()
    wait_for(lambda: shipper.segments() == [])
    process.terminate()
    assert process.stdout
    said = process.stdout.read()
    assert (said.count("retrying until it works"), said.count("works again after")) == (1, 1)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "converge this host, or pass --config"),
        ("spool = ", "not TOML"),
        ("spool = '/nowhere'", "missing or unknown: converge this host again"),
    ],
)
def test_a_wrong_configuration_is_a_sentence(shipper: Shipper, text: str | None, sentence: str) -> None:
    if text is not None:
        shipper.config.write_text(text)
    command = [sys.executable, "-m", "primetime.shipper", "--config", str(shipper.config)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_a_new_password_is_taken_without_a_restart_and_nothing_is_lost(shipper: Shipper) -> None:
    fill(shipper.spool, 1, workers=1)
    shipper.gateway.start()
    shipper.start_redis()
    shipper.start()
    wait_for(lambda: shipper.counted() == 50)
    assert shipper.redis
    old = shipper.redis.password.read_text()
    shipper.redis.set_password("another one")
    shipper.redis.password.write_text(old)  # Redis knows the new one before the shipper's file has it
    with closing(shipper.redis.client()) as client:
        client.acl_load()  # and Redis hangs up on whoever said so
    with closing(shipper.redis.client()) as client:
        client.client_kill_filter(user="shipper")
    Writer(shipper.spool, 2).write(*(event(number) for number in range(50, 100))).seal()
    wait_for(lambda: "invalid username-password" in (shipper.status()["sinks"]["redis"]["last_error"] or ""))
    assert shipper.counted() == 50
    shipper.redis.set_password("another one")
    wait_for(lambda: shipper.counted() == 100)
    assert shipper.status()["restarts"] == 0


def test_the_shipper_s_user_can_do_nothing_but_ship(shipper: Shipper) -> None:
    shipper.start_redis()
    assert shipper.redis
    with closing(shipper.redis.client("shipper")) as client:
        for words in (["FLUSHALL"], ["CONFIG", "GET", "*"], ["KEYS", "*"], ["GET", "other"], ["SET", "fence", "x"]):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*words)
    with closing(redis.Redis(port=shipper.redis_port)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
