"""Each fault's proof, against a cluster that only tells what it is told to: it fails while nothing happened, fails when
something else did, and holds when the fault did. On real hosts: tests/fault/test_faults.py.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.conftest import Demo
from tests.fault.cluster import COLLECTOR, STORE, Answer, Cluster
from tests.fault.faults import Fault
from tests.fault.killed import WORKERS
from tests.fault.matrix import FAULTS
from tests.fault.volume import Volume

SOON_S = 0.05
SHOW_UNIT = re.compile(r"systemctl show -P MainPID( -P NRestarts)? (\S+)")


class StillVolume(Volume):
    """A volume that takes writes, and keeps them."""

    def __init__(self) -> None:
        self.node, self.stands_still, self.forgot = COLLECTOR, False, False

    def is_frozen(self) -> bool:
        return self.stands_still

    def lacks_witness(self) -> bool:
        return self.forgot


class Told(Cluster):
    """Every script that a proof runs is known here: another one is a mistake of this test, never a proof that fails."""

    def __init__(self) -> None:
        self.demo = cast(Demo, SimpleNamespace(endpoint=lambda name: ("10.0.0.2", 9090)))
        self.patience_s, self.posted, self.show = SOON_S, 0, "quiz"
        self.pids, self.restarts = defaultdict[str, int](lambda: 100), defaultdict[str, int](int)
        self.workers, self.boots, self.segments = [201, 202], defaultdict[str, int](lambda: 7), ["a.open"]
        self.connects, self.sent_again, self.reachable = "0.001", 40, True
        self.states = defaultdict[str, str](lambda: "running")
        self.answer, self.off_s, self.stored = Answer(204, "", 0.01), 0.0, set[bytes]()
        self.status: dict[str, Any] = {"sinks": {"hbase": {}}}
        self.complaints: dict[str, str] = {}
        self.volume = StillVolume()
        self.proxy = SimpleNamespace(sent=0)
        self.kept = {"volume": self.volume, "proxy": self.proxy, "blocks": 12}

    def node(self, name: str) -> Any:
        return SimpleNamespace(name=name, state=self.states[name], private_ips=["10.0.0.3"])

    def ssh(self, node: str, script: str) -> str:
        if script == WORKERS:
            return "\n".join(map(str, self.workers))
        if script == "systemctl show -P UserspaceTimestampMonotonic":
            return str(self.boots[node])
        if shown := SHOW_UNIT.fullmatch(script):
            return f"{self.pids[shown[2]]}\n" + (f"{self.restarts[shown[2]]}\n" if shown[1] else "")
        if script.startswith("ss -Htin dst 10.0.0.3"):
            return f"retrans:0/{self.sent_again} rcv_space:1"
        if "socket.create_connection" in script:
            return self.connects
        if script.startswith("cd /var/spool/primetime; ls"):
            return "\n".join(self.segments)
        raise NotImplementedError(script)

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        return Answer(200, "live\n", 0.01) if path == "/live" else self.answer

    def cells(self, event: bytes) -> dict[bytes, int]:
        return dict.fromkeys(self.stored | {event}, int((time.time() + self.off_s) * 1000))

    def serves(self) -> bool:
        return self.reachable

    def shipper(self) -> dict[str, Any]:
        return {"at_ms": int((time.time() + self.off_s) * 1000)} | self.status

    def problems(self) -> dict[str, str]:
        return self.complaints


Change = Callable[[Told], object]


def unit_killed(unit: str) -> Change:
    def change(told: Told) -> None:
        told.pids[unit], told.restarts[unit] = 300, 1

    return change


def unit_restarted_by_hand(unit: str) -> Change:
    def change(told: Told) -> None:
        told.pids[unit] = 300

    return change


def sets(**values: Any) -> Change:
    """Attributes of the cluster, or `volume__x` and `proxy__x` of what it keeps."""

    def change(told: Told) -> None:
        for name, value in values.items():
            owner, _, attribute = name.rpartition("__")
            setattr(getattr(told, owner) if owner else told, attribute, value)

    return change


def all_of(*changes: Change) -> Change:
    return lambda told: [change(told) for change in changes]


def booted_anew(node: str) -> Change:
    return lambda told: told.boots.update({node: 8})


def says(sentence: str, status: int = 503, seconds: float = 2.0) -> Change:
    return sets(answer=Answer(status, sentence, seconds))


def keeps(**what: Any) -> Change:
    return lambda told: told.kept.update(what)


UNITS = {
    "collector's nginx": "primetime-collector",
    "shipper": "primetime-shipper",
    "Redis": "primetime-redis",
    "Thrift gateway": "primetime-hbase-thrift",
    "RegionServer": "primetime-hbase-regionserver",
    "HBase master": "primetime-hbase-master",
    "DataNode": "primetime-hdfs-datanode",
    "NameNode": "primetime-hdfs-namenode",
    "ZooKeeper": "primetime-zookeeper",
}
STORE_IS_DOWN = all_of(lambda told: told.states.update({STORE: "stopped"}), sets(connects=""))
FAILING = sets(status={"sinks": {"hbase": {"failing_s": 3, "last_error": "no route"}}})
LOST_POWER = all_of(booted_anew(COLLECTOR), sets(volume__forgot=True))
FLIPPED = all_of(keeps(segment="a.sealed"), sets(complaints={"a": "corrupt"}))
BOTH = (b'{"id":"1"}', b'{"id":"1","user":"b"}')

HAPPENED: dict[str, Change] = {
    **{f"{name} killed -9": unit_killed(unit) for name, unit in UNITS.items()},
    "one worker of nginx killed -9": sets(workers=[201, 203]),
    "collector host killed -9 and started again": booted_anew(COLLECTOR),
    "Redis host killed -9 and started again": booted_anew("redis-1"),
    "HBase away for 3 minutes: its host killed -9": all_of(STORE_IS_DOWN, FAILING),
    "network between shipper and store cut": sets(connects=""),
    "network between shipper and store 200 ms slow each way": sets(connects="0.41"),
    "network between shipper and store loses 5 %": sets(sent_again=45),
    "disk of the spool frozen for 8 s in mid-segment": all_of(
        sets(volume__stands_still=True), says("the disk is slow")
    ),
    "disk of the spool frozen for 8 s, and segments come of age meanwhile": all_of(
        sets(volume__stands_still=True), says("the disk is slow")
    ),
    "disk of the spool full, and freed": says("reserve 1 bytes: No space left on device"),
    "spool at its budget, until it is shipped": says("the spool has reached its budget of 8 MB"),
    "power of the collector's host and disk lost": LOST_POWER,
    "power of the store's host and disk lost after a flush": LOST_POWER,
    "a byte of a sealed segment flipped": FLIPPED,
    "half of a sealed segment cut off": FLIPPED,
    "collector's clock one hour fast": sets(off_s=3600.0),
    "collector's clock one hour slow": sets(off_s=-3600.0),
    "shipper's clock one hour fast": sets(off_s=3600.0),
    "shipper's clock one hour slow": sets(off_s=-3600.0),
    "every delivery doubled": sets(proxy__sent=100),
    "the same id with other bytes": all_of(keeps(conflict=BOTH), sets(stored=set(BOTH))),
}

# What looks like the fault from one side only.
ALMOST: list[tuple[str, str, Change]] = [
    *((f"{name} killed -9", "restarted by hand", unit_restarted_by_hand(unit)) for name, unit in UNITS.items()),
    ("one worker of nginx killed -9", "a reload", sets(workers=[203, 204])),
    ("collector host killed -9 and started again", "another host", booted_anew("redis-1")),
    ("Redis host killed -9 and started again", "another host", booted_anew(COLLECTOR)),
    ("HBase away for 3 minutes: its host killed -9", "a host that is up", FAILING),
    ("HBase away for 3 minutes: its host killed -9", "nobody noticed", STORE_IS_DOWN),
    ("network between shipper and store cut", "the gateway is dead", sets(connects="", reachable=False)),
    ("network between shipper and store 200 ms slow each way", "half of it", sets(connects="0.21")),
    ("network between shipper and store 200 ms slow each way", "cut", sets(connects="")),
    ("network between shipper and store loses 5 %", "an accident", sets(sent_again=42)),
    (
        "disk of the spool frozen for 8 s in mid-segment",
        "answered late",
        all_of(sets(volume__stands_still=True), says("the disk is slow", seconds=4)),
    ),
    (
        "disk of the spool frozen for 8 s in mid-segment",
        "acknowledged",
        all_of(sets(volume__stands_still=True), says("", status=204)),
    ),
    ("disk of the spool frozen for 8 s in mid-segment", "a slow disk", says("the disk is slow")),
    ("disk of the spool full, and freed", "a slow disk", says("the disk is slow")),
    ("spool at its budget, until it is shipped", "a full disk", says("No space left on device")),
    ("power of the collector's host and disk lost", "only a reboot", booted_anew(COLLECTOR)),
    ("power of the collector's host and disk lost", "only a disk", sets(volume__forgot=True)),
    (
        "a byte of a sealed segment flipped",
        "another segment",
        all_of(keeps(segment="a.sealed"), sets(complaints={"b": "corrupt"})),
    ),
    (
        "half of a sealed segment cut off",
        "lost",
        all_of(keeps(segment="a.sealed"), sets(complaints={"a": "lost"})),
    ),
    ("collector's clock one hour fast", "the other way", sets(off_s=-3600.0)),
    ("shipper's clock one hour slow", "half of it", sets(off_s=-1800.0)),
    ("every delivery doubled", "a few", sets(proxy__sent=99)),
    ("the same id with other bytes", "one of the two", keeps(conflict=BOTH)),
]


def prove(fault: Fault, change: Change | None) -> str:
    told = Told()
    seen = fault.look(told)
    if change:
        change(told)
    return fault.proof(told, seen)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_proof_fails_when_nothing_happened(fault: Fault) -> None:
    with pytest.raises(AssertionError):
        prove(fault, None)


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_proof_holds_when_it_happened(fault: Fault) -> None:
    assert prove(fault, HAPPENED[fault.name])


@pytest.mark.parametrize(("name", "other", "change"), ALMOST, ids=[f"{name}: {other}" for name, other, _ in ALMOST])
def test_a_proof_fails_when_something_else_happened(name: str, other: str, change: Change) -> None:
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    with pytest.raises(AssertionError):
        prove(fault, change)
