"""Nagios: Debian's, without its configuration, under units of ours; lighttpd runs the programs that make its page."""

from pyinfra.api import deploy
from pyinfra.operations import apt, files, systemd

from primetime import certificate, here, units
from primetime.operations import rendered, secret_file, system_user
from primetime.passwords import hashed
from roles.nagios.settings import Nagios

FOLDER = "/etc/primetime/nagios"
CONFIG = f"{FOLDER}/nagios.cfg"
OBJECTS = f"{FOLDER}/objects.cfg"
RUN = "/run/primetime-nagios"  # all that it writes: after a start it asks everybody anew
WEB = "/etc/primetime/nagios-web"
PEM = f"{WEB}/certificate.pem"
USERS = f"{WEB}/users"
USER = "viewer"
WEB_USER = "nagios-web"


@deploy("Nagios")
def nagios() -> None:
    settings = here.mine(Nagios)
    for service in ("nagios4", "lighttpd"):  # masked before they are installed, so that they never take a port
        files.link(
            name=f"Mask the distribution's {service}",
            path=f"/etc/systemd/system/{service}.service",
            target="/dev/null",
        )
    apt.packages(name="Install Nagios and lighttpd", packages=here.packages(Nagios))
    for service in ("nagios4", "lighttpd"):
        systemd.service(name=f"Stop the distribution's {service}", service=service, running=False)
    _daemon(settings)
    _page(settings)


def _daemon(settings: Nagios) -> None:
    config = files.template(
        name="Write nagios.cfg",
        src="templates/nagios/nagios.cfg.j2",
        dest=CONFIG,
        mode="644",
        objects=OBJECTS,
        run_path=RUN,
        nagios=settings,
    )
    checks = here.checks()
    objects = files.template(
        name="Write what Nagios checks",
        src="templates/nagios/objects.cfg.j2",
        dest=OBJECTS,
        mode="644",
        nagios=settings,
        account=USER,
        nodes=[
            (peer, next((each for each in checks if each["node"] == peer.name), None)) for peer in here.peers("base")
        ],
        checks=checks,
    )
    units.keep(
        "primetime-nagios",
        "Nagios",
        config,
        objects,
        src="templates/nagios/primetime-nagios.service.j2",
        new="configuration",
        reads=FOLDER,
        config=CONFIG,
        within=here.network(),
    )


def _page(settings: Nagios) -> None:
    system_user(name="Make the user of Nagios' page", user=WEB_USER, groups=["nagios"])  # it reads what Nagios writes
    files.directory(name="Make the folder of Nagios' page", path=WEB, mode="755")
    pem = certificate.self_signed(
        name="Make a certificate that nobody else has signed",
        dest=PEM,
        user=WEB_USER,
        node=here.name(),
        address=here.address(),
        days=settings.certificate_days,
    )
    users = secret_file(
        name="Write who may see Nagios' page",
        content=rendered(
            "templates/nagios/users.j2",
            user=USER,
            hash=hashed(here.secret("nagios_viewer").text, USER, here.secret("nagios_salt").text),
        ),
        dest=USERS,
        group=WEB_USER,
        mode="640",
    )
    rights = files.template(
        name="Write what Nagios' page shows to whom",
        src="templates/nagios/cgi.cfg.j2",
        dest=f"{WEB}/cgi.cfg",
        mode="644",
        config=CONFIG,
        account=USER,
    )
    config = files.template(
        name="Write lighttpd.conf",
        src="templates/nagios/lighttpd.conf.j2",
        dest=f"{WEB}/lighttpd.conf",
        mode="644",
        nagios=settings,
        address=here.address(),
        certificate=PEM,
        users=USERS,
        cgi_config=f"{WEB}/cgi.cfg",
    )
    units.keep(
        "primetime-nagios-web",
        "Nagios' page",
        pem,
        users,
        rights,
        config,
        src="templates/nagios/primetime-nagios-web.service.j2",
        new="configuration",
        reads=WEB,
        config=f"{WEB}/lighttpd.conf",
        account=WEB_USER,
        within=here.network(),
    )
