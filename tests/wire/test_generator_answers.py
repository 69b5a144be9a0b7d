"""The generator against a small HTTP server that answers, delays, closes and refuses as each test says."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from primetime.errors import PrimetimeError
from primetime.rehearsal import crowd
from primetime.rehearsal.burst import Burst, Plan
from primetime.rehearsal.generator import Generator
from primetime.rehearsal.share import ACKED, REFUSED, UNANSWERED, Share, Tally
from tests.waiting import PATIENCE_S, wait_for

STORED = b"HTTP/1.1 204 No Content\r\nServer: test\r\nConnection: keep-alive\r\n\r\n"
STORED_AND_CLOSED = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 4\r\n\r\nslow"
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 25\r\n\r\nevent 0: the show is over"
HANG_UP = b""
SILENCE = None  # until the client hangs up

# (body, how often these bytes have come, this time included) → the answer
Script = Callable[[bytes, int], bytes | None]


class Collector(socketserver.ThreadingTCPServer):
    """A collector as a script; remembers which bytes came, and which it acknowledged."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, script: Script) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script = script
        self.lock = threading.Lock()
        self.came: Counter[bytes] = Counter()
        self.acknowledged: set[str] = set()
        self.connections = 0
        self.piece = 1000  # bytes of an answer that are written at once

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.server_address[1]


class _Handler(socketserver.StreamRequestHandler):
    server: Collector
    disable_nagle_algorithm = True

    def handle(self) -> None:
        with self.server.lock:
            self.server.connections += 1
        while body := self._body():
            with self.server.lock:
                self.server.came[body] += 1
                times = self.server.came[body]
            answer = self.server.script(body, times)
            if answer is SILENCE:
                self.rfile.read(1)
                return
            if b" 204 " in answer:
                with self.server.lock:
                    self.server.acknowledged |= set(ids(body))
            for start in range(0, len(answer), self.server.piece):
                self.wfile.write(answer[start : start + self.server.piece])
            if answer != STORED and b"Content-Length" not in answer:
                return

    def _body(self) -> bytes:
        try:
            length = 0
            while (line := self.rfile.readline()).strip():
                if line.lower().startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            return self.rfile.read(length)
        except ConnectionError:
            return b""


def ids(body: bytes) -> list[str]:
    return [event["id"] for event in json.loads(body)]


@contextmanager
def collector(script: Script) -> Iterator[Collector]:
    with Collector(script) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def burst_of(updates: int, **more: Any) -> Burst:
    plan: dict[str, Any] = {"seconds": 0.1, "batch": 10, "connections": 4, "deadline_s": 20, **more}
    return Burst("01M7YFS0TCSDYY42QP", Plan("quiz-20261121", updates, **plan))


def send(burst: Burst, *collectors: tuple[str, int], attempt_timeout_s: float = 15) -> Tally:
    """The whole burst, sent by this process."""
    share = Share(burst, list(collectors), burst.plan.connections, attempt_timeout_s=attempt_timeout_s)
    generator = Generator(share)
    try:
        assert generator.connect() > 0
        return generator.send(time.monotonic())
    finally:
        generator.close()


def ids_of(burst: Burst, tally: Tally, outcome: int) -> set[str]:
    requests = [request for request, became in enumerate(tally.outcomes) if became == outcome]
    return {json.loads(burst.event(number))["id"] for request in requests for number in burst.numbers(request)}


def body_of(burst: Burst, request: int) -> bytes:
    return burst.http(request).partition(b"\r\n\r\n")[2]


def by_request(burst: Burst, answers: dict[int, bytes | None]) -> Script:
    """The answer to the first attempt of some requests; 204 to everything else."""
    bodies = {body_of(burst, request): answer for request, answer in answers.items()}

    def script(body: bytes, times: int) -> bytes | None:
        return bodies.get(body, STORED) if times == 1 else STORED

    return script


def test_every_update_is_sent_once_to_a_collector_that_stores_it() -> None:
    burst = burst_of(1005)
    with collector(lambda body, times: STORED) as server:
        tally = send(burst, server.address)
    assert ids_of(burst, tally, ACKED) == server.acknowledged
    assert len(server.acknowledged) == 1005
    assert set(server.came.values()) == {1}
    assert sum(tally.per_second) == 1005
    assert (tally.resends, server.connections) == (0, 4)


