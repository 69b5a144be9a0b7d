"""An event goes in, a row comes out: the demo's whole cluster, through its own command line."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from primetime.event import row_key, ulid
from primetime.hbase import Hbase
from primetime.paths import REPO
from tests.conftest import Demo
from tests.waiting import CLUSTER_S, PATIENCE_S, wait_for

SHOW = "quiz-20261121"


def post(demo: Demo, body: bytes) -> int:
    host, port = demo.endpoint("collector")
    request = urllib.request.Request(f"http://{host}:{port}/events", data=body, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_every_rehearsed_event_is_found_again_in_hbase(demo: Demo) -> None:
    certificate = demo.result["certificate"]
    assert (certificate["sent"], certificate["acked"], certificate["stored"], certificate["missing"]) == (
        100_000,
        100_000,
        100_000,
        0,
    )


def test_a_posted_event_comes_back_with_its_very_bytes(demo: Demo) -> None:
    event_id = ulid(time.time_ns() // 1_000_000, 7)
    event = b'{"id":"%s", "pos_ms":7200000,"show":"%s","user":"u1","type":"join","data":{"n":1.0e2}}' % (
        event_id.encode(),
        SHOW.encode(),
    )
    # a busy disk is a 503: the same bytes again
    wait_for(lambda: post(demo, b"[" + event + b"]") == 204, "its acknowledgement")
    wait_for(
        lambda: event.decode() in demo.run("events", SHOW, "--from", "120:00", "--to", "120:01").stdout.splitlines(),
        "the event in HBase",
        CLUSTER_S,
    )


def test_redis_counts_what_hbase_stores(demo: Demo) -> None:
    stored = demo.json("events", SHOW)["events"]
    client = demo.redis()
    wait_for(lambda: int(client.get(f"total:{SHOW}") or 0) == stored, f"{stored} events counted in Redis", CLUSTER_S)


def test_live_counts_and_positions_outlive_a_restart_of_redis(demo: Demo) -> None:
    stored = demo.json("events", SHOW)["events"]

    def counts() -> dict[str, object]:
        client = demo.redis()
        return {key: client.get(key) for key in (f"total:{SHOW}", *client.keys("position:*"))}

    def stand_still() -> bool:
        """All is counted, and every position is behind a finished segment: what is open is sealed within seconds."""
        found = counts()
        total = int(str(found.pop(f"total:{SHOW}") or 0))
        return total == stored and all(str(position).endswith((":0", "counted")) for position in found.values())

    wait_for(stand_still, f"{stored} events counted in Redis, and no segment open", CLUSTER_S)
    before = counts()
    demo.ssh("redis-1", "systemctl", "restart", "primetime-redis")
    assert counts() == before
    assert len(before) > 1


def test_a_second_demo_changes_nothing(demo: Demo) -> None:
    assert demo.json("demo", "--updates", "1000")["changed"] == 0


def test_the_dry_run_of_a_converged_cluster_says_no_change(demo: Demo) -> None:
    assert "no changes" in demo.run("converge", "--dry").stdout


def test_the_dry_run_names_what_the_next_converge_then_changes(demo: Demo) -> None:
    demo.ssh("redis-1", "sh", "-c", "echo '# edited by hand' >> /etc/primetime/redis/redis.conf")
    planned = demo.json("converge", "--dry")["changes"]
    done = demo.json("converge")["changes"]
    assert planned == done
    assert {change["node"] for change in done} == {"redis-1"}


def test_verify_names_the_service_that_was_stopped_and_exits_3(demo: Demo) -> None:
    demo.ssh("redis-1", "systemctl", "stop", "primetime-redis")
    try:
        done = demo.run("verify", "--json", check=False)
    finally:
        demo.ssh("redis-1", "systemctl", "start", "primetime-redis")
    told = json.loads(done.stdout.splitlines()[-1])
    assert done.returncode == 3
    assert told["failed"] == [{"node": "redis-1", "role": "redis", "promise": "primetime-redis is running"}]
    assert {"node": "redis-1", "role": "redis", "promise": "it answers ping"} in told["following"]


def test_verify_names_a_port_that_listens_and_a_firewall_that_was_opened(demo: Demo) -> None:
    listener = "import socket, time; s = socket.create_server(('', 4444)); time.sleep(600)"
    demo.ssh("redis-1", "systemd-run", "-q", "--unit=stranger", "python3", "-c", listener)
    for node, rule in (("redis-1", "input tcp dport 4444 accept"), ("store-1", "output tcp dport 4444 accept")):
        demo.ssh(node, "nft", f"insert rule inet primetime {rule}")
    try:
        told = demo.json("verify", check=False)
    finally:
        demo.ssh("redis-1", "systemctl", "stop", "stranger")
        for node in ("redis-1", "store-1"):
            demo.ssh(node, "systemctl", "reload", "primetime-firewall")
    assert {(broken["node"], broken["promise"]) for broken in told["failed"]} == {
        ("redis-1", "nothing undeclared listens"),
        ("redis-1", "the firewall in force is the one on disk"),
        ("store-1", "the firewall in force is the one on disk"),
        ("redis-1", "the hosts reach what it opens to them and nothing else"),
        ("redis-1", "the controlling machine reaches what it opens to it and nothing else"),
    }


def test_a_deleted_cell_makes_certificate_and_ledger_name_its_id(demo: Demo, thrift: tuple[str, int]) -> None:
    run = demo.json("rehearse", "--updates", "1000", "--in", "1s")["run"]
    events = demo.run("events", SHOW).stdout.splitlines()
    victim = next(event for event in map(json.loads, events) if event["id"].startswith(run))
    key = row_key(victim["id"].encode(), SHOW.encode(), victim["pos_ms"])
    hbase = Hbase(*thrift)
    cells = hbase.get("events", key)
    qualifier = next(name for name in cells if name.startswith(victim["id"].encode()))
    hbase.delete("events", key, qualifier)
    try:
        done = demo.run("rehearse", "--json", "--check", run, check=False)
        certificate = json.loads(done.stdout.splitlines()[-1])
        assert (done.returncode, certificate["missing"], certificate["missing_ids"]) == (3, 1, [victim["id"]])
        ledger = demo.run("ledger", check=False)
        assert (ledger.returncode, f"missing: {victim['id']}" in ledger.stdout) == (3, True)
    finally:  # newer than the delete, or it would stay hidden
        hbase.put("events", {key: [(qualifier, cells[qualifier], time.time_ns() // 1_000_000 + 1000)]})
    assert demo.json("ledger")["problems"] == []


def test_ssh_exits_as_its_command_does(demo: Demo) -> None:
    assert demo.run("ssh", "store-1", "--", "sh", "-c", "exit 7", check=False).returncode == 7


def test_status_says_where_to_look(demo: Demo) -> None:
    status = demo.json("status")
    assert status["endpoints"] == demo.result["endpoints"]
    assert status["certificate"]["missing"] == 0


def test_plain_pyinfra_converges_the_same_hosts_and_finds_nothing_to_do(demo: Demo, tmp_path: Path) -> None:
    inventory = tmp_path / "inventory.py"
    inventory.write_text(
        "from primetime.inventory import pyinfra_groups as _groups\n"
        f"globals().update(_groups({str(demo.topology)!r}))\n"
    )
    command = [str(Path(sys.executable).parent / "pyinfra"), "-y", "--json", str(inventory), "deploy.py"]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    totals = json.loads(done.stdout)["results"]["totals"]
    assert (totals["success"], totals["error"]) == (0, 0)  # "success" counts operations that changed something
    assert totals["no_change"] > 0
