"""What the collector does when its disk is slow, full, frozen or broken. The disks are real: small loop and tmpfs
mounts, which need root.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.wire.collector_server import NOBODY, Answer, Server, collector, compact, event, read_segment, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="mounting a disk to break takes root")


def run(*command: str | Path) -> None:
    subprocess.run([str(word) for word in command], check=True, capture_output=True)


@contextmanager
def mounted(*options: str | Path, at: Path | None = None) -> Iterator[Path]:
    """A file system of this test's own, unmounted afterwards."""
    folder = at or Path(tempfile.mkdtemp(prefix="primetime-disk-"))
    run("mount", *options, folder)
    try:
        folder.chmod(0o755)
        yield folder
    finally:
        run("umount", folder)
        folder.rmdir()


@contextmanager
def loop_disk(image: Path, *features: str) -> Iterator[Path]:
    """A 48 MiB ext4 in a sparse file."""
    with image.open("wb") as file:
        file.truncate(48 * 2**20)
    run("mkfs.ext4", "-q", *features, image)
    with mounted("-o", "loop", image) as folder:
        yield folder


@contextmanager
def frozen(folder: Path) -> Iterator[None]:
    """Writes to the file system wait until the end of this block."""
    run("fsfreeze", "--freeze", folder)
    try:
        yield
    finally:
        run("fsfreeze", "--unfreeze", folder)


def post_until_refused(server: Server, most: int = 100) -> tuple[list[bytes], Answer]:
    """Batches are posted until one is refused: the acknowledged events, and the refusal."""
    acknowledged: list[bytes] = []
    for _ in range(most):
        batch = [event(data="x" * 1900) for _ in range(100)]
        answer = server.post(batch)
        if answer.status != 204:
            return acknowledged, answer
        acknowledged += [compact(each) for each in batch]
    raise AssertionError(f"{most} batches were accepted")


def limit_file_size(pid: int, size: str) -> None:
    """Writes beyond `size` fail. As the process's own user, which is what may do so without further privileges."""
    command = ["prlimit", "--pid", str(pid), f"--fsize={size}:unlimited"]
    subprocess.run(command, check=True, user=NOBODY, group=NOBODY, extra_groups=[])


def assert_unavailable(answer: Answer, sentence: str) -> None:
    assert answer.status == 503
    assert sentence in answer.text
    assert int(answer.headers["Retry-After"]) > 0


def test_a_frozen_disk_makes_nobody_wait_past_the_deadline(tmp_path: Path) -> None:
    with loop_disk(tmp_path / "image") as disk, collector(disk, commit_deadline_ms=2000) as server:
        assert server.post([event()]).status == 204
        answers: list[Answer] = []
        clients = [threading.Thread(target=lambda: answers.append(server.post([event()]))) for _ in range(20)]
        with frozen(disk):
            for client in clients:
                client.start()
            wait_for("the first refusal", lambda: answers)
            assert server.get("/live").status == 200
            wait_for("it to take no traffic", lambda: not server.is_ready())
            assert_unavailable(server.get("/ready"), "the disk is slow")
            for client in clients:
                client.join()
            assert [answer.status for answer in answers] == [503] * 20
            assert all(answer.headers["Retry-After"] for answer in answers)
            assert_unavailable(server.post([event()]), "the disk is slow")
        last = event()
        wait_for("the thawed disk to be used again", lambda: server.post([last]).status == 204)
        assert server.stored()[-1] == compact(last)


def test_what_gathers_while_the_disk_is_stuck_has_a_limit(tmp_path: Path) -> None:
    with loop_disk(tmp_path / "image") as disk, collector(disk, commit_deadline_ms=2000) as server:
        large = compact([event(data="x" * 200_000)])
        answers: list[Answer] = []
        clients = [threading.Thread(target=lambda: answers.append(server.post(large))) for _ in range(8)]
        with frozen(disk):
            for client in clients:
                client.start()
            for client in clients:
                client.join()
        assert {answer.status for answer in answers} == {503}
        assert "the disk is slow: too much is waiting for it\n" in {answer.text for answer in answers}
        wait_for("the thawed disk to be used again", lambda: server.post([event()]).status == 204)


def test_a_rotation_on_a_frozen_disk_stops_nothing_but_the_disk(tmp_path: Path) -> None:
    age_s = 3  # more than it takes to freeze the disk
    with loop_disk(tmp_path / "image") as disk, collector(disk, segment_age_s=age_s, commit_deadline_ms=2000) as server:
        assert server.post([event()]).status == 204
        begun = time.monotonic()
        with frozen(disk):
            (path,) = disk.glob("*.open")
            assert server.post([event()]).status == 503
            wait_for("its age to pass while its disk stands still", lambda: time.monotonic() > begun + age_s)
            assert server.post([event()]).status == 503
            assert server.get("/live").status == 200
        wait_for("the thawed disk to be used again", server.is_ready)
        wait_for("the old segment to be sealed", path.with_suffix(".sealed").exists)


