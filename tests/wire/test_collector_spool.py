"""How segments begin and end, and what is left of them when processes are reloaded, stopped and killed."""

from __future__ import annotations

import fcntl
import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from primetime.event import ULID
from tests.wire.collector_server import PATIENCE_S, Server, collector, compact, event, new_id, wait_for


def numbers(server: Server) -> dict[int, list[int]]:
    """Worker → the numbers of its segments."""
    found: dict[int, list[int]] = {}
    for segment in server.segments():
        found.setdefault(segment.worker, []).append(segment.number)
    return found


def last_numbers(server: Server) -> dict[int, int]:
    return {int(path.stem[1:]): int(path.read_text()) for path in server.spool.glob("w*.number")}


def assert_no_gaps(server: Server) -> None:
    assert numbers(server) == {worker: list(range(1, last + 1)) for worker, last in last_numbers(server).items()}


class Crowd(threading.Thread):
    """A client that posts for as long as it may, over a connection that it makes again when it breaks."""

    def __init__(self, server: Server, stop: threading.Event) -> None:
        super().__init__()
        self.server, self.stop = server, stop
        self.acknowledged: list[bytes] = []
        self.refused = 0

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.settings.port, timeout=PATIENCE_S)
        while not self.stop.is_set():
            batch = [event(id=new_id()) for _ in range(3)]
            try:
                connection.request("POST", "/events", compact(batch))
                response = connection.getresponse()
                response.read()
            except (OSError, http.client.HTTPException):
                connection.close()
                time.sleep(0.001)  # nobody listens while nginx is down
                continue
            if response.status == 204:
                self.acknowledged += [str(each["id"]).encode() for each in batch]
            else:
                self.refused += 1


@contextmanager
def load(server: Server) -> Iterator[Callable[[], list[bytes]]]:
    """Four clients at work; gives a function that returns every id acknowledged so far."""
    stop = threading.Event()
    crowd = [Crowd(server, stop) for _ in range(4)]
    for client in crowd:
        client.start()
    try:
        yield lambda: [each for client in crowd for each in client.acknowledged]
    finally:
        stop.set()
        for client in crowd:
            client.join()


def wait_for_more(acknowledged: Callable[[], list[bytes]]) -> None:
    enough = len(acknowledged()) + 300
    wait_for("some hundred more events", lambda: len(acknowledged()) > enough)


def left(server: Server, workers: set[int]) -> bool:
    return workers.isdisjoint(server.workers())


def assert_each_stored_once(server: Server, acknowledged: list[bytes]) -> None:
    stored = Counter(each[7:33] for each in server.stored())
    assert acknowledged
    assert {each: stored[each] for each in acknowledged if stored[each] != 1} == {}


def test_the_spool_has_a_ulid_that_stays() -> None:
    with collector() as server:
        first = (server.spool / "spool.ulid").read_text()
        assert ULID.fullmatch(first.removesuffix("\n"))
        server.stop()
        server.start()
        assert (server.spool / "spool.ulid").read_text() == first


def test_workers_that_start_together_agree_on_the_ulid() -> None:
    with collector(workers=8) as server:
        wait_for("every worker's place", lambda: len(list(server.spool.glob("w0?.next"))) == 8)
        ulid = (server.spool / "spool.ulid").read_text().strip()
        for _ in range(100):
            assert server.post([event()]).status == 204
        assert len(list(server.spool.glob("*.open"))) > 1
        assert {path.name[:26] for path in server.spool.glob("*.open")} == {ulid}


def test_a_segment_that_is_idle_is_sealed_by_age() -> None:
    with collector(segment_age_s=1) as server:
        assert server.post([event()]).status == 204
        assert [segment.state for segment in server.segments()] == ["open"]
        wait_for("the idle segment to be sealed", lambda: server.segments()[0].state == "sealed")
        assert len(server.stored()) == 1


