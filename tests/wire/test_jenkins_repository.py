"""Jenkins' repository as the role writes it, read by apt itself: one of this test's own, signed by its keys."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from primetime import debs
from primetime.errors import PrimetimeError
from primetime.operations import rendered
from roles.jenkins import repository
from roles.jenkins.settings import Jenkins

PINNED, NEWER = "2.504.3", "2.555.1"


@dataclass(frozen=True)
class Signer:
    """A gpg of its own, with one key."""

    home: Path

    def gpg(self, *words: str) -> str:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", "--yes", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @property
    def fingerprint(self) -> str:
        (found,) = [line.split(":")[9] for line in self.gpg("-k", "--with-colons").splitlines() if line[:3] == "fpr"]
        return found

    def export(self, to: Path) -> Path:
        to.write_text(self.gpg("--armor", "--export"))
        return to


@pytest.fixture(scope="module")
def signers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, Signer]:
    """Who signs, and a stranger."""
    found = []
    for name in ("signs", "stranger"):
        home = tmp_path_factory.mktemp(name)
        home.chmod(0o700)
        found.append(Signer(home))
        found[-1].gpg("--passphrase", "", "--quick-generate-key", name, "ed25519", "sign", "never")
    return found[0], found[1]


@dataclass(frozen=True)
class Repository:
    """A flat archive, as Jenkins' is, of packages without content."""

    folder: Path

    def publish(self, name: str, version: str) -> None:
        tree = self.folder.parent / f"{name}-{version}"
        (tree / "DEBIAN").mkdir(parents=True)
        control = f"Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: a test\nDescription: none\n"
        (tree / "DEBIAN" / "control").write_text(control)
        deb = self.folder / f"{name}_{version}_all.deb"
        subprocess.run(["dpkg-deb", "--build", "-Zgzip", tree, deb], check=True, capture_output=True)

    def sign(self, signer: Signer) -> None:
        index = self.folder / "Packages"
        index.write_text("\n".join(debs.stanza(deb) for deb in sorted(self.folder.glob("*.deb"))))
        digest = hashlib.sha256(index.read_bytes()).hexdigest()
        release = self.folder / "Release"
        release.write_text(f"Origin: a test\nSHA256:\n {digest} {index.stat().st_size} Packages\n")
        signer.gpg("--clearsign", "-o", str(self.folder / "InRelease"), str(release))


@dataclass(frozen=True)
class Host:
    """The apt of a host, in a folder: what the role writes, and nothing else."""

    root: Path
    archive: Repository
    keys: Path

    def configure(self, fingerprint: str) -> None:
        settings = Jenkins(
            repository=f"file:{self.archive.folder}", repository_path="./", key_fingerprint=fingerprint, version=PINNED
        )
        written = {
            "sources.list.d/primetime-jenkins.sources": rendered(
                "templates/jenkins/jenkins.sources.j2", jenkins=settings, key=self.keys
            ),
            "preferences.d/primetime-jenkins": rendered(
                "templates/jenkins/preferences.j2", jenkins=settings, origin=repository.origin(settings)
            ),
        }
        for name, text in written.items():
            (self.root / "etc/apt" / name).write_text(text.text)

    def apt(self, *words: str) -> subprocess.CompletedProcess[str]:
        options = {"Dir": self.root, "APT::Sandbox::User": "root", "Dir::Bin::Methods": "/usr/lib/apt/methods"}
        command = [words[0], *(word for key, value in options.items() for word in ("-o", f"{key}={value}")), *words[1:]]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})

    def update(self) -> subprocess.CompletedProcess[str]:
        return self.apt("apt-get", "update", "--error-on=any")

    def candidate(self, package: str) -> str:
        (found,) = [
            line.split()[1]
            for line in self.apt("apt-cache", "policy", package).stdout.splitlines()
            if "Candidate" in line
        ]
        return found


@pytest.fixture
def host(tmp_path: Path, signers: tuple[Signer, Signer]) -> Host:
    """It trusts the first signer."""
    archive = Repository(tmp_path / "archive")
    archive.folder.mkdir()
    for version in (PINNED, NEWER):
        archive.publish("jenkins", version)
    archive.publish("openssl", "99")
    root = tmp_path / "root"
    for folder in ("sources.list.d", "preferences.d", "apt.conf.d", "trusted.gpg.d"):
        (root / "etc/apt" / folder).mkdir(parents=True)
    for folder in ("var/lib/dpkg", "var/lib/apt/lists/partial", "var/cache/apt/archives/partial"):
        (root / folder).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    made = Host(root, archive, signers[0].export(tmp_path / "key.asc"))
    made.configure(signers[0].fingerprint)
    return made


