"""Which rehearsals `ledger` compares."""

from __future__ import annotations

from pathlib import Path

from primetime.audit.runs import of_this_cluster
from primetime.event import ulid
from primetime.rehearsal.ids import new_run

BORN_MS = 1_790_000_000_000
SOURCES = [f"{ulid(BORN_MS + 5000, 3)}-w00", f"{ulid(BORN_MS, 3)}-w01", "w00"]


def kept(folder: Path, started_ms: int) -> str:
    run = new_run(started_ms)
    (folder / run).mkdir()
    (folder / run / "run.json").touch()
    return run


def test_runs_from_before_the_first_spool_were_another_cluster_s(tmp_path: Path) -> None:
    kept(tmp_path, BORN_MS - 1)
    mine = kept(tmp_path, BORN_MS + 1000)
    assert [run.name for run in of_this_cluster(tmp_path, SOURCES, 5)] == [mine]


def test_the_last_runs_come_first_and_only_so_many(tmp_path: Path) -> None:
    runs = [kept(tmp_path, BORN_MS + 1000 * number) for number in range(1, 5)]
    assert [run.name for run in of_this_cluster(tmp_path, SOURCES, 2)] == [runs[3], runs[2]]


def test_what_is_no_run_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "zzz").mkdir()
    (tmp_path / "zzz" / "run.json").touch()
    assert of_this_cluster(tmp_path, SOURCES, 5) == []
    assert of_this_cluster(tmp_path / "nothing", SOURCES, 5) == []
    assert of_this_cluster(tmp_path, [], 5) == []
