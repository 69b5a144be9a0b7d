"""A JVM daemon on a host: the runtime, our jars, and its systemd unit. Called by zookeeper, hdfs and hbase."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from pyinfra import host
from pyinfra.api.host import Host
from pyinfra.api.operation import OperationMeta
from pyinfra.operations import apt, files, server, systemd

from primetime import class_archives, here
from primetime.jars import TAR
from primetime.operations import begin_service, system_user, unpack_tar
from primetime.pending import reload_due, restart_due
from primetime.settings import packages
from primetime.sizing import LEAST_HEAP_MB

WAIT_FOR = "/opt/primetime/bin/wait-for"
SMALL_HEAP_MB = 512  # below: starting up is most of what the daemon ever computes, so spare the optimizing compiler
LARGE_HEAP_MB = 2048  # above: collecting at once would stop the daemon for longer than a session may be silent

# What Hadoop and HBase reach into, by reflection, on Java 17.
OPENED = ("lang", "lang.reflect", "io", "nio", "util", "util.concurrent")
OPENS = (
    *(f"--add-opens=java.base/java.{package}=ALL-UNNAMED" for package in OPENED),
    "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
    "--add-opens=java.base/jdk.internal.ref=ALL-UNNAMED",
    "--add-exports=java.base/jdk.internal.misc=ALL-UNNAMED",
    "--add-exports=java.security.jgss/sun.security.krb5=ALL-UNNAMED",
)


# What hosts have begun to start: their daemons by group, and what may have changed of each.
_begun: WeakKeyDictionary[Host, dict[str, tuple[Daemon, tuple[OperationMeta, ...]]]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Daemon:
    """One JVM under systemd, named by its inventory group: `hdfs_namenode` runs as primetime-hdfs-namenode.service.

    Conditions are those of templates/java/wait-for.py: `needs` before it starts, `ready` when it has started, and
    `serves`, with {} for a host, when it does its part among the others of its group. `formatted` is a file without
    which `main -format` runs first.
    """

    group: str
    description: str
    main: str
    ready: str
    serves: str
    needs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    formatted: str = ""
    data: str = ""  # the only folder it may write to; its home when not given
    stop_s: int = 30
    open_files: int = 65_536  # a region has many files, and each client a socket; HBase's own floor is 10,000
    young_share: float = 0  # of the heap, for what lives for one request only; 0: as the JVM chooses, as G1 does
    pages_in_jars: bool = False  # its jars have web pages, which our empty folder for them must come before

    @property
    def role(self) -> str:
        return self.group.partition("_")[0]

    @property
    def unit(self) -> str:
        return unit(self.group)

    @property
    def user(self) -> str:
        return self.role

    @property
    def home(self) -> str:
        return f"/var/lib/{self.role}"

    @property
    def configuration(self) -> str:
        """Its own folder, also where two daemons would say the same: a change must restart both."""
        return "/etc/primetime/" + self.group.replace("_", "/", 1)


def unit(group: str) -> str:
    """The systemd unit of a daemon."""
    return f"primetime-{group.replace('_', '-')}.service"


def install(daemon: Daemon) -> None:
    """Java, our jars, and the daemon's user and folders."""
    files.directory(name="Make room for Java's manual links", path="/usr/share/man/man1")  # slim images leave it out
    apt.packages(name="Install Java", packages=list(packages([daemon.role], here.release())), no_recommends=True)
    unpack_tar(name="Unpack the jars", tar=f"{here.artifacts('jars')}/{TAR}", into=_jars())
    files.put(name="Install wait-for", src="templates/java/wait-for.py", dest=WAIT_FOR, mode="755")
    system_user(name=f"Make user {daemon.user}", user=daemon.user, home=daemon.home)
    files.directory(name="Make the data folder", path=daemon.home, user=daemon.user, group=daemon.user, mode="750")


def configure(daemon: Daemon, file: str, **values: Any) -> OperationMeta:
    """Write `file` from templates/<role>/ into the daemon's folder."""
    return files.template(
        name=f"Write {file}",
        src=f"templates/{daemon.role}/{file}.j2",
        dest=f"{daemon.configuration}/{file}",
        mode="644",
        **values,
    )


