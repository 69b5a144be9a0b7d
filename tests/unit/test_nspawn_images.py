"""Which image of a cache hosts are made of, with a mirror and without one."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from primetime.drivers.nspawn import images
from primetime.drivers.nspawn.recipe import Recipe

DAY_S = 86_400
HERE = Recipe("bookworm", ["deb [signed-by=/k] http://here.invalid/debian bookworm main"], [], {})
ELSEWHERE = replace(HERE, sources=["deb [signed-by=/k] http://elsewhere.invalid/debian bookworm main"])


@pytest.fixture(autouse=True)
def this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMETIME_CACHE", str(tmp_path))
    monkeypatch.setattr(Recipe, "of", lambda release: HERE)


def cached(cache: Path, recipe: Recipe, age_days: float) -> Path:
    folder = cache / "images" / f"bookworm-{recipe.digest}-{age_days}"
    (folder / "root").mkdir(parents=True)
    record: Mapping[str, object] = {"content": recipe.content, "built_s": time.time() - age_days * DAY_S, "bytes": 1}
    (folder / "image.json").write_text(json.dumps(record))
    return folder


def test_a_fresh_image_is_taken_without_asking_the_mirror(tmp_path: Path) -> None:
    folder = cached(tmp_path, HERE, 6)
    said: list[str] = []
    assert (images.ensure("bookworm", said.append).folder, said) == (folder, [])


def test_an_old_image_serves_while_the_mirror_does_not_answer(tmp_path: Path) -> None:
    folder = cached(tmp_path, HERE, 30)
    said: list[str] = []
    assert images.ensure("bookworm", said.append).folder == folder
    assert said[-1].endswith("mirror does not answer: going on with the bookworm image of the cache, 30 days old")


def test_an_image_brought_from_a_machine_with_other_sources_serves_while_the_mirror_does_not_answer(
    tmp_path: Path,
) -> None:
    folder = cached(tmp_path, ELSEWHERE, 1)
    assert images.ensure("bookworm").folder == folder


def test_a_newer_image_of_another_content_does_not_serve(tmp_path: Path) -> None:
    cached(tmp_path, replace(ELSEWHERE, packages=("systemd",)), 1)
    folder = cached(tmp_path, ELSEWHERE, 2)
    assert images.ensure("bookworm").folder == folder
