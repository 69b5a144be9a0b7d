"""What the collector tells Prometheus agrees with what was sent, over all workers; the public port tells nothing."""

from __future__ import annotations

import http.client
import os
import signal
import time

from primetime.verify.samples import read
from tests.shipping import Writer
from tests.shipping import event as shipped
from tests.wire.collector_server import PATIENCE_S, Server, collector, compact, event, wait_for


def told(server: Server, within_s: float = PATIENCE_S) -> dict[str, float]:
    """Every sample, by its name without the common beginning."""
    connection = http.client.HTTPConnection("127.0.0.1", server.settings.metrics_port, timeout=within_s)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    found = read(answer.read().decode())
    connection.close()
    assert (answer.status, answer.getheader("Content-Type")) == (200, "text/plain; version=0.0.4")
    return {name.removeprefix("primetime_collector_"): value for name, value in found.items()}


def wait_until_told(server: Server, expected: dict[str, float]) -> dict[str, float]:
    """What is told, once it has these samples: a worker tells what it has counted a few times a second."""
    found: dict[str, float] = {}

    def as_expected() -> bool:
        found.update(told(server))
        return expected.items() <= found.items()

    wait_for(f"{expected} among what is told", as_expected)
    return found


def requests(route: str, code: int) -> str:
    return f'requests_total{{route="{route}",code="{code}"}}'


def test_events_and_requests_are_counted_over_all_workers() -> None:
    with collector(workers=2) as server:
        for _ in range(30):  # each on a connection of its own, which either worker takes
            assert server.post([event(), event(), event()]).status == 204
        expected = {requests("events", 204): 30, "events_total": 90, "commit_events_count": 30, "commit_events_sum": 90}
        found = wait_until_told(server, expected)
        assert found["event_bytes_total"] == sum(len(stored) + 1 for stored in server.stored())
        assert found["commit_seconds_count"] == 30
        assert found['commit_events_bucket{le="1"}'] == 0
        assert found['commit_events_bucket{le="3"}'] == found['commit_events_bucket{le="+Inf"}'] == 30
        assert {segment.worker for segment in server.segments()} == {0, 1}


