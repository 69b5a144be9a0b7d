"""Collectd: Debian's under units and configurations of ours: one that receives, and on each host one that sends."""

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import apt, files, systemd

from primetime import here, units
from primetime.operations import rendered, secret_file, system_user
from primetime.settings import from_data
from roles.collectd.settings import CollectdAgent, CollectdReceiver

DATA = "/var/lib/primetime-collectd"
FOLDER = "/etc/primetime/collectd-receiver"
AGENT_FOLDER = "/etc/primetime/collectd-agent"
MASKED = "/etc/systemd/system/collectd.service"  # before it is installed, so that it never runs


@deploy("Collectd receiver")
def collectd_receiver() -> None:
    settings = here.mine(CollectdReceiver)
    files.link(name="Mask the distribution's collectd", path=MASKED, target="/dev/null")
    apt.packages(name="Install collectd and what writes RRD files", packages=here.packages(CollectdReceiver))
    systemd.service(name="Stop the distribution's collectd", service="collectd", running=False)
    system_user(name="Make the receiver's user", user="collectd-receiver")
    files.directory(
        name="Make the folder of all figures",
        path=DATA,
        user="collectd-receiver",
        group="collectd-receiver",
        mode="750",
    )
    users = secret_file(
        name="Write whose figures it takes",
        content=rendered("templates/collectd/users.j2", secret=here.secret("collectd_receiver_agents").text),
        dest=f"{FOLDER}/users",
        group="collectd-receiver",
        mode="640",
    )
    config = files.template(
        name="Write what the receiver does",
        src="templates/collectd/receiver.conf.j2",
        dest=f"{FOLDER}/receiver.conf",
        mode="644",
        collectd=settings,
        address=here.address(),
        data=DATA,
        users=f"{FOLDER}/users",
        node_name=here.name(),
    )
    units.keep(
        "primetime-collectd-receiver",
        "collectd's receiver",
        users,
        config,
        src="templates/collectd/primetime-collectd-receiver.service.j2",
        new="configuration",
        reads=FOLDER,
        config=f"{FOLDER}/receiver.conf",
        data=DATA,
        within=here.network(),
    )


@deploy("Collectd agent")
def collectd_agent() -> None:
    [receiver] = here.peers("collectd_receiver")
    files.link(name="Mask the distribution's collectd", path=MASKED, target="/dev/null")
    apt.packages(name="Install collectd's agent", packages=here.packages(CollectdAgent))
    system_user(name="Make the agent's user", user="collectd-agent")
    config = secret_file(
        name="Write what the agent sends to whom",
        content=rendered(
            "templates/collectd/agent.conf.j2",
            agent=here.mine(CollectdAgent),
            collectd=from_data(CollectdReceiver, host.data),
            receiver=receiver.address,
            secret=here.secret("collectd_receiver_agents").text,
            node_name=here.name(),
        ),
        dest=f"{AGENT_FOLDER}/agent.conf",
        group="collectd-agent",
        mode="640",
    )
    units.keep(
        "primetime-collectd-agent",
        "collectd's agent",
        config,
        src="templates/collectd/primetime-collectd-agent.service.j2",
        new="configuration",
        reads=AGENT_FOLDER,
        config=f"{AGENT_FOLDER}/agent.conf",
        within=here.network(),
    )