def test_without_events_there_is_no_segment() -> None:
    with collector(segment_age_s=1) as server:
        assert server.post([event()]).status == 204
        wait_for("the segment to be sealed", lambda: server.segments()[0].state == "sealed")
        wait_for("the next one's space", (server.spool / "w00.next").exists)
        assert numbers(server) == {0: [1]}


def test_a_full_segment_is_sealed_by_size() -> None:
    with collector() as server:
        batch = [event(data="x" * 2000) for _ in range(100)]
        for _ in range(10):
            assert server.post(batch).status == 204
        wait_for("full segments to be sealed", lambda: server.segments()[1].state == "sealed")
        sealed = [segment for segment in server.segments() if segment.state == "sealed"]
        assert all(2**20 - 220_000 < segment.size <= 2**20 for segment in sealed)
        assert len(server.stored()) == 1000
        assert_no_gaps(server)


def test_space_is_reserved_and_an_open_segment_is_locked() -> None:
    with collector() as server:
        assert server.post([event()]).status == 204
        wait_for("the next segment's space", (server.spool / "w00.next").exists)
        wait_for("all of it", lambda: (server.spool / "w00.next").stat().st_blocks * 512 >= 2**20)
        (path,) = server.spool.glob("*.open")
        assert path.stat().st_size == 2**20
        with path.open("rb") as reader, pytest.raises(BlockingIOError):
            fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)


def written_from_the_start(path: Path) -> int:
    """Bytes before the first that is only reserved."""
    with path.open("rb") as file:
        return os.lseek(file.fileno(), 0, os.SEEK_HOLE)


def test_space_is_filled_with_zeros_as_far_as_the_last_segment_went() -> None:
    with collector(segment_mb=4, segment_filled_mb=1) as server:
        following = server.spool / "w00.next"
        wait_for("the first segment's space", lambda: following.exists() and written_from_the_start(following) == 2**20)
        assert following.read_bytes().count(0) == 4 * 2**20
        batch = [event(data="x" * 2000) for _ in range(100)]
        for _ in range(22):  # a little more than a segment holds
            assert server.post(batch).status == 204
        (full,) = wait_for("it to be sealed", lambda: list(server.spool.glob("*.sealed")))
        size = full.stat().st_size
        wait_for("as much", lambda: following.exists() and 0 <= written_from_the_start(following) - size < 2**13)


@pytest.mark.parametrize("settings", [{"segment_filled_mb": 0}, {"segment_fill_ms": 0}])
def test_no_space_is_filled_where_none_is_wanted_or_there_is_no_time(settings: dict[str, int]) -> None:
    with collector(**settings) as server:
        following = server.spool / "w00.next"
        wait_for("the first segment's space", lambda: following.exists() and following.stat().st_size == 2**20)
        assert server.post([event()]).status == 204
        wait_for("the next segment's space", lambda: following.exists() and following.stat().st_size == 2**20)
        assert written_from_the_start(following) == 0
        assert len(server.stored()) == 1


def test_a_graceful_stop_seals_what_is_open_and_gives_back_reserved_space() -> None:
    with collector(workers=2) as server:
        for _ in range(20):
            assert server.post([event()]).status == 204
        server.stop()
        assert {segment.state for segment in server.segments()} == {"sealed"}
        assert len(server.stored()) == 20
        assert [path.name for path in server.spool.glob("*.n*") if path.suffix != ".number"] == []


def test_numbers_go_on_after_a_restart() -> None:
    with collector() as server:
        for _ in range(3):
            assert server.post([event()]).status == 204
            server.stop()
            server.start()
        assert numbers(server) == {0: [1, 2, 3]}


def test_segments_that_were_shipped_do_not_give_their_numbers_back() -> None:
    with collector() as server:
        assert server.post([event()]).status == 204
        server.stop()
        for path in server.spool.glob("*.sealed"):
            path.unlink()
        server.start()
        assert server.post([event()]).status == 204
        assert numbers(server) == {0: [2]}