def log_to_journal(daemon: Daemon, *told: str) -> OperationMeta:
    """Warnings of all, and what the classes `told` tell at level INFO, to standard output."""
    return files.template(
        name="Write log4j.properties",
        src="templates/java/log4j.properties.j2",
        dest=f"{daemon.configuration}/log4j.properties",
        mode="644",
        told=told,
    )


def define(daemon: Daemon) -> OperationMeta:
    """Write its unit."""
    written = files.template(
        name="Write its unit",
        src="templates/java/daemon.service.j2",
        dest=f"/etc/systemd/system/{daemon.unit}",
        mode="644",
        daemon=daemon,
        java=" ".join(("/usr/bin/java", *flags(daemon))),
        archived=not daemon.pages_in_jars,
        classes=f"{class_archives.FOLDER}/{daemon.unit.removesuffix('.service')}.env",
        wait_for=WAIT_FOR,
        within=here.network(),
    )
    systemd.daemon_reload(name="Read its changed unit", _if=reload_due(daemon.unit, written))
    return written


def begin(daemon: Daemon, *changes: OperationMeta) -> None:
    """Have it start, and go on: it waits by itself for what it needs. `keep` comes later, with the same `changes`.

    On one host systemd would start it when all it is ordered after has started; JVMs take their seconds side by side.
    """
    begin_service(name="Begin to start it for the first time", unit=daemon.unit)
    _begun.setdefault(host, {})[daemon.group] = (daemon, changes)


def keep(group: str) -> None:
    """Keep it running, and restart it when something of it has changed: one host after the other.

    Where it is down it starts first, on all hosts at once: a new ensemble has no majority before.
    """
    daemon, changes = _begun[host][group]
    due = restart_due(daemon.unit, *changes, reads=daemon.configuration)
    started = systemd.service(name="Keep it running", service=daemon.unit, running=True, enabled=True)
    members = [peer.name for peer in here.peers(daemon.group)]
    others = " ".join(daemon.serves.format(name) for name in members if name != here.name())
    # One command, so that with _serial the next host's turn comes when this one serves again. It refuses where another
    # does not serve: pyinfra goes on to the next host after a failure, and a bad setting would take down all of them.
    server.shell(
        name="Restart it on its new configuration",
        commands=[
            f"{WAIT_FOR} 60 {others} && systemctl restart {daemon.unit} && "
            f"{WAIT_FOR} 90 {daemon.serves.format(here.name())}"
        ],
        _serial=True,
        _if=lambda: due() and not started.did_change(),
    )


def flags(daemon: Daemon) -> list[str]:
    """Its JVM's flags: small and quick to start with a small heap, short pauses with a large one."""
    heap_mb = here.heap_mb(daemon.group)
    # An archive of classes is of no use behind a folder that has anything in it.
    first, then = (daemon.configuration, f"{_jars()}/*")[:: 1 if daemon.pages_in_jars else -1]
    large = heap_mb >= LARGE_HEAP_MB
    return [
        *OPENS,
        f"-Xmx{heap_mb}m",
        f"-Xms{heap_mb if large or daemon.young_share else LEAST_HEAP_MB}m",
        "-XX:+UseG1GC" if large else "-XX:+UseSerialGC",
        # Room for short-lived objects from the start, and for what they become: a heap that begins small and keeps
        # little stays so, and is collected every few requests; one that keeps more, whole each time that it grows.
        *([f"-Xmn{int(heap_mb * daemon.young_share)}m"] if daemon.young_share and not large else []),
        *(["-XX:TieredStopAtLevel=1"] if heap_mb < SMALL_HEAP_MB else []),
        "-Xss512k",
        "-XX:+ExitOnOutOfMemoryError",  # systemd starts it again; half a daemon would linger
        "-XX:+ErrorFileToStdout",  # to the journal; a file would be one for each crash
        "-XX:+UnlockDiagnosticVMOptions",
        "-XX:-DumpReplayDataOnError",  # the same
        "-XX:-UsePerfData",  # its file in /tmp stalls collections while the disk is busy
        "-Djava.net.preferIPv4Stack=true",
        f"-cp {first}:{then}",
    ]


def _jars() -> str:
    return f"/opt/primetime/jars-{Path(here.artifacts('jars')).name}"
