"""The demo's cluster as the faults see it: its hosts, what it answers, and a burst that runs meanwhile."""

from __future__ import annotations

import contextlib
import http.client
import json
import shlex
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import redis
from libcloud.compute.base import Node

from primetime.cli.rehearse import runs
from primetime.event import row_key, ulid
from primetime.hbase import Hbase, HbaseUnavailable
from primetime.providers import driver_for
from primetime.rehearsal.burst import Plan
from primetime.rehearsal.certificate import Certificate
from primetime.rehearsal.run import rehearse
from primetime.topology import load
from roles.hbase.settings import Hbase as HbaseSettings
from roles.hbase.tables import tables
from tests.conftest import Demo
from tests.waiting import wait_for

COLLECTOR, STORE, REDIS = "collector-1", "store-1", "redis-1"
PROBES_MS = 20 * 3600 * 1000  # where in the show the updates posted here lie: far from any burst
ANSWER_S = 4.0


@dataclass(frozen=True)
class Answer:
    """What the collector said to one request, and after how long; status 0: nothing."""

    status: int
    text: str
    seconds: float


@dataclass
class Cluster:
    """`patience_s`: how long a proof may wait for what it claims. `collectors`: where a burst is sent to."""

    demo: Demo
    patience_s: float = 60
    collectors: list[tuple[str, int]] = field(default_factory=list)
    kept: dict[str, Any] = field(default_factory=dict)  # what `do` leaves for `proof` and `undo`
    posted: int = 0

    def __post_init__(self) -> None:
        self.topology = load(str(self.demo.topology))
        self.driver = driver_for(self.topology)
        self.collectors = [self.demo.endpoint("collector")]
        self.show = self.topology.shows[0]

    def node(self, name: str) -> Node:
        found: Node = next(node for node in self.driver.list_nodes() if node.name == name)
        return found

    def ssh(self, node: str, script: str) -> str:
        """Standard output of a shell script on a node; AssertionError when it fails."""
        config = self.node(node).extra["ssh_config"]
        command = ["ssh", "-F", config, node, f"sh -ec {shlex.quote(script)}"]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=180)
        assert done.returncode == 0, f"{node}: {script!r} exited {done.returncode}: {done.stdout}{done.stderr}"
        return done.stdout

    def asked(self, node: str, script: str) -> str:
        """The same, and empty while the node does not answer or the script fails."""
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            return self.ssh(node, script)
        return ""

    def start(self, node: str) -> None:
        """Start a host that is not running, and wait for its ssh."""
        self.driver.start_node(self.node(node))
        self.driver.ex_wait_for_ssh([self.node(node)])

    def wait(self, claim: Callable[[], Any], what: str) -> None:
        wait_for(lambda: bool(claim()), what, self.patience_s)

    # what the collector answers

    def event(self, kind: str = "answer") -> bytes:
        """An update that nobody has sent."""
        self.posted += 1
        id_ = ulid(time.time_ns() // 1_000_000, self.posted)
        pos_ms = PROBES_MS + self.posted * 1000
        fields = {"id": id_, "show": self.show, "pos_ms": pos_ms, "user": "prober", "type": kind}
        return json.dumps(fields, separators=(",", ":")).encode()

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        began = time.monotonic()
        host, port = self.demo.endpoint("collector")
        connection = http.client.HTTPConnection(host, port, timeout=ANSWER_S)
        try:
            connection.request(method, path, body)
            answer = connection.getresponse()
            status, text = answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            status, text = 0, str(error)
        finally:
            connection.close()
        return Answer(status, text, time.monotonic() - began)

    def post(self, *events: bytes) -> Answer:
        return self.ask("POST", "/events", b"[" + b",".join(events or [self.event()]) + b"]")

    def accepts(self) -> bool:
        """An update is acknowledged."""
        return self.post().status == 204

    # what the stores hold

    def cells(self, event: bytes) -> dict[bytes, int]:
        """What is stored under an event's id: bytes → time; none while HBase is away."""
        fields = json.loads(event)
        id_ = fields["id"].encode()
        row = row_key(id_, fields["show"].encode(), fields["pos_ms"])
        hbase = self.hbase()
        try:
            return {value: at for _, _, value, at in hbase.scan("events", row, row + b"\0", prefix=id_)}
        except HbaseUnavailable:
            return {}
        finally:
            hbase.close()

    def hbase(self) -> Hbase:
        return Hbase(*self.demo.endpoint("thrift"), ANSWER_S)

    def serves(self) -> bool:
        """Every region of `events` answers."""
        hbase = self.hbase()
        try:
            for start in (b"\0", *tables(1, HbaseSettings().regions_per_server)["events"]):
                hbase.get("events", start + b"probe")
        except HbaseUnavailable:
            return False
        finally:
            hbase.close()
        return True

    def arrives(self) -> bool:
        """An update that is posted now is readable in HBase."""
        event = self.event()
        if self.post(event).status != 204:
            return False
        with contextlib.suppress(AssertionError):
            wait_for(lambda: event in self.cells(event), "it is readable", 60)
            return True
        return False

    def counts(self) -> bool:
        """An update that is posted now is counted in Redis."""
        event = self.event()
        second = json.loads(event)["pos_ms"] // 1000
        client = self.demo.redis()

        def counted() -> bool:
            with contextlib.suppress(redis.RedisError):
                return client.hget(f"count:{self.show}", f"{second}:answer") == "1"
            return False

        if self.post(event).status != 204:
            return False
        with contextlib.suppress(AssertionError):
            wait_for(counted, "it is counted", 60)
            return True
        return False

    def shipper(self) -> dict[str, Any]:
        """The shipper's status; empty while there is none."""
        text = self.asked(COLLECTOR, "cat /run/primetime-shipper/status.json")
        return dict(json.loads(text)) if text else {}

    def problems(self) -> dict[str, str]:
        """What the ledger complains of: segment or id → in which word."""
        done = self.demo.run("ledger", "--runs", "1", "--json", check=False)
        assert done.returncode in (0, 3), done.stderr[-2000:]
        return {problem["name"]: problem["what"] for problem in json.loads(done.stdout.splitlines()[-1])["problems"]}

    def is_whole(self) -> bool:
        """Every promise is kept."""
        return self.demo.run("verify", check=False).returncode == 0

    def mend(self) -> None:
        """After a test that failed: whatever fault it left is taken away, so that it is not the next one's."""
        self.driver.ex_heal()
        for node in self.driver.list_nodes():
            self.start(node.name)
        wait_for(lambda: self.demo.run("converge", check=False).returncode == 0, "a converge after the fault", 300)
        wait_for(self.is_whole, "every promise kept after the fault", 300)


class Rehearsal:
    """A burst in a thread of its own."""

    def __init__(self, cluster: Cluster, plan: Plan) -> None:
        self._cluster, self._plan = cluster, plan
        self._sending = threading.Event()
        self._certificate: Certificate | None = None
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.said: list[str] = []

    def begin(self) -> None:
        """Returns when the first second of the burst is over, and the rest is still to come."""
        self._thread.start()
        assert self._sending.wait(60), f"the burst did not begin within 60 s: {self.said[-3:]}"
        assert self._error is None, self._error

    def certificate(self) -> Certificate:
        """The certificate, when everything is read back or the plan's time for that is over."""
        self._thread.join(self._plan.seconds + self._plan.deadline_s * 2 + self._plan.stored_deadline_s + 120)
        assert not self._thread.is_alive(), f"the rehearsal hangs: {self.said[-3:]}"
        assert self._certificate is not None, self._error
        return self._certificate

    def _run(self) -> None:
        try:
            self._certificate = rehearse(
                self._plan,
                self._cluster.collectors,
                self._cluster.demo.endpoint("thrift"),
                runs(self._cluster.topology),
                self._progress,
            )
        except Exception as error:
            self._error = error
        finally:
            self._sending.set()

    def _progress(self, sentence: str) -> None:
        self.said.append(sentence)
        if "answered" in sentence:
            self._sending.set()
