"""ZooKeeper: the members of one ensemble."""

from io import StringIO

from pyinfra.api.deploy import deploy
from pyinfra.operations import apt, files

from primetime import here, units
from primetime.operations import system_user
from roles.java import deploy as java
from roles.zookeeper.settings import Zookeeper, ZookeeperExporter

EXPORTER = "/opt/primetime/zookeeper-exporter"


def serves() -> str:
    """The condition, for units, that the ensemble serves requests through one of its members."""
    port = here.mine(Zookeeper).client_port
    return "zookeeper:" + ",".join(f"{member.name}:{port}" for member in here.peers("zookeeper"))


@deploy("ZooKeeper")
def zookeeper() -> None:
    settings = here.mine(Zookeeper)
    daemon = java.Daemon(
        group="zookeeper",
        description="ZooKeeper",
        main="org.apache.zookeeper.server.quorum.QuorumPeerMain /etc/primetime/zookeeper/zoo.cfg",
        ready=f"tcp:{here.address()}:{settings.client_port}",  # it listens before the ensemble has a majority
        serves=f"zookeeper:{{}}:{settings.client_port}",
    )
    java.install(daemon)
    members = list(enumerate(here.peers("zookeeper"), 1))
    number = files.put(
        name="Write its number in the ensemble",
        src=StringIO("".join(f"{number}\n" for number, member in members if member.name == here.name())),
        dest=f"{daemon.home}/myid",
        user=daemon.user,
        group=daemon.user,
        mode="644",
    )
    config = java.configure(daemon, "zoo.cfg", zookeeper=settings, address=here.address(), members=members)
    log = java.log_to_journal(daemon, "org.apache.zookeeper.server.quorum.QuorumPeer")
    java.begin(daemon, number, config, log, java.define(daemon))


@deploy("ZooKeeper")
def zookeeper_runs() -> None:
    java.keep("zookeeper")


@deploy("ZooKeeper exporter")
def zookeeper_exporter() -> None:
    service = "primetime-zookeeper-exporter"
    apt.packages(name="Install what ZooKeeper's exporter runs on", packages=here.packages(ZookeeperExporter))
    system_user(name="Make the user of ZooKeeper's exporter", user="zookeeper-exporter")
    program = files.put(
        name="Install ZooKeeper's exporter",
        src="templates/zookeeper/exporter.py",
        dest=f"{EXPORTER}/exporter",
        mode="755",
    )
    telling = files.put(
        name="Install how it tells Prometheus", src="primetime/telling.py", dest=f"{EXPORTER}/telling.py", mode="644"
    )
    units.keep(
        service,
        "ZooKeeper's exporter",
        program,
        telling,
        src=f"templates/zookeeper/{service}.service.j2",
        new="program or unit",
        reads=EXPORTER,
        program=f"{EXPORTER}/exporter",
        exporter=here.mine(ZookeeperExporter),
        zookeeper=here.mine(Zookeeper),
        address=here.address(),
        within=here.network(),
    )
