"""ZooKeeper: the members of one ensemble."""

from io import StringIO

from pyinfra.api.deploy import deploy
from pyinfra.operations import files

from primetime import here
from roles.java import deploy as java
from roles.zookeeper.settings import Zookeeper


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
    java.run(daemon, number, config, log, java.define(daemon))
