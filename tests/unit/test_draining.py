"""A collector is drained when its spool has no segment left, and not before."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from primetime import draining


@pytest.fixture
def spool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(draining, "DRAINING", str(tmp_path / "draining"))
    folder = tmp_path / "spool"
    folder.mkdir()
    for name in ("spool.ulid", "w00.next", "w00.number", "a-w00-1.open", "a-w00-2.sealed", "a-w00-1.closed"):
        (folder / name).touch()
    return folder


def sh(script: str) -> str:
    return subprocess.run(["sh", "-ec", script], capture_output=True, text=True, check=True).stdout.strip()


def test_it_waits_until_the_last_segment_is_shipped(spool: Path, tmp_path: Path) -> None:
    said: list[str] = []

    def ships(line: str) -> None:
        said.append(line)
        assert (tmp_path / "draining").exists()
        next(iter([*spool.glob("*.open"), *spool.glob("*.sealed")])).unlink()

    assert draining.drain(sh, str(spool), 30, ships) == ""
    assert [line.split("; ")[1][:2] for line in said] == ["2 ", "1 "]


def test_what_is_not_stored_in_time_is_told(spool: Path) -> None:
    left = draining.drain(sh, str(spool), 0, lambda line: None)
    assert left == "2 segments of its spool are not stored after 0 s"
