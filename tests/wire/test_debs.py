"""Packages for hosts, from a mirror of this test's own: what is fetched, when again, and what is said without it."""

from __future__ import annotations

import subprocess
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from primetime import debs
from primetime.debs import DebSet
from primetime.errors import PrimetimeError


@dataclass(frozen=True)
class Mirror:
    """A flat archive of packages without content."""

    folder: Path

    def publish(self, name: str, version: str = "1", depends: str = "") -> None:
        """Replace a package by this version, as mirrors do."""
        for old in self.folder.glob(f"{name}_*.deb"):
            old.unlink()
        tree = self.folder.parent / "tree"
        (tree / "DEBIAN").mkdir(parents=True, exist_ok=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a test\nDescription: none\n"
        (tree / "DEBIAN" / "control").write_text(control + (f"Depends: {depends}\n" if depends else ""))
        run("dpkg-deb", "--build", "-Zgzip", str(tree), str(self.folder / f"{name}_{version}_all.deb"))
        self._index()

    def _index(self) -> None:
        stanzas = [debs.stanza(deb) for deb in sorted(self.folder.glob("*.deb"))]
        (self.folder / "Packages").write_text("\n".join(stanzas))


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


def content(tar: Path) -> list[str]:
    with tarfile.open(tar) as archive:
        return sorted(name for name in archive.getnames() if name.endswith(".deb"))


@pytest.fixture
def mirror(tmp_path: Path) -> Mirror:
    made = Mirror(tmp_path / "mirror")
    made.folder.mkdir()
    made.publish("lib")
    made.publish("server", depends="lib, system")
    made.publish("system")
    return made


@pytest.fixture
def root(tmp_path: Path, mirror: Mirror, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An image's root: it has `system`, and the mirror's lists as they are now."""
    monkeypatch.setenv("PRIMETIME_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "cache" / "images" / "image" / "root"
    for folder in ("etc/apt/apt.conf.d", "etc/apt/preferences.d", "var/lib/dpkg", "var/lib/apt/lists/partial"):
        (root / folder).mkdir(parents=True)
    (root / "etc/apt/sources.list").write_text(f"deb [trusted=yes] copy:{mirror.folder} ./\n")
    (root / "var/lib/dpkg/status").write_text(
        "Package: system\nStatus: install ok installed\nVersion: 1\nArchitecture: all\nMaintainer: a test\n"
        "Description: none\n"
    )
    refresh(root)
    return root


def refresh(root: Path) -> None:
    lists = root / "var/lib/apt/lists"
    run("apt-get", "-o", f"Dir={root}", "-o", f"Dir::State::lists={lists}", "-o", "APT::Sandbox::User=root", "update")


def server(root: Path) -> DebSet:
    return DebSet.of(["server"], root)


def damage(tar: Path) -> None:
    data = bytearray(tar.read_bytes())
    data[len(data) // 2] ^= 1
    tar.write_bytes(data)


def test_a_set_is_what_the_image_lacks(root: Path) -> None:
    assert content(debs.ensure(server(root))) == ["lib_1_all.deb", "server_1_all.deb"]


def test_fetching_leaves_the_image_as_it_is(root: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    debs.ensure(server(root))
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before


def test_a_cached_set_needs_no_mirror(root: Path, mirror: Mirror) -> None:
    debs.ensure(server(root))
    mirror.folder.rename(mirror.folder.with_name("unreachable"))
    assert content(debs.ensure(server(root), check=True)) == ["lib_1_all.deb", "server_1_all.deb"]


def test_a_damaged_set_is_fetched_again(root: Path) -> None:
    tar = debs.ensure(server(root))
    damage(tar)
    damaged = tar.read_bytes()
    debs.ensure(server(root), check=True)
    assert tar.read_bytes() != damaged
    assert content(tar) == ["lib_1_all.deb", "server_1_all.deb"]


def test_a_damaged_set_without_a_mirror_is_an_error_that_says_what_to_do(root: Path, mirror: Mirror) -> None:
    damage(debs.ensure(server(root)))
    mirror.folder.rename(mirror.folder.with_name("unreachable"))
    with pytest.raises(PrimetimeError, match=r"(?s)packages server are not in .* bring a filled cache"):
        debs.ensure(server(root), check=True)


def test_a_version_that_the_mirror_has_dropped_is_found_with_new_lists(root: Path, mirror: Mirror) -> None:
    mirror.publish("lib", "2")
    assert content(debs.ensure(server(root))) == ["lib_2_all.deb", "server_1_all.deb"]


def test_a_package_that_the_mirror_does_not_have_is_named(root: Path) -> None:
    with pytest.raises(PrimetimeError, match="Unable to locate package nosuch"):
        debs.ensure(DebSet.of(["nosuch"], root))


def test_the_sets_of_an_image_that_is_gone_go_with_the_next_fetch(root: Path) -> None:
    left = debs.ensure(server(root)).parent.with_name("older")
    left.mkdir()
    debs.ensure(DebSet.of(["lib"], root))
    assert not left.exists()
