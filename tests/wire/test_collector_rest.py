"""Small groups of requests grow for a moment before they are synced, where more requests are coming."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import pairwise

from tests.wire.collector_server import Server, collector, compact, event

REST_MS = 500


def send(server: Server, connection: socket.socket) -> None:
    """A request that has been read, and could have been written by itself, before the next one."""
    body = compact([event()])
    connection.sendall(b"POST /events HTTP/1.1\r\nHost: c\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    for _ in range(3):
        assert server.get("/live").status == 200


def sizes(server: Server) -> list[int]:
    """How many events each commit wrote, in order."""
    return [len(record.events) for segment in server.segments() for record in segment.records]


def test_a_small_group_soon_after_the_last_one_waits_until_it_is_worth_a_sync() -> None:
    # longer than a busy machine takes to send four: once they are there, nobody waits for its end
    patient = {"commit_rest_ms": 20_000, "commit_deadline_ms": 80_000}
    with collector(commit_small=4, **patient) as server, ExitStack() as stack:
        connections = [stack.enter_context(server.connect()) for _ in range(4)]
        assert server.post([event()]).status == 204
        for connection in connections:
            send(server, connection)
        for connection in connections:
            assert connection.recv(4096).startswith(b"HTTP/1.1 204")
        assert sizes(server) == [1, 4]


def test_a_small_group_that_nobody_joins_is_written_when_its_rest_is_over() -> None:
    with collector(commit_small=4, commit_rest_ms=REST_MS) as server:
        assert [server.post([event()]).status for _ in range(2)] == [204, 204]
        assert sizes(server) == [1, 1]


def test_a_client_that_sends_one_request_after_the_other_hardly_ever_waits_for_others() -> None:
    rest_ms = 2000  # half of it is longer than a commit takes on a busy disk
    with collector(commit_small=4, commit_rest_ms=rest_ms, commit_deadline_ms=4 * rest_ms) as server:
        for _ in range(15):
            assert server.post([event()]).status == 204
        moments = [record.received_ms for segment in server.segments() for record in segment.records]
        waited = [later - earlier > rest_ms / 2 for earlier, later in pairwise(moments)]
        assert 1 <= sum(waited) <= 4


def test_clients_that_come_after_a_single_one_share_their_syncs_again() -> None:
    # longer than a busy machine takes to run each of them once
    with collector(commit_small=4, commit_rest_ms=2000) as server, ThreadPoolExecutor(4) as pool:
        for _ in range(3):
            assert server.post([event()]).status == 204
        # a try comes after 64 commits at the latest
        clients = [pool.submit(lambda: {server.post([event()]).status for _ in range(90)}) for _ in range(4)]
        assert all(client.result() == {204} for client in clients)
        assert sizes(server)[-20:-10] == [4] * 10  # the last ones of a client may be there without the others'


def test_no_group_rests_when_no_rest_is_wanted() -> None:
    with collector(commit_small=4, commit_rest_ms=0) as server:
        for _ in range(10):
            assert server.post([event()]).status == 204
        assert sizes(server) == [1] * 10


def test_a_rest_never_takes_more_than_a_quarter_of_a_request_s_deadline() -> None:
    with collector(commit_small=4, commit_rest_ms=60_000, commit_deadline_ms=8000) as server:
        assert [server.post([event()]).status for _ in range(2)] == [204, 204]
