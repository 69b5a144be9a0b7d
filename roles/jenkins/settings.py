"""Jenkins: its knobs, and what it exposes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from primetime.endpoints import Endpoint
from primetime.secrets.declared import Secret

HASHED = "Jenkins restarts with the new hash; whoever has the old one is refused"
PACKAGE_NEEDS = ("adduser", "net-tools", "psmisc", "procps")  # what Jenkins' own package asks for, as far as known here


@dataclass(frozen=True)
class Jenkins:
    """The controller behind a proxy that speaks TLS. It runs no job itself: agents connect to it and do."""

    group: ClassVar[str] = "jenkins"
    services: ClassVar[tuple[str, ...]] = ("primetime-jenkins", "primetime-jenkins-proxy")
    packages: ClassVar[tuple[str, ...]] = (
        "default-jre-headless",  # 17 on bookworm, 21 on trixie and noble
        "fontconfig",  # without a font it does not start
        "git",
        "nginx",
        "openssl",
        *PACKAGE_NEEDS,
    )
    packages_on: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "jammy": (
            "openjdk-17-jre-headless",
            "fontconfig",
            "git",
            "nginx",
            "openssl",
            *PACKAGE_NEEDS,
        )  # its own Java is 11
    }
    single: ClassVar[bool] = True
    heap_weight: ClassVar[int] = 1
    secrets: ClassVar[tuple[Secret, ...]] = (
        Secret("jenkins_admin", "whoever may change Jenkins", HASHED),
        Secret("jenkins_ops", "whoever starts jobs and lets a deploy go on", HASHED),
        Secret("jenkins_viewer", "whoever looks", HASHED),
        Secret("jenkins_salt", "salts the hashes of the passwords", HASHED),
        Secret(
            "jenkins_certificate",
            "the chain and the key that the proxy shows, in one PEM",
            "the proxy loads it, nobody restarts",
            random_bytes=0,
            when="certificate",
        ),
    )

    port: int = 443
    http_port: int = 8080  # from the proxy only
    body_max_mb: int = 64  # what a build archives comes by its agent's connection, in pieces

    # A package of Jenkins' own Debian repository of long-term releases. The key is fetched by the machine that
    # converges and is refused with another fingerprint. Both may be a mirror's, or a folder's: file:/srv/jenkins
    version: str = "2.504.3"  # the last one of its line, on Java 17 or 21
    repository: str = "https://pkg.jenkins.io/debian-stable"
    repository_path: str = "binary/"
    key: str = "https://pkg.jenkins.io/debian-stable/jenkins.io-2026.key"  # or a file on the machine that converges
    key_fingerprint: str = "5E386EADB55F01504CAE8BCF7198F4B714ABFC68"

    # In place of the package: a war, a file on the machine that converges, and its digest.
    war: str = ""
    war_sha256: str = ""
    # In place of the distribution's Java: a tar there with bin/java at its top, and its digest.
    java: str = ""
    java_sha256: str = ""
    java_options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()  # of the war

    plugins: str = "roles/jenkins/plugins.lock"  # or another lock; "": none, as for a war that is not Jenkins
    plugins_from: str = "https://updates.jenkins.io/download/plugins"  # or a mirror, or file:/srv/plugins

    agents: tuple[str, ...] = ("primetime-1",)  # Debian machines with root and two cores each
    agent_path: str = "/var/lib/primetime-agent"  # on them
    jobs_from: str = ""  # where this repository is to be had, by https; no jobs when empty
    jobs_branch: str = "main"

    backup_path: str = (
        "/var/backups/primetime-jenkins"  # a volume of its own, if the archives are to outlive the machine
    )
    backup_at: str = "03:30"
    backup_keep: int = 14

    # "given": the secret jenkins_certificate; "": the host makes one that nobody has signed but itself
    certificate: Literal["", "given"] = ""
    certificate_days: int = 398  # no browser takes a longer one

    def exposes(self) -> list[Endpoint]:
        return [
            Endpoint("https", self.port, open_to=["controller", "monitoring"], protocol="tls"),
            Endpoint("http", self.http_port, protocol="http", loopback=True),
        ]


SETTINGS = (Jenkins,)
