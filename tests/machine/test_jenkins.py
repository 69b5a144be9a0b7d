"""The role `jenkins` on a real host. Hudson stands in for Jenkins: docs/jenkins.md says what that leaves unproved."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import shutil
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from primetime import debs
from primetime.inventory import live
from primetime.paths import REPO
from primetime.secrets import topology as secrets
from primetime.topology import load
from roles.jenkins.settings import Jenkins
from tests import hudson
from tests.conftest import Bench
from tests.waiting import wait_for

pytestmark = pytest.mark.long

NAME = "test-jenkins"
HOME = "/opt/primetime/bin/jenkins-home"


@dataclass(frozen=True)
class Server(Bench):
    """The topology, and its job API as the administrator uses it."""

    def ask(self, path: str, body: str | None = None, user: str = "admin") -> str:
        """A GET, or a POST with a body, through the proxy."""
        topology = load(str(self.topology))
        address = live(topology).located["jenkins-1"].address
        password = secrets.value(topology, f"jenkins_{user}").text
        request = urllib.request.Request(
            f"https://{address}:{Jenkins().port}{path}",
            None if body is None else body.encode(),
            {
                "Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode(),
                "Content-Type": "text/xml",
            },
        )
        # whose certificate it is, its promise says
        with urllib.request.urlopen(request, timeout=60, context=ssl._create_unverified_context()) as answer:
            return str(answer.read().decode())

    def json_of(self, path: str) -> dict[str, Any]:
        found = json.loads(self.ask(f"{path}/api/json"))
        assert isinstance(found, dict)
        return found

    def create(self, job: str, command: str, report: str = "none.xml") -> None:
        """A job that runs a shell command on the agent."""
        escaped = command.replace("&", "&amp;").replace("<", "&lt;")
        junit = f"<hudson.tasks.junit.JUnitResultArchiver><testResults>{report}</testResults>"
        self.ask(
            f"/createItem?name={job}",
            "<project><assignedNode>primetime</assignedNode><canRoam>false</canRoam>"
            f"<builders><hudson.tasks.Shell><command>{escaped}</command></hudson.tasks.Shell></builders>"
            f"<publishers>{junit}</hudson.tasks.junit.JUnitResultArchiver></publishers></project>",
        )

    def build(self, job: str, seconds: float) -> dict[str, Any]:
        """What its first build came to."""
        self.ask(f"/job/{job}/build", "")
        found: dict[str, Any] = {}

        def ended() -> bool:
            with contextlib.suppress(urllib.error.HTTPError):  # it is not there before an agent takes it
                found.update(self.json_of(f"/job/{job}/1"))
            return found.get("building") is False

        wait_for(ended, f"{job} to end", seconds)
        return found

    def jobs(self) -> list[str]:
        return sorted(job["name"] for job in self.json_of("")["jobs"])

    def copy(self, path: Path, to: str) -> None:
        config = live(load(str(self.topology))).located["jenkins-1"].ssh_config
        subprocess.run(["scp", "-q", "-F", config, "-r", path, f"jenkins-1:{to}"], check=True)

    def set(self, **settings: Any) -> None:
        """Other settings in its topology; None takes one out."""
        content = yaml.safe_load(self.topology.read_text())
        content["settings"].update(settings)
        content["settings"] = {key: value for key, value in content["settings"].items() if value is not None}
        self.topology.write_text(yaml.safe_dump(content, sort_keys=False))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    file = tmp_path_factory.mktemp("topology") / f"{NAME}.yml"
    file.write_text(hudson.topology(NAME))
    server = Server(file)
    secrets.forget(load(str(file)))  # of a run that died: one of these tests needs a secret that is not there yet
    try:
        hudson.up(server)
        server.run("converge")
        yield server
    finally:
        assert server.json("down", "--yes")["left"] == []


def test_every_promise_is_kept(server: Server) -> None:
    assert server.json("verify")["failed"] == []


def test_a_second_converge_changes_nothing(server: Server) -> None:
    assert server.json("converge")["changes"] == []


def test_a_dry_run_tells_what_a_converge_then_does(server: Server) -> None:
    server.set(jenkins_body_max_mb=65, jenkins_backup_at="04:00")
    told = server.json("converge", "--dry", check=False)["changes"]
    assert told
    assert server.json("converge")["changes"] == told
    assert server.json("converge")["changes"] == []


def test_a_certificate_that_is_given_is_shown_without_a_restart(server: Server, tmp_path: Path) -> None:
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=given.example"),
            "-keyout",
            tmp_path / "key.pem",
            "-out",
            tmp_path / "chain.pem",
        ],
        check=True,
        capture_output=True,
    )
    given = (tmp_path / "chain.pem").read_text() + (tmp_path / "key.pem").read_text()
    main_pid = "systemctl show -P MainPID primetime-jenkins primetime-jenkins-proxy"
    before = server.ssh("jenkins-1", "sh", "-c", main_pid)
    server.set(jenkins_certificate="given")
    lacking = server.run("converge", check=False)
    assert "Secret jenkins_certificate of" in lacking.stderr + lacking.stdout
    secrets.store(load(str(server.topology))).set({"jenkins_certificate": base64.b64encode(given.encode()).decode()})
    server.run("converge")
    address = live(load(str(server.topology))).located["jenkins-1"].address
    assert ssl.get_server_certificate((address, Jenkins().port)).strip() == (tmp_path / "chain.pem").read_text().strip()
    assert server.ssh("jenkins-1", "sh", "-c", main_pid) == before
    assert server.json("verify")["failed"] == []
    assert server.json("converge")["changes"] == []
    server.set(jenkins_certificate=None)
    server.run("converge")
    assert server.json("verify")["failed"] == []


def test_the_job_api_runs_a_job_that_validates_a_role_on_an_agent(server: Server) -> None:
    """The agent is this machine, which makes a fresh host, converges it twice and verifies it, as the job says."""
    command = f"cd {REPO} && bin/primetime validate base --on bookworm --name hudson --junit $WORKSPACE/validate.xml"
    with hudson.agent(server):
        wait_for(
            lambda: str(hudson.RELAYED) in server.ssh("jenkins-1", "ss", "-Hltn", "sport", "=", f":{hudson.RELAYED}"),
            "the way to the agent",
        )
        server.ask(f"/computer/{hudson.AGENT}/launchSlaveAgent", "")
        wait_for(lambda: server.json_of(f"/computer/{hudson.AGENT}")["offline"] is False, "the agent", 60)
        server.create("validate", command, "validate.xml")
        found = server.build("validate", 300)
    console = server.ask("/job/validate/1/consoleText")
    assert (found["result"], found["builtOn"]) == ("SUCCESS", hudson.AGENT), console
    assert "ok (" in console
    report = server.json_of("/job/validate/1/testReport")
    assert (report["failCount"], report["passCount"]) == (0, 6)


def test_who_may_only_look_cannot_make_a_job(server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403"):
        server.ask("/createItem?name=strange", "<project/>", user="viewer")


def test_a_backup_brings_back_what_was_lost(server: Server) -> None:
    server.create("kept", "echo kept")
    server.ssh("jenkins-1", "systemctl", "start", "primetime-jenkins-backup")
    (archive,) = server.ssh("jenkins-1", HOME, "list").split()
    server.ask("/job/kept/doDelete", "")
    server.create("later", "echo later")
    assert "kept" not in server.jobs()
    server.ssh("jenkins-1", HOME, "restore")
    assert "kept" in server.jobs() and "later" not in server.jobs()
    assert server.json_of("/job/validate/1")["result"] == "SUCCESS"
    assert "later" in server.ssh("jenkins-1", "ls", f"{hudson.HOME}.before/jobs")
    assert archive.startswith("/var/backups/primetime-jenkins/home-")
    assert server.json("verify")["failed"] == []
    assert server.json("converge")["changes"] == []


def test_a_damaged_backup_is_refused_and_nothing_is_touched(server: Server) -> None:
    (archive,) = server.ssh("jenkins-1", HOME, "list").split()
    server.ssh("jenkins-1", "sh", "-c", f"cp -p {archive} /root/good && echo x >> {archive}")
    done = server.run("ssh", "jenkins-1", "--", HOME, "restore", archive, check=False)
    assert (done.returncode, "is not what was written" in done.stderr + done.stdout) == (1, True)
    server.ssh("jenkins-1", "sh", "-c", f"cat /root/good > {archive}")
    assert "kept" in server.jobs()


@pytest.fixture
def repository(server: Server, tmp_path: Path) -> dict[str, str]:
    """Settings of a repository in a folder of the host, signed by a key of this test's: its package is Hudson."""
    folder, home = tmp_path / "jenkins-repository", tmp_path / "gpg"
    folder.mkdir()
    home.mkdir(mode=0o700)
    for version in (Jenkins.version, "9.9"):
        tree = tmp_path / version
        for each in ("DEBIAN", "usr/share/java", "lib/systemd/system"):
            (tree / each).mkdir(parents=True)
        shutil.copy(hudson.war(), tree / "usr/share/java/jenkins.war")
        (tree / "lib/systemd/system/jenkins.service").write_text("[Service]\nExecStart=/bin/false\n")
        (tree / "DEBIAN/control").write_text(
            f"Package: jenkins\nVersion: {version}\nArchitecture: all\nMaintainer: a test\nDescription: Hudson\n"
        )
        deb = folder / f"jenkins_{version}_all.deb"
        subprocess.run(["dpkg-deb", "--build", "-Znone", tree, deb], check=True, capture_output=True)
    index, release = folder / "Packages", folder / "Release"
    index.write_text("\n".join(debs.stanza(deb) for deb in sorted(folder.glob("*.deb"))))
    digest = hashlib.sha256(index.read_bytes()).hexdigest()
    release.write_text(f"Origin: a test\nSHA256:\n {digest} {index.stat().st_size} Packages\n")
    gpg = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--passphrase", ""]
    subprocess.run([*gpg, "--quick-generate-key", "a test", "ed25519", "sign", "never"], check=True)
    subprocess.run([*gpg, "--clearsign", "-o", folder / "InRelease", release], check=True)
    subprocess.run([*gpg, "--armor", "--export", "-o", tmp_path / "key.asc"], check=True)
    listed = subprocess.run([*gpg, "-k", "--with-colons"], check=True, capture_output=True, text=True).stdout
    (fingerprint,) = [line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr")]
    server.copy(folder, "/srv/")
    return {
        "jenkins_repository": f"file:/srv/{folder.name}",
        "jenkins_repository_path": "./",
        "jenkins_key": str(tmp_path / "key.asc"),
        "jenkins_key_fingerprint": fingerprint,
    }


def test_the_package_comes_from_a_repository_whose_key_is_pinned(server: Server, repository: dict[str, str]) -> None:
    server.set(jenkins_war=None, jenkins_war_sha256=None, **repository)
    stranger = "0" * 40
    server.set(jenkins_key_fingerprint=stranger)
    refused = server.run("converge", check=False)
    assert refused.returncode == 1
    assert f"and jenkins_key_fingerprint says {stranger}: find out why" in refused.stderr + refused.stdout
    server.set(**repository)
    server.run("converge")
    installed = server.ssh("jenkins-1", "dpkg-query", "-W", "-f", "${Version}", "jenkins")
    assert installed == Jenkins.version, "a newer one is there, and not the declared one"
    assert "/usr/share/java/jenkins.war" in server.ssh("jenkins-1", "systemctl", "cat", "primetime-jenkins")
    assert server.json("verify")["failed"] == []
    assert server.json("converge")["changes"] == []
    assert "kept" in server.jobs()
