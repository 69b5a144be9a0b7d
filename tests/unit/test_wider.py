"""One collector more than declared: the same file but for one number, and when there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from primetime import wider
from primetime.errors import UsageError
from primetime.topology import load

TEXT = """\
name: a-test
provider: nspawn
image: bookworm  # of all
shows: [quiz]  # one a week
partial: true
groups:
  taker:
    roles: [collector]
    memory_mb: 256
    count: 2   # two of them
  redis: {roles: [redis], count: 1, memory_mb: 128}
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path / "home"))


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "t.yml"
    path.write_text(text)
    return path


def test_it_differs_by_one_collector_and_by_nothing_else(tmp_path: Path) -> None:
    declared = load(str(written(tmp_path, TEXT)))
    path = wider.write(declared)
    assert path.read_text() == TEXT.replace("count: 2 ", "count: 3 ")
    found = load(str(path))
    assert [node.name for node in found.nodes] == ["taker-1", "taker-2", wider.further(declared), "redis-1"]
    wider.forget("a-test")
    assert not path.exists()


def test_declared_addresses_leave_no_room_for_a_further_one(tmp_path: Path) -> None:
    text = TEXT.replace("count: 2   # two of them", "count: 2\n    addresses: [10.20.30.10, 10.20.30.11]")
    text = text.replace("partial: true", "partial: true\nnetwork: 10.20.30.0/24")
    with pytest.raises(UsageError, match="group taker declares its addresses"):
        wider.write(load(str(written(tmp_path, text))))


def test_a_topology_without_collectors_has_no_further_one(tmp_path: Path) -> None:
    text = TEXT[: TEXT.index("  taker")] + TEXT[TEXT.index("  redis") :]
    with pytest.raises(UsageError, match="a-test has no collectors"):
        wider.write(load(str(written(tmp_path, text))))