def test_a_number_whose_segment_never_appeared_is_used_again() -> None:
    with collector() as server:
        assert server.post([event()]).status == 204
        draft = server.spool / "w00.number.new"
        wait_for("the next number to be drafted", lambda: draft.exists() and draft.read_text() == "2\n")
        server.kill()  # and then what a crash between the two renames of a beginning segment leaves:
        draft.rename(server.spool / "w00.number")
        server.start()
        assert server.post([event()]).status == 204
        assert numbers(server) == {0: [1, 2]}
        assert last_numbers(server) == {0: 2}


def test_a_lost_number_file_does_not_overwrite_a_segment() -> None:
    with collector() as server:
        assert server.post([event()]).status == 204
        server.kill()
        (server.spool / "w00.number").unlink()
        server.start()
        assert server.post([event()]).status == 204
        assert numbers(server) == {0: [1, 2]}


def test_an_old_segment_is_never_written_to_again() -> None:
    with collector() as server:
        assert server.post([event()]).status == 204
        server.kill()
        (left,) = server.spool.glob("*.open")
        before = left.read_bytes()
        server.start()
        assert server.post([event()]).status == 204
        assert left.read_bytes() == before
        with left.open("rb") as reader:
            fcntl.flock(reader, fcntl.LOCK_EX | fcntl.LOCK_NB)


def why_not_ready(server: Server) -> str:
    """What it says; nothing while nobody listens yet."""
    with suppress(ConnectionError):
        answer = server.get("/ready")
        return answer.text if answer.status == 503 else ""
    return ""


@pytest.mark.parametrize("content", ["", "not a ulid\n", "01ARZ3NDEKTSV4RRFFQ69G5FAV"])
def test_a_broken_spool_ulid_is_not_replaced(content: str) -> None:
    with collector() as server:
        server.stop()
        (server.spool / "spool.ulid").write_text(content)
        server.launch()
        said = "does not hold a ULID and a newline: restore it from a backup\n"
        wait_for("it to say why it is not ready", lambda: why_not_ready(server).endswith(said))
        assert server.post([event()]).status == 503
        assert (server.spool / "spool.ulid").read_text() == content


def test_what_was_acknowledged_survives_kill_9_of_everything_under_load() -> None:
    with collector(workers=2) as server:
        with load(server) as acknowledged:
            for _ in range(4):
                wait_for_more(acknowledged)
                server.kill()
                server.start()
        assert_each_stored_once(server, acknowledged())
        assert_no_gaps(server)


def test_a_killed_worker_is_replaced_under_load() -> None:
    with collector(workers=2) as server:
        with load(server) as acknowledged:
            for _ in range(6):
                wait_for_more(acknowledged)
                os.kill(server.workers()[0], signal.SIGKILL)
        wait_for("two workers", lambda: len(server.workers()) == 2)
        assert_each_stored_once(server, acknowledged())
        assert_no_gaps(server)
        assert set(numbers(server)) == {0, 1}, "a killed worker's place is taken by its successor"


def test_a_reload_under_load_refuses_and_loses_nothing() -> None:
    with collector(workers=2) as server:
        assert server.process
        with load(server) as acknowledged:
            for _ in range(3):
                old = set(server.workers())
                wait_for_more(acknowledged)
                server.process.send_signal(signal.SIGHUP)
                wait_for("the old workers to leave", partial(left, server, old))
        assert_each_stored_once(server, acknowledged())
        assert_no_gaps(server)
        assert len(list(server.spool.glob("*.open"))) <= 2, "workers that left have sealed their segments"


def test_files_of_the_spool_are_for_its_group_to_read() -> None:
    with collector() as server:
        assert server.post([event()]).status == 204
        server.stop()
        modes = {name: found.st_mode & 0o777 for name, found in server.files().items()}
        assert len(modes) == 3 and set(modes.values()) == {0o640}, modes
