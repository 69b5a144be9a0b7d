"""Nagios: its knobs, and what it exposes."""

from dataclasses import dataclass
from typing import ClassVar

from primetime.endpoints import Endpoint
from primetime.secrets.declared import Secret

HASHED = "the page restarts with the new hash; whoever has the old one is refused"


@dataclass(frozen=True)
class Nagios:
    """Asks every endpoint it may reach whether it answers, and shows that; changes nothing, calls nobody."""

    group: ClassVar[str] = "nagios"
    services: ClassVar[tuple[str, ...]] = ("primetime-nagios", "primetime-nagios-web")
    packages: ClassVar[tuple[str, ...]] = (
        "nagios4-core",
        "nagios4-cgi",
        "php-cgi",  # nagios4-cgi wants a PHP, and this one comes without a server; nothing runs it
        "dma",  # nagios4-common wants a mailer, and this one is no daemon; nothing sends mail
        "monitoring-plugins-basic",
        "lighttpd",
        "lighttpd-mod-openssl",
        "openssl",
    )
    single: ClassVar[bool] = True
    reaches_as: ClassVar[str] = "monitoring"
    secrets: ClassVar[tuple[Secret, ...]] = (
        Secret("nagios_viewer", "whoever looks at Nagios' page", HASHED),
        Secret("nagios_salt", "salts the hash of the password", HASHED),
    )

    port: int = 8443
    interval_s: int = 60  # between two looks at an endpoint
    retry_s: int = 10  # between two looks at one that did not answer
    attempts: int = 3  # that fail until it is more than a moment's weakness
    timeout_s: int = 10  # for an answer
    certificate_days: int = 398  # no browser takes a longer one

    def exposes(self) -> list[Endpoint]:
        return [Endpoint("https", self.port, open_to=["controller", "monitoring"], protocol="tls")]


SETTINGS = (Nagios,)
