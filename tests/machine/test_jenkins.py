"""The role `jenkins` on a real host. Hudson stands in for Jenkins: docs/jenkins.md says what that leaves unproved."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import hudson
from tests.conftest import Bench

pytestmark = pytest.mark.long

NAME = "test-jenkins"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    file = tmp_path_factory.mktemp("topology") / f"{NAME}.yml"
    file.write_text(hudson.topology(NAME))
    bench = Bench(file)
    try:
        hudson.up(bench)
        bench.run("converge")
        yield bench
    finally:
        assert bench.json("down", "--yes")["left"] == []


def test_every_promise_is_kept(bench: Bench) -> None:
    assert bench.json("verify")["failed"] == []


def test_a_second_converge_changes_nothing(bench: Bench) -> None:
    assert bench.json("converge")["changes"] == []
