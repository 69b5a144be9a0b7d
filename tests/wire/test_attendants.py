"""Processes beside machines: one of a kind, gone when they are dismissed, and not believed when they were killed."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from primetime.attendants import Attendant
from primetime.errors import PrimetimeError
from tests.waiting import wait_for

NAME, KIND = "test-attended", "waits"


@pytest.fixture
def attendant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Attendant]:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path))
    attendant = Attendant(NAME, KIND, ends_s=1)
    yield attendant
    attendant.end()
    assert not attendant.file.parent.exists()


def begin(attendant: Attendant, *words: str) -> int:
    told = attendant.begin("tests.attendant", [NAME, KIND, *words])
    assert told["said"] == f"{KIND} of {NAME}"
    return int(told["pid"])


def lives(pid: int) -> bool:
    try:
        return b"tests.attendant" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def test_it_is_there_until_it_is_ended(attendant: Attendant) -> None:
    assert (attendant.told(), attendant.end()) == (None, False)
    pid = begin(attendant)
    assert lives(pid)
    assert attendant.end()
    wait_for(lambda: not lives(pid), "it is gone")
    assert attendant.told() is None


def test_a_new_one_takes_its_place(attendant: Attendant) -> None:
    first = begin(attendant)
    second = begin(attendant)
    told = attendant.told()
    assert told
    assert told["pid"] == second
    wait_for(lambda: not lives(first), "the first one is gone")


def test_it_ends_with_the_folder_of_its_machines(attendant: Attendant) -> None:
    pid = begin(attendant)
    shutil.rmtree(attendant.file.parent)
    wait_for(lambda: not lives(pid), "it is gone")


def test_one_that_was_killed_is_not_there(attendant: Attendant) -> None:
    os.kill(begin(attendant), signal.SIGKILL)
    wait_for(lambda: attendant.told() is None, "nobody holds its file")
    assert lives(begin(attendant))


def test_one_that_does_not_end_is_killed(attendant: Attendant) -> None:
    pid = begin(attendant, "deaf")
    assert attendant.end()
    wait_for(lambda: not lives(pid), "it is gone")


def test_one_that_does_not_begin_is_told_with_its_log(attendant: Attendant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("primetime.attendants.BEGINS_S", 1)
    with pytest.raises(PrimetimeError, match=r"waits of test-attended did not begin: .*waits-test-attended\.log says"):
        attendant.begin("tests.no_such_module", [])
    said = "No module named tests.no_such_module"
    wait_for(
        lambda: said in attendant.log.read_text(), "what it says, though that may take Python longer than a second"
    )
