"""The shipper's first process: starts a process per lane and one that tells metrics, closes dead writers' segments,
writes the status.

It touches neither HBase nor Redis, so that it answers whatever happens to them.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.process import BaseProcess
from threading import Event
from typing import Any

from primetime.hbase.direct import DirectHbase
from primetime.shipper import exporter, reports, status
from primetime.shipper.config import Config
from primetime.shipper.hbase_sink import HbaseSink
from primetime.shipper.lane import Courtesy, Lane, Sink
from primetime.shipper.redis_sink import Login, RedisSink, connect
from primetime.shipper.spool import Spool
from primetime.shipper.warden import Warden

log = logging.getLogger("shipper")

LOOK_EVERY_S = 0.2
STATUS_EVERY_S = 1.0
STOP_WITHIN_S = 5.0  # a put may hold a lane for longer; it is done again at the next start
RESTART_MOST_S = 30.0
STATUS = "status.json"
METRICS = "metrics"

_processes = multiprocessing.get_context("fork")


@dataclass
class _Child:
    """A process, what it runs, how often it died, of that in quick succession, and when it may be started again."""

    run: Callable[[int], None]
    process: BaseProcess | None = None
    deaths: int = 0
    in_a_row: int = 0
    start_s: float = 0.0


def lanes(config: Config) -> list[str]:
    """The names of the lanes: `hbase-0`, `hbase-1`, ..., `redis-0`, ..."""
    redis_lanes = config.redis_lanes if config.redis_host else 0
    return [f"{reports.HBASE}{number}" for number in range(config.hbase_lanes)] + [
        f"{reports.REDIS}{number}" for number in range(redis_lanes)
    ]


def make_sink(config: Config, lane: str) -> Sink:
    """The sink of one lane. The lanes of a kind share the workers among them: lane n has worker n, n + lanes, ..."""
    spool, number = Spool(config.spool), int(lane.partition("-")[2])
    if lane.startswith(reports.REDIS):
        return RedisSink(
            spool,
            connect(
                Login(config.redis_user, config.redis_password.read_text),
                host=config.redis_host,
                port=config.redis_port,
            ),
            mine=lambda segment: segment.worker % config.redis_lanes == number,
            batch_events=config.redis_batch_events,
            grace_s=config.redis_grace_s,
        )
    return HbaseSink(
        spool,
        DirectHbase(config.hbase_host, config.hbase_port, config.hbase_timeout_s, user="shipper"),
        mine=lambda segment: segment.worker % config.hbase_lanes == number,
        batch_events=config.hbase_batch_events,
        passed_redis=reports.RedisProgress(config.run).passed if config.redis_host else None,
        grace_s=config.redis_grace_s,
        most_dead_letters=config.dead_letters,
    )


def stop_at_sigterm() -> Event:
    """An event that SIGTERM and SIGINT set."""
    stop = Event()
    for signal_ in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signal_, lambda *_: stop.set())
    return stop


def _run_lane(config: Config, name: str, supervisor: int) -> None:
    stop = stop_at_sigterm()
    courtesy = None
    if name.startswith(reports.REDIS):
        os.setpriority(os.PRIO_PROCESS, 0, config.redis_nice)
        courtesy = Courtesy(reports.HbaseBacklog(config.run), config.redis_waits_s, config.redis_share)
    polls = config.poll_active_ms / 1000, config.poll_idle_ms / 1000
    lane = Lane(name, make_sink(config, name), config.run, *polls, courtesy)
    batch_events = config.redis_batch_events if name.startswith(reports.REDIS) else config.hbase_batch_events
    lane.run(stop, batch_events, supervisor)


def _run_exporter(config: Config, supervisor: int) -> None:
    stop = stop_at_sigterm()
    exporter.run(config.metrics_address, config.metrics_port, config.run / STATUS, stop, supervisor)


class Supervisor:
    """Runs the lanes of a configuration until it is told to stop."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._spool = Spool(config.spool)
        self._warden = Warden(self._spool)
        self._lanes = {name: _Child(partial(_run_lane, config, name)) for name in lanes(config)}
        self._children = dict(self._lanes)
        if config.metrics_address:
            self._children[METRICS] = _Child(partial(_run_exporter, config))
        self._started_ms = time.time_ns() // 1_000_000
        self._status_s = float("-inf")
        self._trouble = ""

    def run(self, stop: Event, drain: bool) -> int:
        """The exit code: 0 when told to stop, or drained; 3 when `drain` leaves segments that cannot be shipped."""
        for file in self._config.run.glob("lane-*.json"):
            file.unlink()
        self._spool.remove_orphans()
        log.info("shipping %s by %s", self._config.spool, ", ".join(self._lanes))
        code = None
        try:
            while code is None and not stop.is_set():
                self._keep_running()
                self._look_after()
                code = self._drained() if drain else None
                stop.wait(LOOK_EVERY_S)
        finally:
            self._stop()
        return code or 0

    def _keep_running(self) -> None:
        now = time.monotonic()
        for name, child in self._children.items():
            if child.process and child.process.is_alive():
                continue
            if child.process:
                child.deaths += 1
                child.in_a_row = 0 if now > child.start_s + RESTART_MOST_S else min(child.in_a_row + 1, 10)
                pause_s = min(2.0**child.in_a_row, RESTART_MOST_S)
                log.error("%s: died with %s: starting it again in %d s", name, child.process.exitcode, pause_s)
                child.process, child.start_s = None, now + pause_s
            if now >= child.start_s:
                child.process = _processes.Process(target=child.run, args=(os.getpid(),), name=name)
                child.process.start()
                child.start_s = now

    def _look_after(self) -> None:
        """Close and report. A full disk stops either, and must not stop the lanes, which make room."""
        trouble = ""
        for task in (self._warden.close_dead, self._write_status):
            try:
                task()
            except OSError as error:
                trouble = str(error)
        if trouble and trouble != self._trouble:
            log.error("retrying until it works: %s", trouble)
        self._trouble = trouble

    def _reports(self) -> dict[str, dict[str, Any]]:
        return {name: reports.read(reports.lane_file(self._config.run, name)) for name in self._lanes}

    def _write_status(self) -> None:
        now = time.monotonic()
        if now < self._status_s + STATUS_EVERY_S:
            return
        self._status_s = now
        restarts = sum(lane.deaths for lane in self._lanes.values())
        composed = status.compose(
            self._spool, self._reports(), started_ms=self._started_ms, restarts=restarts, trouble=self._trouble
        )
        reports.write(self._config.run / STATUS, composed)

    def _drained(self) -> int | None:
        """0 when the spool is empty, 3 when only what cannot be shipped is left, else None."""
        found = {str(segment) for segment in self._spool.scan()}
        if not found:
            return 0
        kept = {
            segment: reason for report in self._reports().values() for segment, reason in report.get("kept", {}).items()
        }
        if found - kept.keys():
            return None
        for segment in sorted(found):
            log.error("%s: left: %s", segment, kept[segment])
        return 3

    def _stop(self) -> None:
        running = [child.process for child in self._children.values() if child.process and child.process.is_alive()]
        for process in running:
            process.terminate()
        until = time.monotonic() + STOP_WITHIN_S
        for process in running:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()