def test_what_is_refused_is_counted_by_route_and_status() -> None:
    with collector() as server:
        refused = server.post(b"[{}]"), server.get("/e?id=1"), server.get("/nothing"), server.get("/events")
        assert [answer.status for answer in refused] == [400, 400, 404, 405]
        assert server.post(b"[" + b" " * 300_000 + b"]").status == 413
        assert server.exchange(b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400 ")
        assert server.exchange(b"GET /e?" + b"x" * 9000 + b" HTTP/1.1\r\nHost: c\r\n\r\n").startswith(b"HTTP/1.1 414 ")
        expected = {
            requests("events", 400): 1,
            requests("events", 405): 1,
            requests("events", 413): 1,
            requests("beacon", 400): 1,
            requests("other", 404): 1,
            requests("other", 400): 1,
            requests("other", 414): 1,
            "events_total": 0,
        }
        wait_until_told(server, expected)


def test_a_preflight_is_counted_and_a_body_that_never_came_is_not() -> None:
    asks = {"Origin": "https://vote.example.org", "Access-Control-Request-Method": "POST"}
    with collector(origins=("*",), client_timeout_s=1) as server:
        assert server.request("OPTIONS", "/events", **asks).status == 204
        assert server.exchange(b"POST /events HTTP/1.1\r\nHost: c\r\nContent-Length: 9\r\n\r\n[") == b""
        assert server.request("OPTIONS", "/e", **asks).status == 204
        found = wait_until_told(server, {requests("beacon", 204): 1})
        assert found[requests("events", 204)] == 1
        assert sum(value for name, value in found.items() if name.startswith('requests_total{route="events"')) == 1


def test_a_beacon_is_one_event() -> None:
    with collector() as server:
        answer = server.get("/e?id=01ARZ3NDEKTSV4RRFFQ69G5FAV&show=news&pos_ms=0")
        assert answer.status == 204
        wait_until_told(server, {requests("beacon", 204): 1, "events_total": 1})


def test_a_restart_begins_again_and_a_reload_does_not() -> None:
    with collector() as server:
        assert server.post([event()]).status == 204
        began = wait_until_told(server, {"events_total": 1})["start_time_seconds"]
        before = server.workers()
        assert server.process
        server.process.send_signal(signal.SIGHUP)
        wait_for("workers of the new configuration", lambda: not set(before) & set(server.workers()))
        assert server.post([event()]).status == 204
        assert wait_until_told(server, {"events_total": 2, "ready": 1})["start_time_seconds"] == began
        server.stop()
        server.start()
        assert wait_until_told(server, {"events_total": 0, "ready": 1})["start_time_seconds"] > began


def test_what_a_worker_counts_while_it_leaves_is_told() -> None:
    with collector(workers=1, shutdown_timeout_s=60, client_timeout_s=60) as server:
        body = compact([event()])
        with server.connect() as connection:
            connection.sendall(b"POST /events HTTP/1.1\r\nHost: c\r\nContent-Length: %d\r\n\r\n" % len(body))
            wait_for("it and who asks", lambda: told(server)['connections{state="writing"}'] == 2)
            before = server.workers()
            assert server.process
            server.process.send_signal(signal.SIGHUP)
            wait_for("a new worker beside the old one", lambda: set(server.workers()) - set(before))
            wait_for("the new worker to be ready", server.is_ready)
            connection.sendall(body)
            status = int(connection.recv(65536).split()[1])
        wait_until_told(server, {requests("events", status): 1})


def is_missed(server: Server) -> bool:
    """Whether one of its workers is; that very one may be given the question, and never answer."""
    try:
        return told(server, within_s=1)["ready"] == 0
    except TimeoutError:
        return False


def test_a_worker_that_stands_still_is_not_ready() -> None:
    with collector(workers=2) as server:
        wait_until_told(server, {"ready": 1})
        stuck = server.workers()[1]
        os.kill(stuck, signal.SIGSTOP)
        try:
            wait_for("the stuck worker to be missed", lambda: is_missed(server))
        finally:
            os.kill(stuck, signal.SIGCONT)
        wait_until_told(server, {"ready": 1})


def test_a_collector_that_drains_is_not_ready() -> None:
    with collector() as server:
        wait_until_told(server, {"ready": 1})
        (server.root / "run" / "draining").touch()
        wait_until_told(server, {"ready": 0})
        assert server.post([event()]).status == 503
        assert server.get("/e?id=01ARZ3NDEKTSV4RRFFQ69G5FAV&show=news&pos_ms=0").status == 503
        wait_until_told(server, {requests("events", 503): 1, requests("beacon", 503): 1})


def test_the_spool_s_size_and_age_are_those_of_what_lies_in_it() -> None:
    with collector() as server:
        found = wait_until_told(server, {"spool_segments": 0, "spool_oldest_seconds": 0})
        assert found["spool_budget_bytes"] == server.settings.spool_budget_mb * 2**20
        sent = time.time()
        assert server.post([event()]).status == 204
        first = wait_until_told(server, {"spool_segments": 1})
        assert 0 <= first["spool_oldest_seconds"] <= time.time() - sent + 0.001
        later = wait_for("it to grow older", lambda: (now := told(server))["spool_oldest_seconds"] > 1 and now)
        assert later["spool_oldest_seconds"] <= time.time() - sent + 0.001
        # the open segment and the next one, each with its reserved space
        assert 2 * 2**20 <= later["spool_bytes"] < 3 * 2**20
        assert later["spool_looked_timestamp_seconds"] > sent
        (segment,) = server.spool.glob("*.open")
        segment.unlink()  # as the shipper would
        wait_until_told(server, {"spool_segments": 0, "spool_oldest_seconds": 0})


def test_the_oldest_event_is_found_among_all_writers_and_behind_a_segment_without_any() -> None:
    with collector() as server:
        now_ms = time.time_ns() // 1_000_000
        for worker, number, age_s in ((10, 1, None), (10, 2, 900), (10, 3, 10), (11, 7, 100)):
            writer = Writer(server.spool, number, worker)
            if age_s is not None:
                writer.write(shipped(number), received_ms=now_ms - age_s * 1000)
            writer.seal().chmod(0o644)
        found = wait_until_told(server, {"spool_segments": 4})
        assert 900 <= found["spool_oldest_seconds"] <= 900 + time.time() - now_ms / 1000 + 0.001


def test_connections_are_counted() -> None:
    with collector() as server:
        before = told(server)["connections_accepted_total"]
        with server.connect(), server.connect():
            found = wait_for(
                "two more", lambda: (now := told(server))["connections_accepted_total"] >= before + 3 and now
            )
        assert found['connections{state="reading"}'] + found['connections{state="waiting"}'] >= 2
        assert (found["connections_dropped_total"], found["connections_limit"]) == (0, 512)


def test_the_public_port_tells_nothing() -> None:
    with collector() as server:
        assert [server.get(path).status for path in ("/metrics", "/metrics/", "/-/metrics")] == [404] * 3
