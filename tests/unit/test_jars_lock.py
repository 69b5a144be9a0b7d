"""Jars: only what is locked is used, and nothing half-done is left. Maven is faked as a program on PATH."""

from __future__ import annotations

import hashlib
import os
import re
import tarfile
from pathlib import Path

import pytest

from primetime import jars
from primetime.errors import PrimetimeError

ONE, TWO = b"the bytes of one", b"the bytes of two"

MVN = """#!/bin/sh
echo "$@" >> {calls}
for argument in "$@"; do case "$argument" in -DoutputDirectory=*) to="${{argument#*=}}";; esac; done
mkdir -p "$to" && cp {registry}/* "$to"
"""


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Maven brings: two jars, as locked in `source`."""
    folder, tools = tmp_path / "registry", tmp_path / "bin"
    folder.mkdir()
    tools.mkdir()
    (folder / "one-1.0.jar").write_bytes(ONE)
    (folder / "two-2.0.jar").write_bytes(TWO)
    (tools / "mvn").write_text(MVN.format(calls=tmp_path / "calls", registry=folder))
    (tools / "mvn").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("PRIMETIME_CACHE", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "pom.xml").write_text("<project/>")
    (folder / "SHA256SUMS").write_text(f"{sha256(ONE)}  one-1.0.jar\n{sha256(TWO)}  two-2.0.jar\n")
    return folder


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "cache" / "jars").iterdir() if path.name != ".lock")


def test_locked_jars_become_one_tar(registry: Path, source: Path) -> None:
    with tarfile.open(jars.ensure(source=source) / "jars.tar") as tar:
        assert tar.getnames() == ["one-1.0.jar", "two-2.0.jar"]


@pytest.mark.parametrize("name", ["pom.xml", "SHA256SUMS"])
def test_a_change_of_pom_or_lock_is_another_version(source: Path, name: str) -> None:
    before = jars.version(source)
    (source / name).write_text("changed")
    assert jars.version(source) != before


def test_versions_stand_side_by_side(registry: Path, source: Path, tmp_path: Path) -> None:
    jars.ensure(source=source)
    (source / "pom.xml").write_text("<project>changed</project>")
    jars.ensure(source=source)
    assert len(cached(tmp_path)) == 2


def test_what_is_in_the_cache_is_not_fetched_again(registry: Path, source: Path, tmp_path: Path) -> None:
    jars.ensure(source=source)
    jars.ensure(source=source)
    assert len((tmp_path / "calls").read_text().splitlines()) == 1


def test_maven_keeps_its_repository_in_the_cache(registry: Path, source: Path, tmp_path: Path) -> None:
    jars.ensure(source=source)
    assert f"-Dmaven.repo.local={tmp_path / 'cache' / 'm2'}" in (tmp_path / "calls").read_text()


def test_another_jar_than_the_locked_one_is_refused_by_name_with_both_sums(registry: Path, source: Path) -> None:
    (registry / "two-2.0.jar").write_bytes(b"other bytes")
    with pytest.raises(PrimetimeError) as refused:
        jars.ensure(source=source)
    assert all(said in str(refused.value) for said in ("two-2.0.jar", sha256(TWO), sha256(b"other bytes")))


def test_a_jar_that_is_not_locked_is_refused(registry: Path, source: Path) -> None:
    (registry / "three-3.0.jar").write_bytes(b"three")
    with pytest.raises(PrimetimeError, match=r"three-3\.0\.jar: .* wants sha256 of no such jar"):
        jars.ensure(source=source)


def test_a_locked_jar_that_maven_does_not_bring_is_named(registry: Path, source: Path) -> None:
    (registry / "one-1.0.jar").unlink()
    with pytest.raises(PrimetimeError, match=r"one-1\.0\.jar: .* Maven brought none"):
        jars.ensure(source=source)


def test_a_refusal_names_the_file_to_remove(registry: Path, source: Path, tmp_path: Path) -> None:
    kept = tmp_path / "cache" / "m2" / "org" / "two" / "2.0" / "two-2.0.jar"
    kept.parent.mkdir(parents=True)
    kept.touch()
    (registry / "two-2.0.jar").write_bytes(b"other bytes")
    with pytest.raises(PrimetimeError, match=re.escape(f"remove {kept} and run again")):
        jars.ensure(source=source)


def test_after_a_refusal_the_right_jar_is_taken(registry: Path, source: Path) -> None:
    (registry / "two-2.0.jar").write_bytes(b"other bytes")
    with pytest.raises(PrimetimeError):
        jars.ensure(source=source)
    (registry / "two-2.0.jar").write_bytes(TWO)
    assert (jars.ensure(source=source) / "jars.tar").is_file()


def test_a_refusal_leaves_nothing_behind(registry: Path, source: Path, tmp_path: Path) -> None:
    (registry / "two-2.0.jar").write_bytes(b"other bytes")
    with pytest.raises(PrimetimeError):
        jars.ensure(source=source)
    assert cached(tmp_path) == []


def test_what_a_killed_run_left_is_removed(registry: Path, source: Path, tmp_path: Path) -> None:
    (tmp_path / "cache" / "jars" / ".new-killed" / "fetched").mkdir(parents=True)
    made = jars.ensure(source=source)
    assert cached(tmp_path) == [made.name]


def test_the_same_jars_make_the_same_tar_whenever_they_were_fetched(registry: Path, tmp_path: Path) -> None:
    jars.pack(registry, tmp_path / "a.tar")
    for path in registry.iterdir():
        path.chmod(0o600)
        os.utime(path, (1, 1))
    jars.pack(registry, tmp_path / "b.tar")
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()


def test_a_failing_maven_is_quoted_without_its_registry_s_password(
    registry: Path, source: Path, tmp_path: Path
) -> None:
    (tmp_path / "bin" / "mvn").write_text("#!/bin/sh\necho '[ERROR] no route to http://me:secret@mirror/x'; exit 1\n")
    with pytest.raises(PrimetimeError) as failed:
        jars.ensure(source=source)
    assert "[ERROR] no route to http://mirror/x" in str(failed.value)


def test_without_maven_the_error_says_how_to_install_it(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PRIMETIME_CACHE", str(tmp_path / "cache"))
    with pytest.raises(PrimetimeError, match="apt install maven"):
        jars.ensure(source=source)


def test_the_lock_is_written_from_what_maven_brings(registry: Path, source: Path) -> None:
    wanted = (source / "SHA256SUMS").read_text()
    (source / "SHA256SUMS").write_text("")
    jars.write_lock(source)
    assert (source / "SHA256SUMS").read_text() == wanted


def test_every_locked_jar_has_a_sha256_and_a_name_of_its_own() -> None:
    lines = (jars.SOURCE / jars.LOCK).read_text().splitlines()
    assert all(re.fullmatch(r"[0-9a-f]{64}  [\w.+-]+\.jar", line) for line in lines)
    assert len({line.split()[1] for line in lines}) == len(lines)
