"""The Redis sink against a real Redis: counts equal distinct identities, whatever is repeated."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from primetime.shipper.feed import QUARTER_MS
from primetime.shipper.redis_sink import Login, RedisSink, connect
from primetime.shipper.spool import Spool
from tests.redis_server import RedisServer
from tests.shipping import RECEIVED_MS, SHOW, SPOOL, Killed, Writer, event, record, vote
from tests.waiting import PATIENCE_S

SOURCE = f"{SPOOL}-w00"
POSITION = f"position:{SOURCE}"


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


def as_shipper(client: redis.Redis) -> redis.Redis:
    """A client of the same server that may do what the shipper may, and no more."""
    if isinstance(client, Cut):
        return client
    where = client.connection_pool.connection_kwargs
    return connect(
        Login("shipper", Path(where["path"]).with_name("redis.password").read_text), unix_socket_path=where["path"]
    )


def count(spool: Path, client: redis.Redis, until: str = "2:0", **options: Any) -> RedisSink:
    """Run a sink until worker 0's position is `until`; what failed is repeated."""
    sink = RedisSink(Spool(spool), as_shipper(client), **{"batch_events": 3, "settle_s": 0, **options})
    go_on(sink, client, until)
    return sink


def go_on(sink: RedisSink, client: redis.Redis, until: str = "2:0") -> None:
    deadline = time.monotonic() + PATIENCE_S
    while client.get(POSITION) != until:
        with contextlib.suppress(redis.RedisError):
            sink.step()
        assert time.monotonic() < deadline, sink.report()


def counts(client: redis.Redis) -> dict[str, Any]:
    """Everything that a viewer of the counts can see."""
    found: dict[str, Any] = {}
    for key in client.scan_iter():
        if key.startswith(("count:", "vote:", "tally:")):
            found[key] = client.hgetall(key)
        elif key.startswith("total:"):
            found[key] = client.get(key)
    return found


def test_events_are_counted_by_show_second_and_type(tmp_path: Path, client: redis.Redis) -> None:
    Writer(tmp_path).write(
        event(1, "join", 900), event(2, "join", 999), event(3, "answer", 999), event(4, "join", 1000)
    ).write(event(5, "join", 0, show="news"), event(6, more="").replace(b',"type":"answer"', b"")).seal()
    count(tmp_path, client)
    assert counts(client) == {
        f"count:{SHOW}": {"0:join": "2", "0:answer": "1", "1:join": "1", "3:unknown": "1"},
        f"total:{SHOW}": "5",
        "count:news": {"0:join": "1"},
        "total:news": "1",
    }


def test_events_that_hbase_does_not_store_are_not_counted(tmp_path: Path, client: redis.Redis) -> None:
    Writer(tmp_path).write(b'{"show":"quiz","pos_ms":1}', event(1)).seal()
    count(tmp_path, client)
    assert counts(client) == {f"count:{SHOW}": {"0:answer": "1"}, f"total:{SHOW}": "1"}


class Cut(redis.Redis):
    """A client whose script call number `at` is cut short: before Redis has it, or before the answer is there."""

    at = 0
    answer_lost = False
    failure: type[Exception] = Killed

    def evalsha(self, *args: Any) -> Any:
        self.at -= 1
        if self.at == 0 and not self.answer_lost:
            raise self.failure("cut short")
        answer = super().evalsha(*args)
        if self.at == 0:
            raise self.failure("cut short")
        return answer


def cut(server: RedisServer, at: int, answer_lost: bool, failure: type[Exception]) -> Cut:
    client = Cut(
        unix_socket_path=str(server.socket), decode_responses=True, credential_provider=server.login("shipper")
    )
    client.at, client.answer_lost, client.failure = at, answer_lost, failure
    return client


def scene(spool: Path) -> None:
    """Ten events in two records, a resend within a batch and one across batches, two votes of one user."""
    Writer(spool).write(*(event(number) for number in range(8)), event(3), vote(50, "ann", "red", 100)).write(
        event(0), event(8), event(9), vote(51, "ann", "blue", 200)
    ).seal()


SCENE = {
    f"count:{SHOW}": {f"{second}:answer": "2" for second in range(5)} | {"0:vote": "2"},
    f"total:{SHOW}": "12",
    f"vote:{SHOW}:final": {"ann": f"200:{vote(51, 'ann', 'blue', 200)[7:33].decode()}:blue"},
    f"tally:{SHOW}:final": {"blue": "1"},
}


@pytest.mark.parametrize("answer_lost", [False, True], ids=["before redis had it", "before the answer"])
def test_killed_at_any_call_each_event_counts_once(
    tmp_path: Path, server: RedisServer, client: redis.Redis, answer_lost: bool
) -> None:
    scene(tmp_path)
    for call in range(1, 6):
        client.flushall()
        with pytest.raises(Killed):
            count(tmp_path, cut(server, call, answer_lost, Killed))
        count(tmp_path, client)
        assert counts(client) == SCENE, call


