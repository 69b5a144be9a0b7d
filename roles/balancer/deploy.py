"""Balancer: Debian's HAProxy under a unit, a user and a configuration of ours."""

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import apt, files, systemd

from primetime import here, units
from primetime.operations import system_user
from primetime.pending import load_due
from primetime.settings import from_data
from roles.balancer.settings import Balancer
from roles.collector.settings import Collector

CONFIG = "/etc/primetime/balancer/haproxy.cfg"
RUN = "/run/primetime-balancer"
LOADED = f"{RUN}/loaded"  # as old as the configuration that it has read


@deploy("Balancer")
def balancer() -> None:
    settings = here.mine(Balancer)
    files.link(  # masked before it is installed, so that it never takes a port
        name="Mask the distribution's HAProxy",
        path="/etc/systemd/system/haproxy.service",
        target="/dev/null",
    )
    apt.packages(name="Install HAProxy", packages=here.packages(Balancer))
    systemd.service(name="Stop the distribution's HAProxy", service="haproxy", running=False)
    system_user(name="Make the balancer's user", user="balancer")
    config = files.template(
        name="Write haproxy.cfg",
        src="templates/balancer/haproxy.cfg.j2",
        dest=CONFIG,
        mode="644",
        balancer=settings,
        address=here.address(),
        run_path=RUN,
        collectors=here.peers("collector"),
        collector_port=from_data(Collector, host.data).port,
    )
    units.keep(
        "primetime-balancer",
        "the balancer",
        src="templates/balancer/primetime-balancer.service.j2",
        balancer=settings,
        config=CONFIG,
        loaded=LOADED,
    )
    systemd.service(  # connections that are open stay with the process that has them
        name="Load the balancer's changed configuration",
        service="primetime-balancer",
        reloaded=True,
        _if=load_due(config, reads=CONFIG, loaded=LOADED),
    )
