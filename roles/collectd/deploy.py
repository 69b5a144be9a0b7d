"""Collectd: Debian's under a unit and a configuration of ours on each host, and a program of ours that receives."""

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import apt, files, systemd

from primetime import here, units
from primetime.operations import system_user
from primetime.settings import from_data
from roles.collectd.settings import CollectdAgent, CollectdReceiver

RECEIVER = "/opt/primetime/collectd-receiver"
CONFIG = "/etc/primetime/collectd-agent/agent.conf"
MASKED = "/etc/systemd/system/collectd.service"  # before it is installed, so that it never runs


@deploy("Collectd receiver")
def collectd_receiver() -> None:
    service = "primetime-collectd-receiver"
    apt.packages(name="Install what the receiver runs on", packages=here.packages(CollectdReceiver))
    system_user(name="Make the receiver's user", user="collectd-receiver")
    program = files.put(
        name="Install the receiver", src="templates/collectd/receiver.py", dest=f"{RECEIVER}/receiver", mode="755"
    )
    telling = files.put(
        name="Install how it tells Prometheus", src="primetime/telling.py", dest=f"{RECEIVER}/telling.py", mode="644"
    )
    units.keep(
        service,
        "collectd's receiver",
        program,
        telling,
        src=f"templates/collectd/{service}.service.j2",
        new="program or unit",
        reads=RECEIVER,
        program=f"{RECEIVER}/receiver",
        receiver=here.mine(CollectdReceiver),
        address=here.address(),
        within=here.network(),
    )


@deploy("Collectd agent")
def collectd_agent() -> None:
    service = "primetime-collectd-agent"
    [receiver] = here.peers("collectd_receiver")
    files.link(name="Mask the distribution's collectd", path=MASKED, target="/dev/null")
    apt.packages(name="Install collectd's agent", packages=here.packages(CollectdAgent))
    systemd.service(name="Stop the distribution's collectd", service="collectd", running=False)
    system_user(name="Make the agent's user", user="collectd-agent")
    config = files.template(
        name="Write what the agent reads and whom it writes to",
        src="templates/collectd/agent.conf.j2",
        dest=CONFIG,
        mode="644",
        agent=here.mine(CollectdAgent),
        receiver=receiver.address,
        port=from_data(CollectdReceiver, host.data).port,
        node_name=here.name(),
    )
    units.keep(
        service,
        "collectd's agent",
        config,
        src=f"templates/collectd/{service}.service.j2",
        new="configuration",
        reads=CONFIG,
        config=CONFIG,
        within=here.network(),
    )
