"""Spools whose instances are gone are taken over: against moto, by guards that die, with a real shipper."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from primetime.drivers.aws.wire import tagged
from primetime.drivers.ec2 import Ec2Driver
from primetime.drivers.volumes import Volume, Volumes
from primetime.guard.adoption import LOOK_EVERY_S, ORPHAN_S, Act, Adoption, Folders, request
from primetime.guard.marks import KEPT, NAME, OWNER, SHIPPED, SPOOL_DEVICE
from primetime.paths import REPO
from primetime.shipper.spool import adopted
from tests.moto_server import REGION, Moto, moto, moto_server  # noqa: F401
from tests.pocket_hooks import giving
from tests.shipping import SPOOL, Writer, event
from tests.wire.test_cloud import Crash, crashing
from tests.wire.test_shipper_process import Shipper

TAGS = {OWNER: "evening", NAME: "collector"}
ZONE = f"{REGION}a"
CALLS = 7  # of one guard, from the look that finds a volume to its deletion
SIZE = 32 << 20


@dataclass
class Host:
    """An instance with a guard, and what it is asked for by it."""

    zone: Zone
    id: str
    desk: Folders
    adoption: Adoption = field(init=False)
    answer: str = "shipped"
    shipped: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Its guard dies, and another one follows."""
        volumes, clock = Volumes(self.zone.ec2.connection), lambda: self.zone.now
        self.adoption = Adoption(self.id, ZONE, TAGS, lambda: volumes, self.desk, clock)

    def work(self) -> None:
        """What adopt-spool does: only what is attached here can be shipped."""
        for name in self.desk.asked():
            volume = name.partition(".")[0]
            assert self.zone.volumes()[volume].instance == self.id
            self.answer_for(volume)

    def answer_for(self, volume: str) -> None:
        """Without a look at AWS."""
        for name in [each for each in self.desk.asked() if each.startswith(f"{volume}.")]:
            self.shipped.append(volume)
            self.desk.results.mkdir(exist_ok=True)
            (self.desk.results / name).write_text(f"{self.answer}\n")
            (self.desk.wanted / name).unlink()


@dataclass
class Zone:
    """A zone of moto's, with instances and volumes; its clock."""

    folder: Path
    now: float = 1000.0
    hosts: list[Host] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ec2 = Ec2Driver(region=REGION)

    def instance(self) -> str:
        ask = self.ec2.connection.ask
        placed = {"Placement": {"AvailabilityZone": ZONE}}
        made = ask("RunInstances", MinCount=1, MaxCount=1, ImageId="ami-0123456789abcdef0", **placed)
        return str(made["instancesSet"][0]["instanceId"])

    def host(self) -> Host:
        instance = self.instance()
        folder = self.folder / instance
        folder.mkdir()
        self.hosts.append(Host(self, instance, Folders(folder / "wanted", folder / "results")))
        return self.hosts[-1]

    def volume(self, tags: Mapping[str, str] = TAGS) -> str:
        made = self.ec2.connection.ask("CreateVolume", AvailabilityZone=ZONE, Size=20, **tagged("volume", tags))
        return str(made["volumeId"])

    def volumes(self) -> dict[str, Volume]:
        return {each.id: each for each in Volumes(self.ec2.connection).list_volumes({OWNER: "evening"})}

    def pass_by(self, seconds: float, *, works: bool = True) -> list[Act]:
        """What guards do meanwhile."""
        done = []
        for _ in range(int(seconds / LOOK_EVERY_S)):
            for host in self.hosts:
                done += host.adoption.step(going=False)
                if works:
                    host.work()
            self.now += LOOK_EVERY_S
        return done


@pytest.fixture
def zone(moto: Moto, tmp_path: Path) -> Iterator[Zone]:  # noqa: F811
    with giving():
        yield Zone(tmp_path)


