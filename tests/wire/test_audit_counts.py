"""Reconciling and replaying against a real Redis, with a shipper that goes on meanwhile."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import redis

from primetime.audit import letters
from primetime.audit.collectors import Surveyed
from primetime.audit.reconcile import FENCE, NAMED, Collectors, Reconciled, reconcile
from primetime.errors import PrimetimeError, UsageError
from primetime.event import SALTS, qualifier, row_key, ulid
from primetime.shipper import deadletters, selector
from primetime.shipper.hbase_sink import HbaseSink
from primetime.shipper.redis_sink import RedisSink
from primetime.shipper.spool import SegmentId, Spool
from primetime.shipper.survey import pending, survey
from tests.redis_server import RedisServer
from tests.shipping import RECEIVED_MS, SHOW, SPOOL, MemoryHbase, Writer, event, vote

SOURCE = f"{SPOOL}-w00"
BAD = b'{"id":"nonsense","show":"%s","pos_ms":1}' % SHOW.encode()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()


@pytest.fixture
def client(server: RedisServer) -> Iterator[redis.Redis]:
    client = server.client()
    client.flushall()
    yield client
    client.close()


class Path_:
    """A spool, both sinks and the stores behind them, stepped by hand. `before_scan` happens at each scan of events."""

    def __init__(self, spool: Path, client: redis.Redis) -> None:
        self.spool, self.client = spool, client
        self.hbase = Watched()
        self.to_hbase = HbaseSink(Spool(spool), self.hbase, settle_s=0, passed_redis=lambda _: False, grace_s=3600)
        self.to_redis = RedisSink(Spool(spool), client, settle_s=0)
        (spool / "spool.ulid").write_text(f"{SPOOL}\n")

    def ship(self, *sinks: HbaseSink | RedisSink, steps: int = 6) -> None:
        for _ in range(steps):
            for sink in sinks or (self.to_hbase, self.to_redis):
                sink.step()

    def reconcile(
        self, *, apply: bool = False, whole: bool = True, progress: Callable[[str], None] = lambda _: None
    ) -> Reconciled:
        collectors = Collectors(self._survey, lambda positions: list(pending(Spool(self.spool), positions)))
        return reconcile(self.hbase, self.client, collectors, [SHOW], whole=whole, apply=apply, progress=progress)

    def _survey(self, positions: Mapping[str, Any]) -> list[Surveyed]:
        last = max((segment.number for segment in Spool(self.spool).scan()), default=0)
        (self.spool / "w00.number").write_text(f"{last}\n")
        found = survey(Spool(self.spool), positions)
        return [Surveyed("collector-1", found["at_ms"], found["last"], found["segments"])]

    def counted(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "total": self.client.get(f"total:{SHOW}"),
            "count": self.client.hgetall(f"count:{SHOW}"),
        }
        return found | {kind: self.client.hgetall(f"{kind}:{SHOW}:final") for kind in ("vote", "tally")}


class Watched(MemoryHbase):
    """`before_scan` happens at the first scan of events."""

    before_scan: Callable[[], None] = staticmethod(lambda: None)

    def scan(self, table: str, start: bytes, stop: bytes, **options: Any) -> Iterator[tuple[bytes, bytes, bytes, int]]:
        if table == "events":
            then, self.before_scan = self.before_scan, lambda: None
            then()
        yield from super().scan(table, start, stop, **options)


@pytest.fixture
def way(tmp_path: Path, client: redis.Redis) -> Path_:
    return Path_(tmp_path, client)


def scene(way: Path_) -> Writer:
    writer = Writer(way.spool, reserve=1 << 20)
    writer.write(*(event(number) for number in range(8)), event(3), vote(50, "ann", "red", 100))
    return writer.write(vote(51, "ann", "blue", 200), vote(52, "bob", "blue", 200), event(1))


def test_counts_that_are_right_have_no_difference(way: Path_) -> None:
    scene(way).seal()
    way.ship()
    found = way.reconcile()
    assert (found.differences, found.anything, way.client.exists(FENCE)) == ([], False, 0)


SPOILED: dict[str, Callable[[redis.Redis], Any]] = {
    "a count": lambda client: client.hincrby(f"count:{SHOW}", "0:answer", 5),
    "a count gone": lambda client: client.hdel(f"count:{SHOW}", "0:answer"),
    "a total": lambda client: client.incrby(f"total:{SHOW}", -1),
    "a vote": lambda client: client.hset(f"vote:{SHOW}:final", "ann", "300:01ARZ3NDEKTSV4RRFFQ69G5FAV:green"),
    "a vote gone": lambda client: client.hdel(f"vote:{SHOW}:final", "ann"),
    "a tally": lambda client: client.hincrby(f"tally:{SHOW}:final", "green", 7),
    "a poll that never was": lambda client: client.hset(f"tally:{SHOW}:other", "green", 7),
    "everything gone": lambda client: client.delete(
        *(
            f"{kind}:{SHOW}{rest}"
            for kind, rest in (("count", ""), ("total", ""), ("vote", ":final"), ("tally", ":final"))
        )
    ),
}


@pytest.mark.parametrize("spoiled", SPOILED)
def test_what_differs_is_said_then_set_right_and_then_there_is_no_difference(way: Path_, spoiled: str) -> None:
    scene(way).seal()
    way.ship()
    right = way.counted()
    SPOILED[spoiled](way.client)
    wrong = way.counted()
    assert way.reconcile().differences != []
    assert way.counted() == wrong, "without --apply nothing is changed"
    assert way.reconcile(apply=True).applied
    assert way.counted() == right
    assert not way.reconcile().anything


def test_what_redis_has_yet_to_count_is_no_difference(way: Path_) -> None:
    writer = scene(way)
    way.ship()
    writer.write(event(100), event(3), vote(53, "ann", "green", 300))
    way.ship(way.to_hbase)
    assert not way.reconcile().anything
    way.ship()
    assert not way.reconcile().anything
    writer.die()


@pytest.mark.parametrize("apply", [False, True])
def test_what_comes_while_hbase_is_read_is_counted_once(way: Path_, apply: bool) -> None:
    writer = scene(way)
    way.ship()
    way.client.hincrby(f"count:{SHOW}", "0:answer", 5)

    def meanwhile() -> None:
        now_ms = time.time_ns() // 1_000_000 + 60_000
        writer.write(event(100, pos_ms=0), vote(53, "ann", "green", 300), received_ms=now_ms)
        way.ship()
        assert way.client.hget(f"count:{SHOW}", "0:answer") == "7", "the fence holds Redis still"
        assert event(100, pos_ms=0) in way.hbase.events(), "HBase goes on"

    way.hbase.before_scan = meanwhile
    found = way.reconcile(apply=apply)
    assert [difference.field for difference in found.differences] == ["0:answer"]
    way.ship()
    assert way.client.hget(f"count:{SHOW}", "0:answer") == ("3" if apply else "8")
    assert way.reconcile().anything is not apply
    writer.die()


def test_a_redis_that_was_away_is_made_whole_and_its_gap_closed(way: Path_) -> None:
    scene(way).seal()
    way.ship(way.to_hbase)
    for segment in Spool(way.spool).scan():
        Spool(way.spool).remove(segment)
    Writer(way.spool, 2).write(event(60)).seal()
    way.ship()
    assert way.client.hgetall(f"gap:{SOURCE}") == {"1:0": "2:0"}
    assert way.reconcile(apply=True, whole=False).gaps == []
    found = way.reconcile(apply=True)
    assert (found.gaps, way.client.exists(f"gap:{SOURCE}")) == ([f"gap:{SOURCE}"], 0)
    assert (way.client.get(f"total:{SHOW}"), way.counted()["tally"]) == ("12", {"blue": "2"})
    assert not way.reconcile().anything


@pytest.mark.parametrize("position", ["nonsense", "999:0", "0:0", "1:2:3", ""])
def test_a_corrupt_position_is_mended_and_counting_goes_on(
    way: Path_, position: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("primetime.shipper.redis_sink.LOOK_AGAIN_S", 0.0)
    writer = scene(way)
    way.ship()
    way.client.set(f"position:{SOURCE}", position)
    fresh = RedisSink(Spool(way.spool), way.client, settle_s=0)
    writer.write(event(90))
    way.ship(way.to_hbase, fresh)
    found = way.reconcile(apply=True)
    assert (found.positions, found.differences) == ({SOURCE: "1:0"} if position else {}, [])
    way.ship(way.to_hbase, fresh)
    assert (way.client.get(f"total:{SHOW}"), fresh.report()["positions"][SOURCE]) == ("12", f"1:{writer.bytes}")
    writer.die()


def test_a_fence_that_fell_changes_nothing(way: Path_) -> None:
    scene(way).seal()
    way.ship()
    way.client.incr(f"total:{SHOW}")
    way.hbase.before_scan = lambda: way.client.set(FENCE, "another")
    with pytest.raises(PrimetimeError, match="the fence fell before everything was set right"):
        way.reconcile(apply=True)
    assert (way.client.get(f"total:{SHOW}"), way.client.get(FENCE)) == ("12", "another")


class Voters(MemoryHbase):
    """A vote each of many users, made when they are read."""

    def __init__(self, users: int) -> None:
        super().__init__()
        self.users = users

    def scan(self, table: str, start: bytes, stop: bytes, **options: Any) -> Iterator[tuple[bytes, bytes, bytes, int]]:
        if table != "events":
            yield from super().scan(table, start, stop, **options)
            return
        for number in range(start[0], self.users, SALTS):
            cast = vote(number, f"user{number}", "red", 100)
            yield start, qualifier(cast[7:33], cast), cast, RECEIVED_MS


def test_votes_of_many_users_are_set_right_in_little_memory(way: Path_) -> None:
    """In memory at once they would take 700 bytes each, 8 MB."""
    way.hbase = Voters(10_000)  # type: ignore[assignment]
    way.client.hset(f"vote:{SHOW}:final", mapping={f"user{number}": "1:nobody:blue" for number in range(12_000)})
    tracemalloc.start()
    found = way.reconcile(apply=True)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.different, len(found.differences)) == (12_000 + 3, NAMED)
    assert (way.client.hlen(f"vote:{SHOW}:final"), way.counted()["tally"]) == (10_000, {"red": "10000"})
    assert not way.reconcile().anything
    assert most < 4e6


def test_many_events_that_redis_has_yet_to_count_take_little_memory(way: Path_) -> None:
    """All at once with their bytes they would take 12 MB."""
    users = 20_000
    way.hbase = voters = Voters(users)  # type: ignore[assignment]
    behind = [
        (name[-8:], at_ms) for salt in range(SALTS) for _, name, _, at_ms in voters.scan("events", bytes([salt]), b"")
    ]
    collectors = Collectors(way._survey, lambda positions: iter(behind))
    tracemalloc.start()
    found = reconcile(way.hbase, way.client, collectors, [SHOW], whole=True, apply=False, progress=silent)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert not found.anything, "Redis will count them"
    assert most < 7e6


def test_a_fence_that_falls_among_the_votes_is_told(way: Path_, monkeypatch: pytest.MonkeyPatch) -> None:
    scene(way).seal()
    way.ship()
    way.client.delete(f"vote:{SHOW}:final")
    monkeypatch.setattr("primetime.audit.reconcile._tallies_in", lambda client, _: client.delete(FENCE) and set())
    with pytest.raises(PrimetimeError, match="run it again"):
        way.reconcile(apply=True)
    assert way.client.exists(f"vote:{SHOW}:final") == 0
    monkeypatch.undo()
    assert way.reconcile(apply=True).different == 2
    assert not way.reconcile().anything


def test_two_do_not_reconcile_at_once(way: Path_) -> None:
    way.client.set(FENCE, "another")
    with pytest.raises(PrimetimeError, match="somebody else is reconciling"):
        way.reconcile()


def test_hbase_is_waited_for_when_redis_is_ahead(way: Path_) -> None:
    scene(way).seal()
    way.ship(way.to_redis)
    said: list[str] = []

    def progress(text: str) -> None:
        said.append(text)
        if text.startswith("waiting for HBase"):
            way.ship(way.to_hbase)

    assert not way.reconcile(progress=progress).anything
    assert sum(text.startswith("waiting for HBase") for text in said) == 1


def bury(hbase: MemoryHbase, *events: bytes, worker: int = 0) -> None:
    """Dead letters whose reason no longer holds, as after an upgrade, or still does."""
    for index, each in enumerate(events):
        letter = deadletters.DeadLetter(
            SegmentId(f"{SPOOL}-w{worker:02d}", 1), 0, index, RECEIVED_MS, each, "as it was"
        )
        hbase.put("deadletters", {letter.row(): letter.cells()})


def silent(_: str) -> None:
    pass


def test_a_replay_stores_and_counts_as_the_shipper_would_have(way: Path_) -> None:
    bury(way.hbase, event(5), BAD, vote(7, "ann", "red", 9))
    done = letters.replay(way.hbase, way.client, "", silent)
    assert (done.stored, done.before, [letter.name for letter in done.left]) == (2, 0, [f"{SOURCE}/1:0/1"])
    id_ = event(5)[7:33]
    stored = way.hbase.tables["events"][row_key(id_, SHOW.encode(), 2500)]
    assert stored == {qualifier(id_, event(5)): (event(5), RECEIVED_MS)}
    assert (way.counted()["count"], way.counted()["tally"]) == ({"2:answer": "1", "0:vote": "1"}, {"red": "1"})
    assert way.hbase.letters()[1] == {"event": BAD, "reason": b"as it was", "received_ms": b"%d" % RECEIVED_MS}


def state(way: Path_) -> Any:
    return repr(sorted(way.hbase.tables.items())), way.counted(), sorted(way.client.keys("*"))


def test_a_second_replay_changes_nothing(way: Path_) -> None:
    bury(way.hbase, event(5), BAD)
    letters.replay(way.hbase, way.client, "", silent)
    before = state(way)
    for key in way.client.scan_iter("seen:*"):
        way.client.delete(key)  # long after
    done = letters.replay(way.hbase, way.client, "", silent)
    assert (done.stored, done.before, len(done.left)) == (0, 1, 1)
    assert state(way)[:2] == before[:2]


@pytest.mark.parametrize("call", range(1, 5))
def test_a_replay_that_is_cut_short_is_done_by_the_next(way: Path_, call: int) -> None:
    class Cut(Exception):
        pass

    bury(way.hbase, event(5), event(6))
    calls = len(way.hbase.calls)
    way.hbase.fail = {calls + call: (Cut, 1.0)}
    try:
        letters.replay(way.hbase, way.client, "", silent)
    except Cut:
        for key in way.client.scan_iter("seen:*"):
            way.client.delete(key)  # the second try comes when no identity is known any more
    way.hbase.fail = {}
    letters.replay(way.hbase, way.client, "", silent)
    assert (way.hbase.events(), way.counted()["total"]) == (sorted([event(5), event(6)]), "2")
    assert not any(key.startswith("position:deadletter") for key in way.client.scan_iter())


def test_a_selection_is_a_source_or_one_letter(way: Path_) -> None:
    bury(way.hbase, event(1), event(2))
    bury(way.hbase, event(3), worker=1)
    assert letters.replay(way.hbase, way.client, f"{SOURCE}/1:0/1", silent).stored == 1
    assert letters.replay(way.hbase, way.client, f"{SPOOL}-w01", silent).stored == 1
    assert way.hbase.events() == sorted([event(2), event(3)])
    found = letters.by_source(letters.read(way.hbase))
    assert {name: (one.waiting, one.replayed) for name, one in found.items()} == {
        SOURCE: (1, 1),
        f"{SPOOL}-w01": (0, 1),
    }
    with pytest.raises(UsageError, match="write SOURCE"):
        letters.replay(way.hbase, way.client, f"{SOURCE}/one", silent)


def test_a_replayed_letter_makes_room_for_another(way: Path_, monkeypatch: pytest.MonkeyPatch) -> None:
    Writer(way.spool, 1).write(BAD, BAD + b" ").seal()
    cap = HbaseSink(Spool(way.spool), way.hbase, settle_s=0, most_dead_letters=1)
    way.ship(cap)
    assert way.hbase.ledger(f"{SOURCE}-0000000001")["state"] == "gated"
    monkeypatch.setattr(
        letters, "select", lambda event: selector.select(event.replace(b"nonsense", ulid(1, 1).encode()))
    )
    monkeypatch.setattr("primetime.shipper.batch.select", letters.select)
    assert letters.replay(way.hbase, None, "", silent).stored == 1
    way.ship(HbaseSink(Spool(way.spool), way.hbase, settle_s=0, most_dead_letters=1))
    assert Spool(way.spool).scan() == {}
