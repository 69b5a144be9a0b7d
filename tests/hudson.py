"""Hudson 3.3.2 on Java 8, which stands in for Jenkins where Jenkins cannot be had: what makes one of it.

It is Jenkins' ancestor and speaks the same job API. It has no Configuration as Code, no pipelines and no crumbs, so its
accounts stand in files of its own: the same as Jenkins', with the same passwords.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import shutil
import socket
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any

import yaml

from primetime import jars
from primetime.drivers.nspawn import sources
from primetime.inventory import live
from primetime.paths import REPO, cache
from primetime.secrets import topology as secrets
from primetime.topology import load
from tests.conftest import Bench

# The same rights as roles/jenkins/accounts.py gives, in Hudson's words.
RIGHTS = {
    "admin": ("hudson.model.Hudson.Administer",),
    "ops": ("hudson.model.Hudson.Read", "hudson.model.Item.Read", "hudson.model.Item.Build"),
    "viewer": ("hudson.model.Hudson.Read", "hudson.model.Item.Read"),
}
HOME = "/var/lib/primetime-jenkins"
RELEASE = "trixie"  # Java 8 is in no release of Debian's: unstable's is linked against a libc that bookworm has not
JAVA = "openjdk-8-jre-headless"
OPTIONS = (
    f"-DHUDSON_HOME={HOME}",
    "-Dhudson.udp=1",  # a port that its user may not open: it goes on without one, which would be open to everybody
    "-Dhudson.DNSMultiCast.disabled=true",
)
SECURITY = """<?xml version="1.0" encoding="UTF-8"?>
<hudsonSecurityManager>
  <useSecurity>true</useSecurity>
  <slaveAgentPort>-1</slaveAgentPort>
  <authorizationStrategy class="hudson.security.GlobalMatrixAuthorizationStrategy">
    {permissions}
  </authorizationStrategy>
  <securityRealm class="hudson.security.HudsonPrivateSecurityRealm"><disableSignup>true</disableSignup></securityRealm>
</hudsonSecurityManager>
"""
AGENT = "primetime-1"
RELAYED = 4444  # a port of the host's loopback, for as long as an agent is connected
CONFIG = f"""<?xml version="1.0" encoding="UTF-8"?>
<hudson>
  <numExecutors>0</numExecutors>
  <slaves>
    <slave>
      <name>{AGENT}</name>
      <remoteFS>/tmp/hudson-agent</remoteFS>
      <numExecutors>1</numExecutors>
      <mode>EXCLUSIVE</mode>
      <retentionStrategy class="hudson.slaves.RetentionStrategy$Always"/>
      <launcher class="hudson.slaves.CommandLauncher">
        <agentCommand>python3 {HOME}/relay.py {RELAYED}</agentCommand>
      </launcher>
      <label>primetime</label>
      <nodeProperties/>
    </slave>
  </slaves>
</hudson>
"""
# Hudson's agents speak through a command's standard streams; Jenkins' come as WebSockets.
RELAY = """
import os, socket, sys, threading
agent = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
def onwards():
    while said := os.read(0, 65536):
        agent.sendall(said)
    agent.shutdown(socket.SHUT_WR)
threading.Thread(target=onwards, daemon=True).start()
while answered := agent.recv(65536):
    os.write(1, answered)
"""
# What its agent of Java 8's time reaches into, by reflection, on Java 17.
OPENED = ("java.lang", "java.util", "java.net", "java.io")
USER = """<?xml version="1.0" encoding="UTF-8"?>
<user>
  <fullName>{user}</fullName>
  <properties>
    <hudson.security.HudsonPrivateSecurityRealm_-Details>
      <passwordHash>{hash}</passwordHash>
    </hudson.security.HudsonPrivateSecurityRealm_-Details>
  </properties>
</user>
"""


def settings() -> dict[str, Any]:
    """What a topology says so that its Jenkins is Hudson."""
    brought = {"war": war(), "java": java()}
    digests = {
        f"jenkins_{name}_sha256": hashlib.sha256(path.read_bytes()).hexdigest() for name, path in brought.items()
    }
    return {
        **{f"jenkins_{name}": str(path) for name, path in brought.items()},
        **digests,
        "jenkins_java_options": list(OPTIONS),
        "jenkins_arguments": ["--skipInitSetup"],
        "jenkins_plugins": str(plugins()),
        "jenkins_plugins_from": plugins().parent.as_uri(),
        "jenkins_jobs_from": "https://git.example/primetime",  # written, and read by nobody: as is all of jenkins.yaml
    }


def topology(name: str) -> str:
    """A topology file's content: jenkins-1, which is Hudson."""
    groups = {"jenkins": {"roles": ["jenkins"], "count": 1, "memory_mb": 1024}}
    head = {"name": name, "provider": "nspawn", "image": RELEASE, "shows": ["rehearsal"]}
    return yaml.safe_dump({**head, "groups": groups, "settings": settings()}, sort_keys=False)


def up(bench: Bench) -> None:
    """A host with Hudson's files on it, before anything is converged: it is never open to everybody."""
    bench.run("up", "--yes")
    made = load(str(bench.topology))
    content = base64.b64encode(home(lambda user: secrets.value(made, f"jenkins_{user}").text)).decode()
    bench.ssh(
        "jenkins-1",
        "sh",
        "-c",
        f"useradd --system --user-group -d {HOME} -s /usr/sbin/nologin jenkins && install -d -m 750 {HOME} && "
        f"echo {content} | base64 -d | tar -x -C {HOME} && chown -R jenkins:jenkins {HOME}",
    )


