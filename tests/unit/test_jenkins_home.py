"""What backs up Jenkins' home, run as it lands on a host; that it restores is proved on one."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from primetime.operations import rendered
from roles.jenkins.settings import Jenkins

KEPT = ("jobs/a/config.xml", "jobs/a/builds/1/log", "users/admin/config.xml", "secrets/master.key", "config.xml")
LEFT = ("war/WEB-INF/web.xml", "plugins/git.jpi", "jobs/a/workspace/file", "workspace/a/file", "logs/x", "caches/y")


@dataclass(frozen=True)
class Home:
    folder: Path
    program: Path

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, str(self.program), *words], capture_output=True, text=True)

    def archives(self) -> list[Path]:
        return sorted((self.folder / "backups").glob("*.tar.gz"))

    def older(self, name: str) -> None:
        """An archive of another night, with its digest."""
        (newest,) = self.archives()[-1:]
        digest = newest.with_name(f"{newest.name}.sha256")
        newest.with_name(name).write_bytes(newest.read_bytes())
        newest.with_name(f"{name}.sha256").write_text(digest.read_text())


@pytest.fixture
def home(tmp_path: Path) -> Home:
    for name in (*KEPT, *LEFT):
        file = tmp_path / "home" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    (tmp_path / "backups").mkdir()
    settings = Jenkins(backup_path=str(tmp_path / "backups"), backup_keep=3)
    program = tmp_path / "jenkins-home"
    program.write_text(
        rendered("templates/jenkins/jenkins-home.py.j2", jenkins=settings, home=str(tmp_path / "home")).text
    )
    return Home(tmp_path, program)


def test_an_archive_has_what_only_jenkins_knows(home: Home) -> None:
    done = home.run("backup")
    (archive,) = home.archives()
    assert (done.returncode, done.stdout) == (0, f"{archive}\n")
    with tarfile.open(archive) as opened:
        assert {member.name.removeprefix("./") for member in opened if member.isfile()} == set(KEPT)


def test_an_archive_and_its_digest_are_nobody_else_s(home: Home) -> None:
    home.run("backup")
    assert {path.stat().st_mode & 0o777 for path in (home.folder / "backups").iterdir()} == {0o600}


def test_as_many_are_kept_as_declared_the_newest(home: Home) -> None:
    home.run("backup")
    for day in (1, 2, 3, 4):
        home.older(f"home-2020010{day}T000000Z.tar.gz")
    home.run("backup")
    assert len(home.archives()) == 3
    assert "20200102" not in home.run("list").stdout and "20200101" not in home.run("list").stdout
    assert home.run("list").stdout.split() == [str(path) for path in home.archives()]
    assert len(list((home.folder / "backups").iterdir())) == 6


def test_what_was_not_finished_is_no_archive(home: Home) -> None:
    (home.folder / "backups" / "home-20200101T000000Z.tar.gz").write_text("half")
    assert home.run("list").stdout == "\n"
    assert "there is no archive at all" in home.run("restore").stderr


def test_a_damaged_archive_is_refused_before_anything_is_touched(home: Home) -> None:
    home.run("backup")
    (archive,) = home.archives()
    archive.write_bytes(archive.read_bytes() + b"x")
    done = home.run("restore", archive.name)
    assert (done.returncode, f"{archive} is not what was written" in done.stderr) == (1, True)
    assert (home.folder / "home" / "config.xml").read_text() == "config.xml"
    assert not (home.folder / "home.coming").exists()


def test_a_home_that_cannot_be_read_leaves_no_archive(home: Home) -> None:
    (home.folder / "home").rename(home.folder / "away")
    done = home.run("backup")
    assert (done.returncode, "the home was not read" in done.stderr) == (1, True)
    assert list((home.folder / "backups").iterdir()) == []


@pytest.mark.parametrize("words", [[], ["backup", "x"], ["restore", "a", "b"], ["nothing"]])
def test_what_it_does_not_know_is_answered_with_what_it_does(home: Home, words: list[str]) -> None:
    done = home.run(*words)
    assert (done.returncode, "jenkins-home backup | list | restore" in done.stderr) == (2, True)
