"""What a running shipper tells Prometheus: it agrees with what was shipped, and whoever asks cannot hold it up."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from http.client import HTTPException
from pathlib import Path

import pytest

from primetime.shipper.exporter import MOST_AT_ONCE
from primetime.verify.samples import samples
from tests.redis_server import free_port
from tests.shipping import Writer
from tests.wire.test_shipper_process import Shipper, fill, lanes_of, wait_for


@pytest.fixture
def shipper(tmp_path: Path) -> Iterator[Shipper]:
    shipper = Shipper(tmp_path)
    shipper.metrics_port = free_port()
    yield shipper
    shipper.close()


def told(shipper: Shipper) -> dict[str, float]:
    """Every sample without the common beginning; none while nobody answers, or not yet."""
    with contextlib.suppress(OSError, HTTPException):  # it may end in the middle of an answer
        found = samples("127.0.0.1", shipper.metrics_port)
        return {name.removeprefix("primetime_shipper_"): value for name, value in found.items()}
    return {}


def total(found: dict[str, float], name: str, sink: str) -> float:
    return sum(value for key, value in found.items() if key.startswith(f'{name}_total{{sink="{sink}"'))


def test_what_is_shipped_is_counted_and_a_restart_begins_again(shipper: Shipper) -> None:
    written = fill(shipper.spool, 3)
    Writer(shipper.spool, 4).write(b'{"id":"unfit"}').seal()
    shipper.gateway.start()
    shipper.start_redis()
    process = shipper.start()
    wait_for(lambda: shipper.segments() == [])
    expected = {"hbase": len(written) + 1, "redis": len(written)}
    found = wait_for(  # a lane says what it has stored a moment after it has
        lambda: (
            (now := told(shipper))
            and {sink: total(now, "events", sink) for sink in expected} == expected
            and now["spool_segments"] == 0
            and now
        )
    )
    assert total(found, "dead_letters", "hbase") == 1
    assert [found[f'lag_{of}{{sink="hbase"}}'] for of in ("seconds", "bytes", "events")] == [0, 0, 0]
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    shipper.start()
    again = wait_for(lambda: (now := told(shipper)) and now["start_time_seconds"] > found["start_time_seconds"] and now)
    assert (total(again, "events", "hbase"), total(again, "events", "redis")) == (0, 0)


def test_a_dead_store_shows_as_lag_and_failure_of_that_sink_alone(shipper: Shipper) -> None:
    written = fill(shipper.spool, 2)
    size = sum(path.stat().st_size for path in shipper.spool.glob("*.sealed"))
    shipper.start_redis()
    shipper.start()
    wait_for(lambda: shipper.counted() == len(written))
    found = wait_for(
        lambda: (
            (now := told(shipper))
            and now['failing_seconds{sink="hbase"}'] > 0
            and now['lag_bytes{sink="redis"}'] == 0
            and now
        )
    )
    assert found['lag_bytes{sink="hbase"}'] == size
    assert found['lag_seconds{sink="hbase"}'] > 86_400  # since these events' receive time, in 2023
    assert (found['lag_seconds{sink="redis"}'], found['failing_seconds{sink="redis"}']) == (0, 0)
    assert total(found, "retries", "hbase") > 0


def test_whoever_asks_and_never_reads_does_not_stop_shipping(shipper: Shipper) -> None:
    shipper.gateway.start()
    shipper.start_redis()
    shipper.start()
    wait_for(lambda: told(shipper))
    with ExitStack() as hung:
        for _ in range(2 * MOST_AT_ONCE):
            hung.enter_context(socket.create_connection(("127.0.0.1", shipper.metrics_port))).sendall(b"GET /metr")
        written = fill(shipper.spool, 1)
        wait_for(lambda: shipper.segments() == [])
        assert (shipper.gateway.events(), shipper.counted()) == (written, len(written))


def test_it_ends_with_its_supervisor(shipper: Shipper) -> None:
    process = shipper.start()
    wait_for(lambda: told(shipper))
    assert len(lanes_of(process)) == 4
    process.kill()
    process.wait()
    wait_for(lambda: not told(shipper))
