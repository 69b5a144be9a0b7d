"""Jenkins' plugins: what the lock holds, how it is made, and what is brought and refused."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tarfile
from pathlib import Path
from typing import Any

import pytest

from primetime.errors import PrimetimeError
from roles.jenkins import plugins
from roles.jenkins.plugins import LOCK, ROOTS, Plugin, ensure, locked, resolved, write_lock


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two plugins as an update center has them."""
    monkeypatch.setenv("PRIMETIME_CACHE", str(tmp_path / "cache"))
    for name in ("a", "b"):
        archive = tmp_path / "mirror" / name / "1" / f"{name}.hpi"
        archive.parent.mkdir(parents=True)
        archive.write_bytes(name.encode())
    return tmp_path / "mirror"


A, B = (Plugin(name, "1", digest(name.encode())) for name in ("a", "b"))


def content(tar: Path) -> dict[str, bytes]:
    with tarfile.open(tar) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_the_lock_names_each_plugin_once_with_a_digest() -> None:
    found = locked(LOCK)
    assert len({plugin.name for plugin in found}) == len(found)
    assert [plugin.name for plugin in found if not re.fullmatch(r"[0-9a-f]{64}", plugin.sha256)] == []


def test_the_lock_has_what_the_configuration_speaks_of() -> None:
    assert set(ROOTS) - {plugin.name for plugin in locked(LOCK)} == set()


def test_without_a_lock_there_is_nothing_to_bring() -> None:
    assert locked("") == []


def test_plugins_become_one_tar_under_the_names_that_jenkins_reads(mirror: Path) -> None:
    assert content(ensure([A, B], mirror.as_uri())) == {"a.jpi": b"a", "b.jpi": b"b"}


def test_what_is_in_the_cache_needs_no_mirror(mirror: Path) -> None:
    ensure([A, B], mirror.as_uri())
    mirror.rename(mirror.with_name("away"))
    assert content(ensure([A, B], mirror.as_uri())).keys() == {"a.jpi", "b.jpi"}
    assert content(ensure([B], mirror.as_uri())).keys() == {"b.jpi"}


def test_another_archive_than_the_locked_one_is_refused_and_not_kept(mirror: Path) -> None:
    (mirror / "b" / "1" / "b.hpi").write_bytes(b"evil")
    refusal = rf"b/1/b.hpi has sha256 {digest(b'evil')}, and the lock says {B.sha256}: find out why"
    for _ in range(2):
        with pytest.raises(PrimetimeError, match=refusal):
            ensure([A, B], mirror.as_uri())
    (mirror / "b" / "1" / "b.hpi").write_bytes(b"b")
    assert content(ensure([A, B], mirror.as_uri()))["b.jpi"] == b"b"


def test_a_plugin_that_cannot_be_had_is_told_with_the_ways_out(mirror: Path) -> None:
    (mirror / "b" / "1" / "b.hpi").unlink()
    with pytest.raises(
        PrimetimeError, match=r"b/1/b.hpi could not be fetched .* name a mirror in jenkins_plugins_from"
    ):
        ensure([A, B], mirror.as_uri())


def offered(**needs: list[tuple[str, bool]]) -> dict[str, Any]:
    """An index: plugin → what it needs, and whether that is optional."""
    return {
        "plugins": {
            name: {
                "version": f"{name}-1",
                "sha256": base64.b64encode(hashlib.sha256(name.encode()).digest()).decode(),
                "dependencies": [{"name": needed, "optional": optional} for needed, optional in of],
            }
            for name, of in needs.items()
        }
    }


def test_what_plugins_need_is_locked_with_them_and_what_is_optional_is_not() -> None:
    index = offered(a=[("b", False), ("d", True)], b=[("c", False)], c=[("a", False)], d=[], e=[])
    assert resolved(index, ["a"]) == [Plugin(name, f"{name}-1", digest(name.encode())) for name in "abc"]


def test_a_plugin_that_is_not_offered_is_named() -> None:
    with pytest.raises(PrimetimeError, match="the update center has no plugin b"):
        resolved(offered(a=[("b", False)]), ["a"])


def test_a_lock_that_was_written_reads_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "ROOTS", ("a",))
    (tmp_path / "index.json").write_text(json.dumps(offered(a=[("b", False)], b=[])))
    write_lock(str(tmp_path / "index.json"), tmp_path / "lock")
    assert [plugin.name for plugin in locked(str(tmp_path / "lock"))] == ["a", "b"]
    write_lock((tmp_path / "index.json").as_uri(), tmp_path / "other")
    assert (tmp_path / "other").read_text() == (tmp_path / "lock").read_text()