def test_each_id_is_acknowledged_as_the_collector_says() -> None:
    burst = burst_of(500)
    answers = {request: (STORED, REFUSAL, STORED_AND_CLOSED)[request % 3] for request in range(50)}
    with collector(by_request(burst, answers)) as server:
        tally = send(burst, server.address)
    refused = ids_of(burst, tally, REFUSED)
    assert ids_of(burst, tally, ACKED) == server.acknowledged
    assert len(refused) == 170
    assert not refused & server.acknowledged


@pytest.mark.parametrize("answer", [BUSY, HANG_UP, b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"SSH-2.0-hello\r\n\r\n"])
def test_what_was_not_answered_with_204_is_sent_again_in_the_same_bytes(answer: bytes) -> None:
    burst = burst_of(200)
    with collector(by_request(burst, {3: answer, 7: answer})) as server:
        tally = send(burst, server.address)
    assert server.came == {body_of(burst, request): 2 if request in (3, 7) else 1 for request in range(20)}
    assert ids_of(burst, tally, ACKED) == server.acknowledged
    assert tally.resends == 2


def test_a_request_that_is_not_answered_in_time_is_sent_again_in_the_same_bytes() -> None:
    burst = burst_of(200)
    with collector(by_request(burst, {3: SILENCE})) as server:
        tally = send(burst, server.address, attempt_timeout_s=2)  # longer than a busy machine takes to answer
    assert server.came[body_of(burst, 3)] == 2
    assert len(ids_of(burst, tally, ACKED)) == 200


def test_a_refusal_is_final_and_keeps_its_sentence() -> None:
    burst = burst_of(200)
    with collector(by_request(burst, {5: REFUSAL})) as server:
        tally = send(burst, server.address)
    assert tally.outcomes.count(REFUSED) == 1
    assert server.came[body_of(burst, 5)] == 1
    assert tally.refusals == {"400 event 0: the show is over": 1}


@pytest.mark.parametrize("piece", [1, 20, 65])
def test_answers_in_pieces_are_answers(piece: int) -> None:
    burst = burst_of(200)
    with collector(by_request(burst, {5: REFUSAL, 6: BUSY})) as server:
        server.piece = piece
        tally = send(burst, server.address)
    assert ids_of(burst, tally, ACKED) == server.acknowledged
    assert tally.refusals == {"400 event 0: the show is over": 1}
    assert (tally.resends, server.connections) == (1, 4)


def test_a_collector_that_closes_after_each_answer_still_gets_everything() -> None:
    burst = burst_of(200)
    with collector(lambda body, times: STORED_AND_CLOSED) as server:
        tally = send(burst, server.address)
    assert ids_of(burst, tally, ACKED) == server.acknowledged
    assert (len(server.acknowledged), tally.resends) == (200, 0)


def test_a_collector_that_hangs_up_on_idle_connections_still_gets_everything() -> None:
    burst = burst_of(200)
    with collector(lambda body, times: b"HTTP/1.1 204 No Content\r\n\r\n") as server:
        tally = send(burst, server.address)
    assert ids_of(burst, tally, ACKED) == server.acknowledged
    assert len(server.acknowledged) == 200


def test_what_a_collector_says_unasked_before_it_hangs_up_is_no_answer() -> None:
    burst = burst_of(200)
    first = b"HTTP/1.1 204 No Content\r\n\r\n"
    with collector(lambda body, times: first + b"HTTP/1.1 408 Request Timeout\r\n\r\n") as server:
        server.piece = len(first)
        tally = send(burst, server.address)
    assert tally.outcomes == bytes([ACKED] * 20)
    assert len(server.acknowledged) == 200


@pytest.mark.parametrize("answer", [BUSY, HANG_UP, SILENCE], ids=["busy", "hangs up", "silent"])
def test_a_collector_that_never_stores_leaves_everything_unanswered(answer: bytes | None) -> None:
    burst = burst_of(50, deadline_s=2)
    with collector(lambda body, times: answer) as server:
        tally = send(burst, server.address, attempt_timeout_s=0.1)
    assert tally.outcomes == bytes([UNANSWERED] * 5)
    assert (tally.accept_seconds, tally.per_second) == (None, [])
    assert max(server.came.values()) > 1