def test_a_full_disk_refuses_and_recovers_by_itself() -> None:
    with mounted("-t", "tmpfs", "-o", "size=6m", "tmpfs") as disk, collector(disk) as server:
        acknowledged, refusal = post_until_refused(server)
        assert_unavailable(refusal, "No space left on device")
        assert_unavailable(server.get("/ready"), "No space left on device")
        assert server.get("/live").status == 200
        shipped = min(disk.glob("*.sealed"))
        left = acknowledged[len(read_segment(shipped).events) :]
        shipped.unlink()
        wait_for("room to be noticed", server.is_ready)
        last = event()
        assert server.post([last]).status == 204
        assert server.stored() == [*left, compact(last)]


def test_the_spool_keeps_to_its_budget_and_takes_traffic_again_when_it_is_shipped() -> None:
    with collector(spool_budget_mb=5) as server:
        acknowledged, refusal = post_until_refused(server)
        assert_unavailable(refusal, "the spool has reached its budget of 5 MB")
        assert_unavailable(server.get("/ready"), "the spool has reached its budget of 5 MB")
        assert sum(found.st_blocks * 512 for found in server.files().values()) <= 5 * 2**20
        assert server.stored() == acknowledged
        for shipped in sorted(server.spool.glob("*.sealed"))[:2]:
            shipped.unlink()
        wait_for("room to be noticed", server.is_ready)
        assert server.post([event()]).status == 204


def test_after_a_failed_write_what_was_acknowledged_is_sealed_and_writing_goes_on() -> None:
    with collector() as server:
        first, second = event(), event(data="x" * 1000)
        assert server.post([first]).status == 204
        (path,) = server.spool.glob("*.open")
        end = len(path.read_bytes().rstrip(b"\0"))
        (worker,) = server.workers()
        limit_file_size(worker, str(end + 500))
        assert_unavailable(server.post([second]), "File too large")
        wait_for("the damaged segment to be sealed", path.with_suffix(".sealed").exists)
        assert server.stored() == [compact(first)]
        limit_file_size(worker, "unlimited")
        wait_for("a new segment", lambda: server.post([second]).status == 204)
        assert server.stored() == [compact(first), compact(second)]
        assert [segment.number for segment in server.segments()] == [1, 2]


def test_what_was_acknowledged_survives_a_power_cut(tmp_path: Path) -> None:
    """What a disk has is in its image; what only its file system remembers is not."""
    with loop_disk(tmp_path / "image") as disk, collector(disk) as server:
        acknowledged = []
        for _ in range(20):
            batch = [event() for _ in range(50)]
            assert server.post(batch).status == 204
            acknowledged += [compact(each) for each in batch]
        shutil.copy(tmp_path / "image", tmp_path / "after")
    with mounted("-o", "loop", tmp_path / "after") as disk:
        (segment,) = disk.glob("*.open")
        assert read_segment(segment).events == acknowledged
        assert (disk / "w00.number").read_text() == "1\n"


def test_a_failed_sync_is_not_acknowledged(tmp_path: Path) -> None:
    """The disk's image lies on a tmpfs: once that is full, what ext4 has taken cannot reach it."""
    with (
        mounted("-t", "tmpfs", "-o", "size=16m", "tmpfs") as below,
        loop_disk(below / "image", "-O", "^has_journal") as disk,
        collector(disk, segment_filled_mb=0) as server,  # what is filled has its place on the tmpfs
    ):
        assert server.post([event()]).status == 204
        with (below / "ballast").open("wb", buffering=0) as ballast, pytest.raises(OSError):
            while ballast.write(b"x" * 65536):
                pass
        assert_unavailable(post_until_refused(server)[1], "fdatasync: ")
        (below / "ballast").unlink()
        wait_for("the disk to be used again", lambda: server.post([event()]).status == 204)


def test_a_folder_that_may_not_be_written_to_refuses_until_it_may() -> None:
    with collector() as server:
        server.spool.chmod(0o500)
        refusal = post_until_refused(server)[1]
        assert_unavailable(refusal, "Permission denied")
        server.spool.chmod(0o700)
        wait_for("the folder to be used again", server.is_ready)
        assert server.post([event()]).status == 204
        assert [segment.number for segment in server.segments()] == list(range(1, len(server.segments()) + 1))


def test_reserved_space_that_vanishes_is_reserved_again() -> None:
    with collector() as server:
        (server.spool / "w00.next").unlink()
        assert_unavailable(server.post([event()]), "the space reserved for the next segment is gone")
        wait_for("a segment", lambda: server.post([event()]).status == 204)
        assert [segment.number for segment in server.segments()] == [1]
