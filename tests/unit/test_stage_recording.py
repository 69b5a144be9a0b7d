"""What a stage showed: kept as changes, thinned when there is much, saved as a page that needs nothing else."""

from __future__ import annotations

import json
import re
from typing import Any

from primetime.stage.recording import Recording, html
from primetime.stage.snapshot import Counter, Node, Snapshot


def snapshot(at_ms: int, last: int = 0, **more: Any) -> dict[str, Any]:
    counter = Counter(last=last, rate=last // 5, history=(1, 2, 3))
    nodes = (Node("collector-1", "collector", "10.0.0.2", ("collector",)),)
    base = Snapshot("demo", "quiz", 10, 100_000, at_ms, counter, more.pop("proof", None), nodes, **more)  # type: ignore[arg-type]
    return {**vars(base), "counter": vars(counter), "nodes": [vars(node) for node in nodes]}


def played(recording: Recording) -> list[dict[str, Any]]:
    """The snapshots that a page makes of it."""
    whole: dict[str, Any] = {}
    return [whole := {**whole, **change} for change in recording.changes()]


def test_a_change_is_kept_once_and_what_did_not_change_is_not() -> None:
    recording = Recording()
    for at_ms, last in ((0, 0), (500, 0), (1000, 700), (1500, 700)):
        recording.note(snapshot(at_ms, last))
    first, second = recording.changes()
    assert first["show"] == "quiz"
    assert second.keys() == {"at_ms", "counter"}
    assert [each["counter"]["last"] for each in played(recording)] == [0, 700]


def test_it_is_not_kept_more_often_than_that_but_for_the_very_last() -> None:
    recording = Recording(every_ms=500)
    for at_ms in range(0, 2000, 250):
        recording.note(snapshot(at_ms, at_ms))
    assert [change["at_ms"] for change in recording.changes()] == [0, 500, 1000, 1500, 1750]
    recording.note(snapshot(2000, 2000))
    recording.note(snapshot(2250, 2250))
    assert [change["at_ms"] for change in recording.changes()] == [0, 500, 1000, 1500, 1750, 2250]


def test_a_long_session_keeps_its_end_whole_and_its_beginning_thinner() -> None:
    recording = Recording(every_ms=1, most=100)
    for at_ms in range(500):
        recording.note(snapshot(at_ms, at_ms))
    changes = recording.changes()
    assert len(changes) <= 100
    assert changes[0]["show"] == "quiz"
    assert [change["at_ms"] for change in changes[-40:]] == list(range(460, 500))
    for whole in played(recording):
        assert whole["counter"]["last"] == whole["at_ms"]


def test_what_is_this_machine_s_alone_is_not_in_it() -> None:
    recording = Recording()
    recording.note(snapshot(0, health={"load": "9"}, vote_at="http://192.0.2.7/vote", cost={"an hour": "$1"}))
    text = html(recording).decode()
    assert "10.0.0.2" not in text
    assert "192.0.2.7" not in text
    assert "$1" not in text
    assert '"load"' not in text


def test_the_page_is_one_file_and_nothing_recorded_can_end_its_element() -> None:
    recording = Recording()
    recording.note(snapshot(0) | {"show": "</script><b>"})
    text = html(recording).decode()
    assert re.findall(r'(?:src|href)="[^"]+"|from "', text) == []
    [recorded] = re.findall(r'id="recorded">(.*?)</script>', text)
    assert json.loads(recorded)[0]["show"] == "</script><b>"