@pytest.mark.parametrize("answer_lost", [False, True], ids=["before redis had it", "before the answer"])
def test_a_call_that_failed_is_made_again_and_counts_once(
    tmp_path: Path, server: RedisServer, client: redis.Redis, answer_lost: bool
) -> None:
    scene(tmp_path)
    for call in range(1, 6):
        client.flushall()
        count(tmp_path, cut(server, call, answer_lost, redis.ConnectionError))
        assert counts(client) == SCENE, call


def test_two_sinks_at_once_count_each_event_once(tmp_path: Path, client: redis.Redis) -> None:
    scene(tmp_path)
    sinks = [RedisSink(Spool(tmp_path), as_shipper(client), batch_events=3) for _ in range(2)]
    deadline = time.monotonic() + PATIENCE_S
    while client.get(POSITION) != "2:0" and time.monotonic() < deadline:
        for sink in sinks:
            sink.step()
    assert counts(client) == SCENE


def test_a_redis_that_comes_back_counts_on_from_its_own_position(tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    spool = tmp_path / "spool"
    spool.mkdir()
    scene(spool)
    client = server.client()
    sink = RedisSink(Spool(spool), as_shipper(client), batch_events=3)
    sink.step()
    server.kill()
    with pytest.raises(redis.RedisError):
        sink.step()
    server.start()
    try:
        go_on(sink, client)
        assert counts(client) == SCENE
    finally:
        server.kill()


def test_a_redis_that_lost_everything_is_counted_again_from_the_spool(tmp_path: Path, client: redis.Redis) -> None:
    scene(tmp_path)
    sink = count(tmp_path, client, until="2:0")
    client.flushall()
    Writer(tmp_path, 2).write(event(20)).seal()
    go_on(sink, client, until="3:0")
    assert client.get(f"total:{SHOW}") == "13"


@pytest.mark.parametrize("later_ms", [0, 60_000, QUARTER_MS - 1, -60_000], ids=str)
def test_a_resend_within_15_minutes_counts_once(tmp_path: Path, client: redis.Redis, later_ms: int) -> None:
    for start in (0, QUARTER_MS // 3, QUARTER_MS - 1):
        client.flushall()
        spool = tmp_path / str(start)
        spool.mkdir()
        first = RECEIVED_MS - RECEIVED_MS % QUARTER_MS + start
        Writer(spool).write(event(1), received_ms=first).write(event(1), received_ms=first + later_ms).seal()
        sink = count(spool, client, batch_events=1)
        assert (client.get(f"total:{SHOW}"), sink.report()["resent"]) == ("1", 1)


def test_a_resend_to_another_collector_counts_once(tmp_path: Path, client: redis.Redis) -> None:
    for worker in (0, 1):
        Writer(tmp_path, worker=worker).write(event(1)).seal()
    count(tmp_path, client)
    assert client.get(f"total:{SHOW}") == "1"


def test_a_resend_half_an_hour_later_counts_again(tmp_path: Path, client: redis.Redis) -> None:
    Writer(tmp_path).write(event(1)).write(event(1), received_ms=RECEIVED_MS + 2 * QUARTER_MS).seal()
    count(tmp_path, client)
    assert client.get(f"total:{SHOW}") == "2"


def test_the_same_id_with_other_bytes_counts_as_another_event(tmp_path: Path, client: redis.Redis) -> None:
    Writer(tmp_path).write(event(1), event(1, more=',"at":5')).seal()
    count(tmp_path, client)
    assert client.get(f"total:{SHOW}") == "2"


def test_a_resend_leaves_the_counts_of_its_batch_s_other_events(tmp_path: Path, client: redis.Redis) -> None:
    Writer(tmp_path).write(event(1), event(2), event(4)).write(event(3), event(2), event(5)).seal()
    count(tmp_path, client)
    assert client.hgetall(f"count:{SHOW}") == {"0:answer": "1", "1:answer": "2", "2:answer": "2"}


def test_identities_are_forgotten_when_no_resend_can_come_any_more(tmp_path: Path, client: redis.Redis) -> None:
    scene(tmp_path)
    count(tmp_path, client, grace_s=100)
    lifetimes = [client.ttl(key) for key in client.scan_iter("seen:*")]
    assert len(lifetimes) == 13  # 12 identities in sets of their own, and the mark of their quarter
    assert all(2 * QUARTER_MS / 1000 < seconds <= 2 * QUARTER_MS / 1000 + 100 for seconds in lifetimes)


def test_identities_take_few_bytes(tmp_path: Path, client: redis.Redis) -> None:
    Writer(tmp_path).write(*(event(number, pos_ms=0) for number in range(40_000))).seal()
    before = client.info("memory")["used_memory"]
    count(tmp_path, client, batch_events=5000)
    assert {client.object("encoding", key) for key in client.scan_iter("seen:*:*", count=10_000)} == {"intset"}
    assert (
        client.info("memory")["used_memory"] - before
    ) / 40_000 < 20  # the keys of 1,024 sets weigh more than what is in them yet


VOTES = [
    vote(1, "ann", "red", 100),
    vote(2, "ann", "zebra", 200),
    vote(3, "ann", "green", 200),
    vote(3, "ann", "yellow", 200),
    vote(4, "bob", "red", 50),
]


@pytest.mark.parametrize("batch_events", [1, 10])
def test_the_last_vote_of_a_user_wins_in_whatever_order_they_come(
    tmp_path: Path, client: redis.Redis, batch_events: int
) -> None:
    for number, order in enumerate(itertools.permutations(VOTES)):
        client.flushall()
        spool = tmp_path / str(number)
        spool.mkdir()
        Writer(spool).write(*order).seal()
        count(spool, client, batch_events=batch_events)
        tally, winner = client.hgetall(f"tally:{SHOW}:final"), client.hget(f"vote:{SHOW}:final", "ann")
        assert (tally, winner) == ({"yellow": "1", "red": "1"}, f"200:{vote(3, '', '', 0)[7:33].decode()}:yellow")


def test_a_crowd_s_votes_are_tallied(tmp_path: Path, client: redis.Redis) -> None:
    crowd = [vote(number, f"user{number}", "red" if number % 3 else "blue", number) for number in range(6000)]
    Writer(tmp_path).write(*crowd).seal()
    count(tmp_path, client, batch_events=5000)
    assert client.hgetall(f"tally:{SHOW}:final") == {"red": "4000", "blue": "2000"}
    assert client.hlen(f"vote:{SHOW}:final") == 6000


@pytest.mark.parametrize(
    "ballot",
    [
        vote(1, "ann", "red", 1).replace(b'"user":"ann"', b'"user":7'),
        vote(1, "ann", "red", 1).replace(b'"poll":"final",', b""),
        vote(1, "ann", "red", 1).replace(b'"choice":"red"', b'"choice":null'),
        event(1, "vote"),
        event(1, "vote", more=',"data":[]'),
    ],
)
def test_what_lacks_user_poll_or_choice_is_an_event_and_no_vote(
    tmp_path: Path, client: redis.Redis, ballot: bytes
) -> None:
    Writer(tmp_path).write(ballot).seal()
    count(tmp_path, client)
    assert [key for key in counts(client) if key.startswith(("vote:", "tally:"))] == []
    assert client.get(f"total:{SHOW}") == "1"


@pytest.mark.parametrize("name", [r"\u0000", r"a:b", r"\n", r"\ud83d", "ü", "' OR 1", "*"])
def test_any_string_may_name_user_type_poll_and_choice(tmp_path: Path, client: redis.Redis, name: str) -> None:
    ballot = vote(1, name, name, 7, poll=name)
    Writer(tmp_path).write(ballot, event(2, name)).seal()
    count(tmp_path, client)
    plain = name.encode().decode("unicode_escape" if "\\" in name else "utf-8").encode(errors="replace").decode()
    assert client.hgetall(f"tally:{SHOW}:{plain}") == {plain: "1"}
    assert client.hgetall(f"vote:{SHOW}:{plain}") == {plain: f"7:{ballot[7:33].decode()}:{plain}"}
    assert client.hget(f"count:{SHOW}", f"1:{plain}") == "1"


def test_a_full_redis_refuses_and_goes_on_when_there_is_room(tmp_path: Path, client: redis.Redis) -> None:
    scene(tmp_path)
    sink = RedisSink(Spool(tmp_path), as_shipper(client), batch_events=3)
    sink.step()
    half = counts(client)
    client.config_set("maxmemory", "1")
    try:
        for _ in range(3):
            with pytest.raises(redis.RedisError, match="maxmemory"):
                sink.step()
        assert counts(client) == half
    finally:
        client.config_set("maxmemory", "0")
    go_on(sink, client)
    assert counts(client) == SCENE


def test_what_was_removed_before_redis_counted_it_is_marked(tmp_path: Path, client: redis.Redis) -> None:
    Writer(tmp_path, 1).write(event(1)).seal()
    count(tmp_path, client)
    Writer(tmp_path, 5).write(event(5)).seal()
    count(tmp_path, client, until="6:0")
    assert client.hgetall(f"gap:{SOURCE}") == {"2:0": "5:0"}


def test_a_redis_that_comes_later_than_the_first_segment_has_a_gap(tmp_path: Path, client: redis.Redis) -> None:
    Writer(tmp_path, 3).write(event(3)).seal()
    count(tmp_path, client, until="4:0")
    assert client.hgetall(f"gap:{SOURCE}") == {"1:0": "3:0"}


def test_nothing_missing_is_no_gap(tmp_path: Path, client: redis.Redis) -> None:
    scene(tmp_path)
    count(tmp_path, client)
    assert client.exists(f"gap:{SOURCE}") == 0


def test_a_source_in_trouble_does_not_stop_the_other(tmp_path: Path, client: redis.Redis) -> None:
    Writer(tmp_path, worker=0).write(event(1)).append(record(9, [event(9)])).seal()
    Writer(tmp_path, worker=1).write(event(2)).seal()
    sink = count(tmp_path, client)
    assert sink.report()["positions"] == {SOURCE: "2:0", f"{SPOOL}-w01": "2:0"}
