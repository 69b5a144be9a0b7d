"""Moments: what each does and says, that one breaks nothing for longer than it runs, and who may press what when."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from primetime.errors import PrimetimeError
from primetime.stage import machines, moments
from primetime.stage.kept import Kept, alone
from primetime.stage.moments import Director
from primetime.stage.snapshot import MomentState, Proof, Snapshot
from primetime.stage.watch import Billing, Watch
from tests.stage import FakeHands, Told
from tests.waiting import wait_for


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PRIMETIME_HOME", str(tmp_path))
    monkeypatch.setattr(moments, "UNPLUGGED_S", 0.6)
    monkeypatch.setattr(moments, "DEAD_S", 0.1)
    return tmp_path


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def director(told: Told) -> Iterator[Director]:
    made = Director(FakeHands(), Kept("a-test"), goal=100_000)
    watch = Watch(Billing("a-test", "quiz", 10), told.readers())
    made.snapshot, made.looking = watch.snapshot, watch.looking
    yield made
    made.end()
    watch.close()


def did(director: Director) -> list[str]:
    assert isinstance(director.hands, FakeHands)
    return director.hands.did


def state(director: Director, moment: str) -> MomentState:
    return next(each for each in director.states() if each.id == moment)


def ended(director: Director, moment: str) -> MomentState:
    wait_for(lambda: state(director, moment).state in ("done", "failed"), f"{moment} ends")
    return state(director, moment)


def test_a_burst_is_as_large_as_the_scale_and_ends_with_its_certificate(director: Director) -> None:
    director.begin("burst")
    line = ended(director, "burst").line
    assert did(director) == ["burst 100000"]
    assert "100,000 accepted in 4.8 s, the last one stored after 6.2 s. 0 missing." in line


def test_a_vote_is_in_a_poll_of_its_own_and_ends_when_each_phone_is_counted(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.certificate |= {"acked": 2_000, "accept_seconds": 9.6}
    director.hands.counted = {"a": 500, "b": 1_499}
    director.begin("vote")
    wait_for(lambda: "burst 2000" in did(director), "it is sent")
    assert director.hands.poll.startswith("vote-")
    assert state(director, "vote").state == "running"
    director.hands.counted = {"a": 501, "b": 1_499}
    line = ended(director, "vote").line
    assert line == "2,000 phones voted within 9.6 s, and each counts once: B leads with 1,499. 0 missing."


def test_a_vote_that_redis_does_not_count_whole_is_a_failure(
    director: Director, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "COUNTED_S", 0.3)
    director.begin("vote")
    failed = ended(director, "vote")
    assert (failed.state, failed.line) == ("failed", "not within 0 s: Redis has counted every vote")


def test_a_burst_waits_for_a_collector_that_was_just_stopped(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.accepting = False
    director.begin("burst")
    wait_for(lambda: state(director, "burst").line == "waits until a collector takes traffic", "it waits")
    assert did(director) == []
    director.hands.accepting = True
    assert ended(director, "burst").state == "done"


@pytest.mark.parametrize("wrong", [{"missing": 3}, {"unanswered": 1}, {"acked": 0}])
def test_a_burst_that_does_not_pass_is_a_failure(director: Director, wrong: dict[str, int]) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.certificate |= wrong
    director.begin("burst")
    failed = ended(director, "burst")
    assert failed.state == "failed"
    assert f"{wrong.get('missing', 0)} missing." in failed.line


def test_a_killed_collector_is_started_and_waited_for(director: Director) -> None:
    director.begin("kill")
    assert ended(director, "kill").state == "done"
    assert did(director) == ["kill collector-1", "start collector-1"]
    assert "was dead for 0.1 s" in state(director, "kill").line


def test_a_killed_collector_stays_dead_until_it_was_seen(director: Director, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "DEAD_S", 600)
    director.begin("kill")
    wait_for(lambda: "is dead for 600 s" in state(director, "kill").line, "it is dead")
    assert did(director) == ["kill collector-1"]
    director.end()
    assert did(director) == ["kill collector-1", "start collector-1"]


def test_an_unplugged_store_is_plugged_in_and_waited_for(director: Director, told: Told) -> None:
    told.waiting, told.failing = 4_000, "no route to the RegionServer"
    director.begin("unplug")
    wait_for(lambda: "plug store-1" in did(director), "it is plugged in")
    wait_for(lambda: "4,000 updates wait" in state(director, "unplug").line, "it has seen what waits")
    assert state(director, "unplug").state == "running"
    told.waiting, told.failing = 0, ""
    told.proof = Proof(at_ms=2**53)  # a ledger that was read after that
    assert "4,000 updates waited" in ended(director, "unplug").line
    assert did(director) == ["unplug store-1", "plug store-1"]


def test_the_stage_s_end_mends_what_a_moment_broke(
    director: Director, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moments, "UNPLUGGED_S", 600)
    director.begin("unplug")
    wait_for(lambda: "unplug store-1" in did(director), "it is unplugged")
    assert json.loads((home / "stage" / "a-test.json").read_text())["broken"] == [["plug", "store-1"]]
    director.end()
    assert did(director) == ["unplug store-1", "plug store-1"]
    assert director.kept.broken == []


def test_a_stage_mends_what_one_that_was_killed_had_broken() -> None:
    Kept("a-test").add(("start", "collector-1"))
    director = Director(FakeHands(), Kept("a-test"), goal=1)
    assert director.mend_what_was_left() == [("start", "collector-1")]
    assert did(director) == ["start collector-1"]
    assert Kept("a-test").broken == []


def test_a_moment_that_fails_says_why_and_is_mended(director: Director, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.accepting = False
    monkeypatch.setattr(moments, "RECOVERY_S", 0.1)
    monkeypatch.setattr(moments.Act.wait, "__defaults__", (0.1,))
    director.begin("kill")
    failed = ended(director, "kill")
    assert failed.state == "failed"
    assert "collector-1 takes traffic" in failed.line
    assert director.kept.broken == []


def test_a_moment_that_fails_before_it_has_mended_is_mended(director: Director) -> None:
    def lost() -> Snapshot:
        raise PrimetimeError("the numbers are gone")

    director.snapshot = lost
    director.begin("unplug")
    failed = ended(director, "unplug")
    assert (failed.state, failed.line) == ("failed", "the numbers are gone")
    assert did(director) == ["unplug store-1", "plug store-1"]


def test_a_collector_is_added_takes_its_part_and_goes_when_the_stage_ends(director: Director, home: Path) -> None:
    director.begin("add")
    added = ended(director, "add")
    assert (added.state, did(director)) == ("done", ["add collector-2", "burst 2000"])
    assert "converged in 31.5 s" in added.line
    assert "It took 700 of 2,000 updates." in added.line
    assert director.kept.proved[0]["collector-2"] == ()
    assert json.loads((home / "stage" / "a-test.json").read_text())["broken"] == [["remove", "collector-2"]]
    with pytest.raises(PrimetimeError, match="collector-2 was added already: R removes it"):
        director.begin("add")
    director.end()
    assert did(director)[-1] == "remove collector-2"
    assert director.kept.broken == []


def test_a_collector_that_keeps_not_every_promise_is_taken_away_at_once(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.report["failed"] = [{}]
    director.begin("add")
    failed = ended(director, "add")
    assert (failed.state, "it takes traffic" in failed.line) == ("failed", True)
    assert did(director) == ["add collector-2", "remove collector-2"]
    assert director.kept.broken == []


def test_a_collector_that_is_removed_is_counted_after(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    with pytest.raises(PrimetimeError, match="no collector was added: A adds one"):
        director.begin("remove")
    director.hands.extra = "collector-2"
    director.kept.add(("remove", "collector-2"))
    director.begin("remove")
    removed = ended(director, "remove")
    assert (removed.state, did(director)) == ("done", ["remove collector-2", "ledger"])
    assert removed.line == "collector-2 was empty after 1.5 s, and then removed. 0 missing."
    assert director.kept.broken == []


def test_a_removal_after_which_something_is_missing_is_a_failure(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.extra, director.hands.problems = "collector-2", [{"what": "missing", "name": "01J"}]
    director.begin("remove")
    assert ended(director, "remove").state == "failed"


def test_machines_come_and_go_beside_nothing_else(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.hold.set()
    director.begin("burst")
    assert state(director, "add").refused == "after what runs"
    director.hands.hold.clear()
    ended(director, "burst")
    assert state(director, "add").refused == ""
    director.hands.hold.set()
    director.begin("add")
    assert {state(director, each).refused for each in ("burst", "kill", "fill")} == {"after what runs"}
    director.hands.hold.clear()
    assert ended(director, "add").state == "done"


def test_a_disk_is_filled_and_the_spool_is_back_where_it_was(
    director: Director, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(director.hands, FakeHands)
    monkeypatch.setattr(machines, "FULL_S", 0.6)
    filled = director.hands.fill

    def fill(node: str) -> Callable[[], None]:
        fills = filled(node)

        def full() -> None:
            fills()
            director.hands.accepting = False

        return full

    def empty(node: str) -> None:
        director.hands.did.append(f"empty {node}")
        director.hands.accepting = True

    monkeypatch.setattr(director.hands, "fill", fill)
    monkeypatch.setattr(director.hands, "empty", empty)
    director.begin("fill")
    done = ended(director, "fill")
    assert did(director) == ["disk collector-1", "fill collector-1", "empty collector-1"]
    assert (done.state, "phones heard 503 for 1 s and sent again" in done.line) == ("done", True)
    assert director.kept.broken == []


def test_one_fault_at_a_time_and_a_burst_beside_it(director: Director, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(moments, "UNPLUGGED_S", 600)
    director.begin("unplug")
    with pytest.raises(PrimetimeError, match="one fault at a time"):
        director.begin("kill")
    with pytest.raises(PrimetimeError, match="it is running"):
        director.begin("unplug")
    director.begin("burst")
    assert ended(director, "burst").state == "done"


def test_nothing_begins_while_another_command_is_at_work(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.busy = "`converge` (pid 7, since 20:15:00)"
    with pytest.raises(PrimetimeError, match=r"`converge`.* is at work"):
        director.begin("burst")
    assert did(director) == []


def test_nothing_is_broken_on_machines_that_are_not_local(director: Director, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(director.hands, "local", False)
    with pytest.raises(PrimetimeError, match="only on local machines"):
        director.begin("kill")
    director.begin("burst")
    assert ended(director, "burst").state == "done"


def test_a_moment_that_these_machines_cannot_have_is_refused_with_the_reason_and_breaks_nothing(
    director: Director, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(director.hands, "whole", "these are by vagrant:libvirt")
    with pytest.raises(PrimetimeError, match="not now: these are by vagrant:libvirt"):
        director.begin("unplug")
    monkeypatch.setattr(director.hands, "whole", "")
    monkeypatch.setattr(director.hands, "diskless", "these are by vagrant:lxc")
    with pytest.raises(PrimetimeError, match="not now: these are by vagrant:lxc"):
        director.begin("fill")
    assert (did(director), director.kept.broken) == ([], [])


def test_what_is_not_kept_is_told_by_node(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.report["failed"] = [{"node": "redis-1", "role": "redis", "promise": "it is running"}]
    director.begin("verify")
    failed = ended(director, "verify")
    assert (failed.state, failed.line) == ("failed", "5 promises looked at, 1 not kept.")
    assert director.kept.proved[0] == {"collector-1": (), "store-1": (), "redis-1": ("redis: it is running",)}


def test_a_reset_takes_the_further_collector_with_it_and_what_was_proved(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.extra = "collector-2"
    director.kept.add(("remove", "collector-2"))
    director.kept.prove({"collector-1": ()}, 1)
    director.begin("reset")
    done = ended(director, "reset")
    assert (done.state, did(director)) == ("done", ["reset"])
    assert done.line.startswith("Back in the seeded state after 0.")
    assert done.line.endswith(" s: 20,013 updates, sha256 b53e54629afc…")
    assert director.kept.broken == []
    assert director.kept.proved == ({}, 0)


def test_after_a_reset_every_button_is_as_in_the_beginning(director: Director) -> None:
    director.begin("verify")
    assert ended(director, "verify").state == "done"
    director.begin("reset")
    assert ended(director, "reset").state == "done"
    assert {each.state for each in director.states() if each.id != "reset"} == {"ready"}


def test_a_fault_that_is_pressed_right_after_a_burst_waits_until_phones_send(director: Director, told: Told) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.hold.set()
    director.begin("burst")
    with director.looking():
        director.begin("kill")
        wait_for(lambda: state(director, "kill").line == "waits until phones send", "it waits")
        assert did(director) == ["burst 100000"]

        def kills_while_they_send() -> bool:
            told.total += 1_000
            return "kill collector-1" in did(director)

        wait_for(kills_while_they_send, "it breaks what it is to break", moments.BEGINS_S / 2)
    director.hands.hold.clear()
    assert ended(director, "burst").state == "done"


def test_a_reset_beside_which_somebody_sent_is_a_failure(director: Director) -> None:
    assert isinstance(director.hands, FakeHands)
    director.hands.beside = {"events of other shows": 1_200}
    director.begin("reset")
    failed = ended(director, "reset")
    assert (failed.state, "1,200 events of other shows" in failed.line) == ("failed", True)


def test_what_was_proved_is_known_to_the_next_stage_of_one_that_was_killed(director: Director) -> None:
    director.begin("verify")
    ended(director, "verify")
    assert Kept("a-test").proved == director.kept.proved
    assert Kept.proved_of("a-test")[0] == {"collector-1": (), "store-1": (), "redis-1": ()}
    assert Kept.proved_of("another") == ({}, 0)


def test_keys_of_moments_are_their_own() -> None:
    keys = [moment.key for moment in moments.MOMENTS if moment.key]
    assert len({*keys, *"dfqstw"}) == len(keys) + 6


def test_what_is_kept_is_for_its_owner_alone_and_goes_with_the_stage(home: Path) -> None:
    kept = Kept("a-test")
    file = home / "stage" / "a-test.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert Kept("a-test").token == kept.token
    kept.forget()
    assert not file.parent.exists()
    assert Kept("a-test").token != kept.token


def test_a_topology_has_one_stage_at_a_time(home: Path) -> None:
    with alone("a-test"), alone("another"):
        with pytest.raises(PrimetimeError, match="`stage -t a-test`"), alone("a-test"):
            pass
        assert (home / "stage" / "a-test.lock").exists()
    assert not (home / "stage").exists()
    with alone("a-test"):
        pass