def test_the_declared_version_is_what_apt_would_install(host: Host, signers: tuple[Signer, Signer]) -> None:
    host.archive.sign(signers[0])
    assert host.update().returncode == 0
    assert host.candidate("jenkins") == PINNED


def test_no_other_package_comes_from_there(host: Host, signers: tuple[Signer, Signer]) -> None:
    host.archive.sign(signers[0])
    host.update()
    assert host.candidate("openssl") == "(none)"


def test_what_a_stranger_has_signed_is_refused(host: Host, signers: tuple[Signer, Signer]) -> None:
    host.archive.sign(signers[1])
    assert "is not signed" in (done := host.update()).stderr
    assert done.returncode != 0


def test_a_stranger_s_key_beside_the_right_one_opens_nothing(host: Host, signers: tuple[Signer, Signer]) -> None:
    """As when a mirror hands out a file with one key more."""
    more = signers[1].export(host.keys.with_name("more.asc")).read_text()
    host.keys.write_text(host.keys.read_text() + more)
    assert repository.fingerprints(host.keys) == [signer.fingerprint for signer in signers]
    host.archive.sign(signers[1])
    assert host.update().returncode != 0
    host.archive.sign(signers[0])
    assert host.update().returncode == 0


def test_an_index_that_was_changed_is_refused(host: Host, signers: tuple[Signer, Signer]) -> None:
    host.archive.sign(signers[0])
    index = host.archive.folder / "Packages"
    index.write_text(index.read_text().replace("Description: none", "Description: evil"))
    assert "Hash Sum mismatch" in (done := host.update()).stderr
    assert done.returncode != 0


@pytest.fixture
def published(tmp_path: Path, signers: tuple[Signer, Signer], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the right key is to be had, by URL."""
    monkeypatch.setenv("PRIMETIME_CACHE", str(tmp_path / "cache"))
    return signers[0].export(tmp_path / "published.asc")


def test_a_key_is_fetched_once_and_not_in_a_dry_run(published: Path, signers: tuple[Signer, Signer]) -> None:
    at, fingerprint = published.as_uri(), signers[0].fingerprint
    assert not repository.key(at, fingerprint, fetch=False).exists()
    kept = repository.key(at, fingerprint, fetch=True)
    published.unlink()
    assert repository.fingerprints(repository.key(at, fingerprint, fetch=True)) == [fingerprint]
    assert repository.key(at, fingerprint, fetch=False) == kept


@pytest.mark.parametrize("way", ["url", "file"])
def test_a_key_with_another_fingerprint_is_refused(published: Path, signers: tuple[Signer, Signer], way: str) -> None:
    at = published.as_uri() if way == "url" else str(published)
    wanted, found = signers[1].fingerprint, signers[0].fingerprint
    with pytest.raises(PrimetimeError, match=f"has {found}, and jenkins_key_fingerprint says {wanted}: find out why"):
        repository.key(at, wanted, fetch=True)
    assert not repository.key(published.as_uri(), wanted, fetch=False).exists()


def test_what_is_no_key_is_refused(published: Path, signers: tuple[Signer, Signer]) -> None:
    published.write_text("<html>moved</html>")
    with pytest.raises(PrimetimeError, match="has no key, and jenkins_key_fingerprint says"):
        repository.key(str(published), signers[0].fingerprint, fetch=True)


def test_a_key_that_cannot_be_had_is_told_with_the_way_out(published: Path, signers: tuple[Signer, Signer]) -> None:
    published.unlink()
    with pytest.raises(
        PrimetimeError, match=r"could not be fetched .*: let this machine reach it once, or write the pat"
    ):
        repository.key(published.as_uri(), signers[0].fingerprint, fetch=True)
    with pytest.raises(PrimetimeError, match=r"jenkins_key: there is no file .*/published.asc on this machine"):
        repository.key(str(published), signers[0].fingerprint, fetch=True)
