"""How the promises of ZooKeeper are broken."""

from roles.zookeeper.settings import Zookeeper
from tests.promises.breaking import CONVERGED, Break, as_root, changed, closed, configured, heap, mode, process

HOME = "/var/lib/zookeeper"
PROGRAM = "/opt/primetime/zookeeper-exporter/exporter"
INSTALLED = (
    f"zookeeper/exporter: {CONVERGED}Install ZooKeeper's exporter",
    f"zookeeper/exporter: {CONVERGED}Restart ZooKeeper's exporter on its new program or unit",
)
WRITTEN = (f"zookeeper: {CONVERGED}Write zoo.cfg", f"zookeeper: {CONVERGED}Restart it on its new configuration")


def words(allowed: str) -> str:
    return f"s/^4lw.commands.whitelist=.*/4lw.commands.whitelist={allowed}/"


HALTED = ("zookeeper: it says that it is ok", "zookeeper: it keeps to the words that are allowed")


def deaf(port: int) -> Break:
    """Close a port for good: halted first, for a listener binds again a second after its socket is gone."""
    return process(
        "zookeeper",
        f"kill -STOP $PID; {closed(port)}",
        "systemctl restart primetime-zookeeper",
        *HALTED,
        "zookeeper: it serves as leader or follower",
        "zookeeper: its ensemble is all hosts of the group",
    )


BREAKS = {
    f"election listens where declared (port {Zookeeper.election_port})": deaf(Zookeeper.election_port),
    f"peer listens on one host of its group (port {Zookeeper.peer_port})": deaf(Zookeeper.peer_port),
    "it says that it is ok": configured("zookeeper", "zoo.cfg", words("srvr,mntr")),
    "it serves as leader or follower": process(  # it always answers this word; halted it answers none
        "zookeeper",
        "kill -STOP $PID",
        "kill -CONT $PID",
        *HALTED,
    ),
    "it keeps to the words that are allowed": configured("zookeeper", "zoo.cfg", words("*")),
    "its ensemble is all hosts of the group": changed(
        "/etc/primetime/zookeeper/zoo.cfg", "s/^server.1=[^:]*/server.1=stranger/", *WRITTEN
    ),
    "its heap is as given": heap("zookeeper"),
    "it runs as its own user": as_root("zookeeper", HOME, "zookeeper"),
    "nobody else reads its data": mode(HOME, "755", "750", f"zookeeper: {CONVERGED}Make the data folder"),
    "is as converged": changed("/etc/primetime/zookeeper/zoo.cfg", "$ a # by hand", *WRITTEN),
}

EXPORTER = {
    "it shows what zookeeper says to monitoring": changed(
        PROGRAM, "s/zk_server_state/zk_stranger/", *INSTALLED, reload="systemctl restart primetime-zookeeper-exporter"
    ),
    "is as converged": changed(PROGRAM, "$ a # by hand", *INSTALLED),
}