def test_a_spool_whose_instance_is_gone_is_taken_over_shipped_and_its_volume_deleted(zone: Zone) -> None:
    host, orphan, strangers = zone.host(), zone.volume(), zone.volume({**TAGS, NAME: "cache"})
    assert zone.pass_by(ORPHAN_S) == []  # an instance that is being launched may be about to get it
    done = zone.pass_by(10 * LOOK_EVERY_S)
    assert done == [Act.ATTACH, Act.ASK, Act.MARK, Act.DETACH, Act.DELETE]
    assert (host.shipped, list(zone.volumes())) == ([orphan], [strangers])


def test_of_two_guards_one_takes_it(zone: Zone) -> None:
    hosts, orphan = [zone.host(), zone.host()], zone.volume()
    done = zone.pass_by(ORPHAN_S + 10 * LOOK_EVERY_S)
    assert done == [Act.ATTACH, Act.ASK, Act.MARK, Act.DETACH, Act.DELETE]
    assert [each.shipped for each in hosts].count([orphan]) == 1


class Stale(Volumes):
    """What a guard works with that looked before another one acted."""

    def list_volumes(self, tags: Mapping[str, str], zone: str = "") -> list[Volume]:
        if not hasattr(self, "seen"):
            self.seen = super().list_volumes(tags, zone)
        return self.seen


def test_of_two_that_looked_at_the_same_moment_one_is_refused_and_goes_on(zone: Zone) -> None:
    first, second = zone.host(), zone.host()
    orphan, stale = zone.volume(), Stale(zone.ec2.connection)
    late = Adoption(second.id, ZONE, TAGS, lambda: stale, second.desk, lambda: zone.now, patience_s=0)
    late.step(going=True)
    zone.hosts = [first]
    zone.pass_by(ORPHAN_S + LOOK_EVERY_S, works=False)
    zone.now += LOOK_EVERY_S
    assert late.step(going=False) == []
    assert zone.volumes()[orphan].instance == first.id


def test_a_holder_that_dies_too_leaves_it_to_the_next(zone: Zone) -> None:
    first, orphan = zone.host(), zone.volume()
    zone.pass_by(ORPHAN_S + 2 * LOOK_EVERY_S, works=False)
    assert zone.volumes()[orphan].instance == first.id
    zone.ec2.connection.ask("TerminateInstances", InstanceId=[first.id])
    zone.hosts = []
    second = zone.host()
    zone.pass_by(ORPHAN_S + 10 * LOOK_EVERY_S)
    assert (first.shipped, second.shipped, zone.volumes()) == ([], [orphan], {})


def test_what_cannot_be_shipped_is_marked_with_the_reason_let_go_and_not_taken_again(zone: Zone) -> None:
    host, orphan = zone.host(), zone.volume()
    host.answer = "cannot be shipped: " + "segment, " * 40
    assert zone.pass_by(ORPHAN_S + 20 * LOOK_EVERY_S) == [Act.ATTACH, Act.ASK, Act.KEEP, Act.DETACH]
    kept = zone.volumes()[orphan]
    assert (host.shipped, kept.state, SHIPPED in kept.tags) == ([orphan], "available", False)
    assert kept.tags[KEPT].startswith("cannot be shipped: segment, ") and len(kept.tags[KEPT]) <= 256


def test_an_answer_of_an_earlier_attachment_says_nothing(zone: Zone) -> None:
    host, orphan = zone.host(), zone.volume()
    host.desk.results.mkdir()
    (host.desk.results / f"{orphan}.1000").write_text("shipped\n")
    zone.pass_by(ORPHAN_S + 10 * LOOK_EVERY_S, works=False)
    assert host.desk.asked() == {request(zone.volumes()[orphan])}


def test_one_that_has_to_go_takes_nothing_over(zone: Zone) -> None:
    host = zone.host()
    zone.volume()
    for _ in range(10):
        assert host.adoption.step(going=True) == []
        zone.now += LOOK_EVERY_S