def test_a_crowd_that_hears_nothing_gives_up_as_a_whole() -> None:
    burst = burst_of(600, deadline_s=0.5)
    with collector(lambda body, times: SILENCE) as server:
        tally = send(burst, server.address, attempt_timeout_s=0.1)
    assert tally.outcomes == bytes([UNANSWERED] * 60)
    assert len(server.came) < 60  # it did not try each for its half second


def test_what_one_collector_does_not_answer_the_other_stores() -> None:
    burst = burst_of(300)
    with collector(lambda body, times: HANG_UP) as dead, collector(lambda body, times: STORED) as alive:
        tally = send(burst, dead.address, alive.address)
    assert dead.came
    assert len(alive.acknowledged) == len(ids_of(burst, tally, ACKED)) == 300


def test_connections_are_spread_over_all_collectors() -> None:
    burst = burst_of(300, connections=6)
    with collector(lambda body, times: STORED) as one, collector(lambda body, times: STORED) as other:
        send(burst, one.address, other.address)
    assert (one.connections, other.connections) == (3, 3)


def nobody() -> tuple[str, int]:
    """An address at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return "127.0.0.1", server.getsockname()[1]


def test_a_collector_that_is_not_there_is_done_without() -> None:
    burst = burst_of(300)
    with collector(lambda body, times: STORED) as alive:
        tally = send(burst, nobody(), alive.address)
    assert len(ids_of(burst, tally, ACKED)) == 300


def test_without_any_collector_nothing_is_sent_and_a_sentence_says_where_it_looked() -> None:
    address = nobody()
    with pytest.raises(PrimetimeError, match=f"No collector answers at 127.0.0.1:{address[1]}"):
        crowd.send(burst_of(100), [address], lambda text: None)


def test_a_crowd_of_processes_sends_each_update_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crowd, "processes", lambda plan, cpus: 2)
    burst = burst_of(1005)
    with collector(by_request(burst, {9: REFUSAL, 10: BUSY})) as server:
        tally = crowd.send(burst, [server.address], lambda text: None)
    assert ids_of(burst, tally, ACKED) == server.acknowledged
    assert len(server.acknowledged) == 995
    assert tally.outcomes[9] == REFUSED
    assert (sum(tally.per_second), sum(tally.latencies.values()), tally.resends) == (995, 100, 1)
    assert all(tally.outcomes[request] == ACKED for _, request in tally.latest)


PROGRAM = """
import sys
from primetime.rehearsal import crowd
from primetime.rehearsal.burst import Burst, Plan

port, connections = map(int, sys.argv[1:])
burst = Burst("01M7YFS0TCSDYY42QP", Plan("quiz", 2000, 0.1, connections=connections))
crowd.send(burst, [("127.0.0.1", port)], lambda text: None)
"""


def wait_for_a_request(server: Collector) -> None:
    wait_for(lambda: bool(server.came), "a request")


def unanswered_process(server: Collector) -> subprocess.Popen[str]:
    """A generator process whose requests are never answered."""
    process = crowd._process()
    crowd._tell(process, Share(burst_of(100), [server.address], 4).to_json())
    assert process.stdout and process.stdout.readline() == "4\n"
    crowd._tell(process, repr(time.monotonic()))
    wait_for_a_request(server)
    return process


def test_a_generator_ends_when_whoever_started_it_is_gone() -> None:
    with collector(lambda body, times: SILENCE) as server, unanswered_process(server) as process:
        assert process.stdin
        process.stdin.close()
        assert process.wait(timeout=PATIENCE_S) == 1


def test_a_shell_s_limit_of_open_files_does_not_limit_the_crowd() -> None:
    with collector(lambda body, times: STORED) as server:
        command = f"ulimit -Sn 64; exec {sys.executable} -c {shlex.quote(PROGRAM)} {server.address[1]} 100"
        subprocess.run(["bash", "-c", command], check=True, timeout=PATIENCE_S)
    assert server.connections == 100


def test_ctrl_c_ends_the_whole_crowd() -> None:
    with collector(lambda body, times: SILENCE) as server:
        command = [sys.executable, "-c", PROGRAM, str(server.address[1]), "4"]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, start_new_session=True)
        wait_for_a_request(server)
        process.send_signal(signal.SIGINT)  # to the starter alone, as a service manager would
        process.communicate(timeout=PATIENCE_S)
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
