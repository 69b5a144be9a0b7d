"""Base: firewall, name resolution, log limits."""

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.facts.server import Hostname
from pyinfra.operations import apt, files, systemd

from primetime import here, units
from primetime.operations import finish_packages, install_debs, kernel_settings, system_user
from primetime.pending import reload_due, restart_due
from primetime.settings import packages, sysctls
from roles.base.settings import Base, BaseExporter

RULES = "/etc/primetime/base/firewall.nft"
SYSCTLS = "/etc/sysctl.d/60-primetime.conf"
JOURNAL = "/etc/systemd/journald.conf.d/primetime.conf"
TOLD = "/etc/primetime/base/exporter"  # what is said of this host by whoever converges it
FIREWALL = "primetime-firewall"  # the unit, and its user


@deploy("Base")
def base() -> None:
    settings = here.mine(Base)
    files.template(
        name="Let apt wait for another apt, and bring what is asked for alone",
        src="templates/base/apt.conf.j2",
        dest="/etc/apt/apt.conf.d/60primetime",
        mode="644",
        base=settings,
    )
    finish_packages(name="Finish an interrupted package installation")
    if image_root := here.image_root():  # all hosts at once; without it each role's own apt fetches from the mirror
        install_debs(
            name="Install the packages of all roles from the controlling machine's cache",
            packages=packages(host.groups, here.release()),
            image_root=image_root,
        )
    files.template(
        name="Write /etc/hosts with the nodes that it may look for",
        src="templates/base/hosts.j2",
        dest="/etc/hosts",
        mode="644",
        nodes=_called(),
    )
    journal = files.template(
        name="Limit the journal",
        src="templates/base/journald.conf.j2",
        dest=JOURNAL,
        mode="644",
        base=settings,
    )
    systemd.service(
        name="Restart the journal on its new limits",
        service="systemd-journald",
        restarted=True,
        _if=restart_due("systemd-journald", journal, reads=JOURNAL),
    )
    wanted = sysctls(host.groups)
    files.template(
        name="Write the kernel settings that roles ask for",
        src="templates/base/sysctl.conf.j2",
        dest=SYSCTLS,
        mode="644",
        sysctls=sorted(wanted.items()),
    )
    kernel_settings(name="Make those that this kernel lets a host set", wanted=wanted)
    _firewall(settings)
    systemd.service(name="Keep sshd running", service="ssh", running=True, enabled=True)


def _called() -> list[tuple[str, str]]:
    """(address, names) of those it may look for; this one goes by its host name too.

    That is another on EC2, and Java looks it up.
    """
    own = here.name()
    also = host.get_fact(Hostname) or own
    names = {own: own if also == own else f"{own} {also}"}
    return [(peer.address, names.get(peer.name, peer.name)) for peer in here.named()]


def _firewall(settings: Base) -> None:
    apt.packages(name="Install nftables", packages=here.packages(Base))
    system_user(name="Make the firewall's user", user=FIREWALL)
    rules = files.template(
        name="Write the firewall's rules",
        src="templates/base/firewall.nft.j2",
        dest=RULES,
        group=FIREWALL,
        mode="640",
        network=host.data.network,
        package_ports=settings.package_ports,
        into=host.data.flows_in,
        out_of=host.data.flows_out,
    )
    unit = files.template(
        name="Write the firewall's unit",
        src="templates/base/primetime-firewall.service.j2",
        dest=f"/etc/systemd/system/{FIREWALL}.service",
        mode="644",
        rules=RULES,
        account=FIREWALL,
    )
    systemd.daemon_reload(name="Read the firewall's changed unit", _if=reload_due(FIREWALL, unit))
    systemd.service(name="Keep the firewall up", service=FIREWALL, running=True, enabled=True)
    systemd.service(  # a restart is one load of all rules, as a reload is, and leaves its time where restart_due looks
        name="Load the firewall's changed rules",
        service=FIREWALL,
        restarted=True,
        _if=restart_due(FIREWALL, rules, reads=RULES),
    )


@deploy("Base exporter")
def base_exporter() -> None:
    settings, service = here.mine(BaseExporter), "primetime-base-exporter"
    apt.packages(name="Install the host's exporter", packages=here.packages(BaseExporter))
    systemd.service(name="Stop the distribution's exporter", service=settings.packages[0], running=False, enabled=False)
    files.template(  # read at each scrape
        name="Write since when this host's secrets are what they are",
        src="templates/base/secrets.prom.j2",
        dest=f"{TOLD}/secrets.prom",
        mode="644",
        since={name: int(date.timestamp()) for name, date in here.secrets_since().items()},
    )
    units.keep(
        service,
        "the host's exporter",
        src=f"templates/base/{service}.service.j2",
        exporter=settings,
        told=TOLD,
        address=here.address(),
        within=here.network(),
    )
