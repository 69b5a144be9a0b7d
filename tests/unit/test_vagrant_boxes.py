"""Boxes with roles: what is taken out of a machine's root, what such a box is called, what is made for it and goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from primetime import baking, class_archives
from primetime.drivers.vagrant import boxes, converged
from primetime.errors import UsageError
from primetime.secrets.keys import Key
from primetime.secrets.store import Store

SECRET = b"a-secret-of-redis"
KEY = "ssh-rsa AAAA vagrant\n"
UNIT = "[Service]\nExecStart=/opt/x\nReadWritePaths=/var/lib/hdfs /var/lib/more\nReadWritePaths=/run\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A machine's root that was converged, in little."""
    units = "etc/systemd/system"
    for name, content in {
        f"{units}/primetime-hdfs.service": UNIT.encode(),
        f"{units}/multi-user.target.wants/primetime-hdfs.service": b"",
        f"{units}/multi-user.target.wants/cron.service": b"",
        "etc/machine-id": b"1\n",
        "etc/primetime/redis/password": SECRET,
        "etc/primetime/redis/redis.conf": b"port 6379\n",
        "opt/primetime/jars/a.jar": b"jar",
        "var/lib/hdfs/name/VERSION": b"clusterID=1",
        "var/lib/more/file": b"data",
        "run/here": b"",
        "home/vagrant/.ssh/authorized_keys": b"ssh-rsa BBBB this machine's own\n",
        "root/.ssh/authorized_keys": b"ssh-ed25519 ours\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    converged.strip(tmp_path, KEY, [SECRET])
    return tmp_path


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_a_box_with_roles_has_programs_and_configuration_and_neither_data_nor_secrets_nor_identity(root: Path) -> None:
    assert files(root) == {
        "etc/systemd/system/primetime-hdfs.service",
        "etc/systemd/system/multi-user.target.wants/cron.service",
        "etc/machine-id",
        "etc/primetime/redis/redis.conf",
        "opt/primetime/jars/a.jar",
        "run/here",
        "home/vagrant/.ssh/authorized_keys",
    }
    assert (root / "etc/machine-id").read_bytes() == b""


def test_folders_of_data_stay_with_their_owners(root: Path) -> None:
    assert (root / "var/lib/hdfs").is_dir() and (root / "var/lib/more").is_dir()


def test_vagrant_comes_in_as_into_a_new_machine(root: Path) -> None:
    assert (root / "home/vagrant/.ssh/authorized_keys").read_text() == KEY


def test_a_box_is_called_after_the_plain_one_and_its_roles(tmp_path: Path) -> None:
    plain = tmp_path / "bookworm-0123456789ab-20261129-89abcdef.box"
    box = converged.box_of(plain, ["collector", "shipper"])
    assert box.parent == tmp_path and box.name.startswith(f"{plain.stem}.") and box.suffix == ".box"
    assert box != converged.box_of(plain, ["collector"])


def test_the_image_that_a_box_with_roles_began_as_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRIMETIME_CACHE", str(tmp_path))
    root = tmp_path / "images" / "bookworm-0123456789ab-20261129" / "root"
    root.mkdir(parents=True)
    for name in (
        "bookworm-0123456789ab-20261129-89abcdef",
        "primetime/bookworm-0123456789ab-20261129-89abcdef.01234567",
    ):
        assert boxes.image_root(name) == root


TEXT: dict[str, Any] = {
    "name": "a-name-of-thirty-one-characters",
    "provider": "nspawn",
    "network": "10.1.2.0/24",
    "shows": ["quiz"],
    "groups": {"redis": {"roles": ["redis"], "count": 1, "memory_mb": 256, "addresses": ["10.1.2.20"]}},
}


def test_machines_that_are_baked_have_the_addresses_that_those_of_their_boxes_will_have() -> None:
    other = baking._other(TEXT, "10.1.3.0/24")
    assert (other["network"], other["groups"]) == ("10.1.3.0/24", TEXT["groups"])


def test_machines_that_are_baked_have_a_name_and_beside_the_topology_s_own_addresses_of_their_own() -> None:
    text = TEXT
    other = baking._other(text, "")
    assert other == {
        "name": "a-name-of-thirty-one-chara-bake",
        "provider": "vagrant:lxc",
        "shows": ["quiz"],
        "groups": {"redis": {"roles": ["redis"], "count": 1, "memory_mb": 256}},
    }
    assert len(other["name"]) == len(text["name"])
    assert "addresses" in text["groups"]["redis"]  # what was given is as it was


def test_what_jvms_load_is_archived_as_they_end_and_mapped_when_they_start_again() -> None:
    told: list[str] = []
    class_archives.record(["redis"], told.append)  # type: ignore[arg-type]
    assert told == []
    class_archives.record(["base", "hdfs", "hdfs_namenode"], told.append)  # type: ignore[arg-type]
    class_archives.keep(["base", "hdfs", "hdfs_namenode"], told.append)  # type: ignore[arg-type]
    record, keep = told
    assert "for unit in primetime-hdfs-namenode;" in record
    assert "systemctl stop primetime-hdfs-namenode\n" in keep


def test_only_containers_become_boxes() -> None:
    with pytest.raises(
        UsageError, match="--bake makes images on EC2, and boxes of vagrant:lxc: leave it out for nspawn"
    ):
        baking.require_containers("nspawn")
    baking.require_containers("vagrant:lxc")


def test_secrets_of_machines_that_are_thrown_away_go_with_their_key(tmp_path: Path) -> None:
    store = Store(tmp_path / "secrets" / "a.secrets", Key(tmp_path / "keys" / "a.key"))
    store.set({"redis_shipper": "x"})
    store.remove()
    assert files(tmp_path) == set()
