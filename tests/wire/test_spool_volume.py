"""A spool's own volume: a file system where there is nothing, a mount where there is one, a refusal of all else."""

from __future__ import annotations

import importlib.util
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from primetime.paths import REPO

SIZE = 32 << 20


@pytest.fixture
def device(tmp_path: Path) -> Iterator[Path]:
    """A volume that nobody has written to."""
    with (tmp_path / "volume").open("wb") as file:
        file.truncate(SIZE)
    command = ["losetup", "--find", "--show", tmp_path / "volume"]
    path = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    yield Path(path)
    subprocess.run(["losetup", "--detach", path], check=True)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "spool"
    path.mkdir()
    yield path
    subprocess.run(["umount", path], capture_output=True)


@pytest.fixture
def mounts(device: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The program, of which only the way to its device differs; its exit code."""
    spec = importlib.util.spec_from_file_location("spool_volume", REPO / "templates" / "collector" / "spool-volume.py")
    assert spec and spec.loader
    program: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(program)
    monkeypatch.setattr(program, "device_of", lambda volume: device)

    def mounts(*options: str) -> int:
        monkeypatch.setattr("sys.argv", ["spool-volume", *options, "vol-0123", str(folder)])
        return int(program.main())

    return mounts


def test_a_new_volume_gets_its_file_system_and_is_mounted(mounts: Callable[..., int], folder: Path) -> None:
    assert mounts() == 0
    assert folder.is_mount()
    assert mounts() == 0  # at the next boot, or converge


def test_what_a_volume_has_is_there_when_it_is_mounted_again(mounts: Callable[..., int], folder: Path) -> None:
    mounts()
    (folder / "segment").write_text("acknowledged")
    subprocess.run(["umount", folder], check=True)
    mounts()
    assert (folder / "segment").read_text() == "acknowledged"


def bytes_in_no_file_system(device: Path) -> None:
    with device.open("r+b") as file:
        file.seek(1 << 20)
        file.write(b"acknowledged")


def another_signature(device: Path) -> None:
    subprocess.run(["mkswap", device], check=True, capture_output=True)


def partitions(device: Path) -> None:
    with device.open("r+b") as file:
        file.seek(446)
        file.write(bytes([0x80, 0, 2, 0, 0x83, 0, 0x10, 0, 0, 8, 0, 0, 0, 0x40, 0, 0]) + bytes(48) + b"\x55\xaa")


@pytest.mark.parametrize("holding", [bytes_in_no_file_system, another_signature, partitions])
def test_what_holds_anything_is_never_formatted(
    holding: Callable[[Path], None], mounts: Callable[..., int], device: Path, folder: Path
) -> None:
    holding(device)
    before = device.read_bytes()
    with pytest.raises(SystemExit, match="nothing was written to it"):
        mounts()
    assert device.read_bytes() == before and not folder.is_mount()


def test_files_that_a_mount_would_hide_stop_it(mounts: Callable[..., int], folder: Path) -> None:
    (folder / "segment").write_text("acknowledged")
    with pytest.raises(SystemExit, match="would hide"):
        mounts()
    assert not folder.is_mount()


def test_a_volume_that_was_never_used_stays_so_when_it_is_only_looked_at(
    mounts: Callable[..., int], device: Path
) -> None:
    assert mounts("--there") == 4
    assert not device.read_bytes().strip(b"\0")