def war() -> Path:
    """Hudson's, from Maven's registry, as locked."""
    folder = jars.ensure(source=REPO / "tests" / "jenkins" / "hudson")
    subprocess.run(["tar", "-xf", folder / jars.TAR, "-C", folder], check=True)
    return next(folder.glob("*.war"))


@contextmanager
def agent(bench: Bench) -> Iterator[None]:
    """This machine as the agent of a host's Hudson: it makes hosts, as an agent of Jenkins' does."""
    with tempfile.TemporaryDirectory() as folder, socket.create_server(("127.0.0.1", 0)) as waiting:
        with zipfile.ZipFile(war()) as archive:
            jar = archive.extract("WEB-INF/slave.jar", folder)
        opens = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in OPENED]
        started: list[subprocess.Popen[bytes]] = []

        def serve() -> None:
            with suppress(OSError):
                while True:
                    with waiting.accept()[0] as channel:
                        started.append(subprocess.Popen(["java", *opens, "-jar", jar], stdin=channel, stdout=channel))

        Thread(target=serve, daemon=True).start()
        config = live(load(str(bench.topology))).located["jenkins-1"].ssh_config
        there = f"127.0.0.1:{RELAYED}:127.0.0.1:{waiting.getsockname()[1]}"
        options = ["-o", "ControlPath=none", "-o", "ExitOnForwardFailure=yes"]
        tunnel = subprocess.Popen(["ssh", "-F", config, *options, "-N", "-R", there, "jenkins-1"])
        try:
            yield
        finally:
            waiting.shutdown(socket.SHUT_RDWR)
            for process in (tunnel, *started):
                process.terminate()
                process.wait()
            shutil.rmtree("/tmp/hudson-agent", ignore_errors=True)


def plugins() -> Path:
    """A lock with one plugin, which lies beside it as a mirror has it. Hudson does not look at files of that name."""
    folder = cache() / "stand-in"
    archive = folder / "standin" / "1" / "standin.hpi"
    archive.parent.mkdir(parents=True, exist_ok=True)
    archive.write_bytes(b"a plugin that stands in\n")
    lock = folder / "plugins.lock"
    lock.write_text(f"standin 1 {hashlib.sha256(archive.read_bytes()).hexdigest()}\n")
    return lock


def java() -> Path:
    """A tar of Java 8 as Debian's unstable has it, by this machine's apt, with bin/java at its top."""
    made = cache() / "java8" / "jre.tar"
    if not made.exists():
        made.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=made.parent) as making:
            root = Path(making)
            _download(root)
            _own(root, jre := next(root.glob("tree/usr/lib/jvm/java-8-openjdk-*/jre")))
            subprocess.run(["tar", "-C", jre, "-cf", root / "jre.tar", "."], check=True)
            (root / "jre.tar").rename(made)
    return made


def _download(root: Path) -> None:
    """The package, unpacked into root/tree; with lists of its own, so that this machine's stay as they are."""
    lists, archives = root / "lists", root / "cache"
    for folder in (lists / "partial", archives / "archives" / "partial"):
        folder.mkdir(parents=True)
    (root / "sources.list").write_text(
        "".join(f"{line}\n" for line in sources.machine_sources("sid") if " sid " in line)
    )
    options = {"Dir::Etc::SourceList": root / "sources.list", "Dir::Etc::SourceParts": "-", "Dir::State::Lists": lists}
    options |= {"Dir::Cache": archives, "APT::Sandbox::User": "root"}
    apt = ["apt-get", "-q", *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
    for words in (["update", "--error-on=any"], ["download", JAVA]):
        subprocess.run([*apt, *words], cwd=root, check=True, capture_output=True)
    subprocess.run(["dpkg-deb", "-x", next(root.glob("*.deb")), root / "tree"], check=True)


def _own(root: Path, jre: Path) -> None:
    """In place of links out of the folder, what they lead to."""
    for link in [path for path in jre.rglob("*") if path.is_symlink() and str(path.readlink()).startswith("/")]:
        target = root / "tree" / str(link.readlink()).lstrip("/")
        link.unlink()
        if target.is_dir():
            shutil.copytree(target, link)
        elif target.exists():
            os.link(target, link)


def home(password: Callable[[str], str]) -> bytes:
    """A tar of the files that close Hudson: `password` knows that of each account."""
    permissions = [f"<permission>{right}:{user}</permission>" for user, rights in RIGHTS.items() for right in rights]
    found = {"config.xml": CONFIG, "relay.py": RELAY}
    found["hudson-security.xml"] = SECURITY.format(permissions="\n    ".join(permissions))
    for user in RIGHTS:
        found[f"users/{user}/config.xml"] = USER.format(user=user, hash=hashed(password(user)))
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, text in found.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o640
            archive.addfile(member, io.BytesIO(text.encode()))
    return content.getvalue()


def hashed(password: str) -> str:
    """As Hudson keeps a password."""
    salt = "standin"
    return f"{salt}:{hashlib.sha256(f'{password}{{{salt}}}'.encode()).hexdigest()}"
