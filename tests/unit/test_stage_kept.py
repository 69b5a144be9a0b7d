"""What a stage keeps for the next one: gone with its machines, unless another stage runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from primetime.stage import kept
from primetime.stage.kept import Kept

NAME = "a-test"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path))
    yield tmp_path


def test_what_a_killed_stage_left_is_gone_with_its_machines(home: Path) -> None:
    Kept(NAME).add(("start", "store-1"))
    (home / "stage" / f"{NAME}.lock").write_text("{}")  # held by nobody
    kept.discard(NAME)
    assert list(home.iterdir()) == []
    kept.discard(NAME)


def test_what_a_stage_that_runs_has_is_left(home: Path) -> None:
    with kept.alone(NAME):
        token = Kept(NAME).token
        kept.discard(NAME)
        assert Kept.token_of(NAME) == token