def test_its_own_spool_is_not_taken_for_another_s(zone: Zone) -> None:
    host, own = zone.host(), zone.volume()
    zone.ec2.connection.ask("AttachVolume", VolumeId=own, InstanceId=host.id, Device=SPOOL_DEVICE)
    assert zone.pass_by(ORPHAN_S + 5 * LOOK_EVERY_S) == []


@pytest.mark.parametrize("sent", [False, True], ids=["unsent", "answer lost"])
def test_a_guard_that_dies_at_any_call_is_followed_by_one_that_finishes(
    sent: bool, zone: Zone, monkeypatch: pytest.MonkeyPatch
) -> None:
    host, died = zone.host(), 0
    for call in range(1, CALLS + 6):
        orphan = zone.volume()
        zone.now += LOOK_EVERY_S
        host.adoption.step(going=False)
        zone.now += ORPHAN_S
        with monkeypatch.context() as patched:
            crashing(patched, call, sent)
            try:
                for _ in range(10):
                    host.adoption.step(going=False)
                    host.answer_for(orphan)
                    zone.now += LOOK_EVERY_S
            except Crash:
                died += 1
        host.restart()
        zone.pass_by(ORPHAN_S + 10 * LOOK_EVERY_S)
        assert (orphan in host.shipped, zone.volumes()) == (True, {}), f"call {call}"
    assert died >= CALLS


@dataclass
class Disk:
    """A volume as a loop device, and the program that takes it over here; only what stands between is the test's."""

    device: Path
    shipper: Shipper
    program: Any
    folder: Path

    def holds(self, write: Callable[[Path], None] = lambda spool: None) -> None:
        """A file system with a spool on it."""
        subprocess.run(["mkfs.ext4", "-q", self.device], check=True)
        place = self.folder / "dead"
        place.mkdir()
        subprocess.run(["mount", self.device, place], check=True)
        write(place)
        subprocess.run(["umount", place], check=True)

    def take_over(self) -> str:
        """Its answer to one request; empty when there is none yet."""
        self.program.WANTED.mkdir(exist_ok=True)
        (self.program.WANTED / "vol-0123456789.1").touch()
        self.program.main()
        answer = self.program.RESULTS / "vol-0123456789.1"
        return str(answer.read_text().strip()) if answer.exists() else ""


MOUNT = """\
#!/usr/bin/python3
import importlib.util, pathlib, sys
spec = importlib.util.spec_from_file_location("spool_volume", "{program}")
program = importlib.util.module_from_spec(spec)
spec.loader.exec_module(program)
program.device_of = lambda volume: pathlib.Path("{device}")
sys.exit(program.main())
"""


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Disk]:
    with (tmp_path / "volume").open("wb") as file:
        file.truncate(SIZE)
    command = ["losetup", "--find", "--show", tmp_path / "volume"]
    device = Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())
    (tmp_path / "shipper").mkdir()
    shipper = Shipper(tmp_path / "shipper")
    shipper.gateway.start()
    shipper.write_config(redis_host="")
    spec = importlib.util.spec_from_file_location("adopt_spool", REPO / "templates" / "guard" / "adopt-spool.py")
    assert spec and spec.loader
    program: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    mount = tmp_path / "spool-volume"
    collector = REPO / "templates" / "collector" / "spool-volume.py"
    mount.write_text(MOUNT.format(device=device, program=collector))
    mount.chmod(0o755)
    (tmp_path / "results").mkdir()
    changes = {"WANTED": tmp_path / "wanted", "RESULTS": tmp_path / "results", "CONFIG": shipper.config}
    users = {"SPOOL_VOLUME": mount, "OWNER": "root", "GROUP": "root"}
    for name, value in {**changes, **users, "shipped": lambda volume: ship(program, volume)}.items():
        monkeypatch.setattr(program, name, value)
    yield Disk(device, shipper, program, tmp_path)
    shipper.close()
    for place in adopted(shipper.spool):
        subprocess.run(["umount", place], capture_output=True)
    subprocess.run(["losetup", "--detach", device], check=True)


def ship(program: Any, volume: str) -> int:
    """As the unit does; the runtime folder is the test's."""
    config = program.RESULTS / f"{volume}.toml"
    config.write_text(config.read_text().replace("/run/primetime-adopted", str(program.RESULTS)))
    command = [sys.executable, "-m", "primetime.shipper", "--config", str(config), "--drain"]
    return subprocess.run(command, timeout=60).returncode


def sealed(spool: Path) -> None:
    (spool / "spool.ulid").write_text(f"{SPOOL}\n")
    (spool / "w01.number").write_text("1\n")
    Writer(spool, worker=1).write(event(1), event(2)).seal()


def torn(spool: Path) -> None:
    """Its writer died with its instance, in the middle of a record."""
    sealed(spool)
    Writer(spool, worker=2).write(event(3)).append(b"P1 2 9999").die()


def corrupt(spool: Path) -> None:
    sealed(spool)
    path = Writer(spool, worker=2).write(event(3), event(4)).seal()
    path.write_bytes(path.read_bytes().replace(b"answer", b"ANSWER", 1))


def test_what_waits_on_a_volume_is_shipped_and_nothing_stays_mounted(disk: Disk) -> None:
    disk.holds(torn)
    assert disk.take_over() == "shipped"
    assert set(disk.shipper.gateway.events()) == {event(1), event(2), event(3)}
    assert adopted(disk.shipper.spool) == [] and not list(disk.program.WANTED.iterdir())
    assert subprocess.run(["findmnt", disk.device], capture_output=True).returncode


def test_a_volume_that_nobody_has_used_has_nothing_to_ship(disk: Disk) -> None:
    assert disk.take_over() == "shipped"


def test_a_volume_that_is_no_spool_is_refused_with_the_reason(disk: Disk) -> None:
    subprocess.run(["mkswap", disk.device], check=True, capture_output=True)
    assert disk.take_over() == f"{disk.device} holds swap, not a spool: nothing was written to it"


def test_what_cannot_be_shipped_is_named_and_stays_on_its_volume(disk: Disk) -> None:
    disk.holds(corrupt)
    assert disk.take_over() == f"cannot be shipped: {SPOOL}-w02-0000000001"
    assert {event(1), event(2)} <= set(disk.shipper.gateway.events())
    assert subprocess.run(["findmnt", disk.device], capture_output=True).returncode


def test_a_shipper_that_dies_leaves_the_request_for_another_try(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.holds(sealed)
    with monkeypatch.context() as patched:
        patched.setattr(disk.program, "shipped", lambda volume: 137)
        assert disk.take_over() == ""
    assert disk.take_over() == "shipped"
    assert set(disk.shipper.gateway.events()) == {event(1), event(2)}


def test_a_link_on_a_dead_host_s_spool_leads_nowhere(disk: Disk) -> None:
    victim = disk.folder / "victim"
    victim.touch()
    victim.chmod(0o600)

    def linked(spool: Path) -> None:
        sealed(spool)
        (spool / "link").symlink_to(victim)

    disk.holds(linked)
    monkey = pytest.MonkeyPatch()
    with contextlib.ExitStack() as stack:
        stack.callback(monkey.undo)
        monkey.setattr(disk.program, "OWNER", "nobody")
        disk.take_over()
    assert victim.stat().st_uid == 0


def test_the_ledger_s_survey_sees_what_has_been_taken_over(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    disk.holds(sealed)
    monkeypatch.setattr(disk.program, "shipped", lambda volume: 137)  # it is at work, or the store is away
    disk.take_over()
    command = [sys.executable, "-m", "primetime.shipper.survey", "--config", str(disk.shipper.config)]
    said = subprocess.run(command, input="{}", capture_output=True, text=True, check=True).stdout
    found = json.loads(said)
    assert found["last"] == {f"{SPOOL}-w01": 1}
    assert found["segments"][f"{SPOOL}-w01-0000000001"]["events"] == 2
