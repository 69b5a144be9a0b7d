"""How the promises of the shipper are broken."""

from roles.shipper.settings import Shipper
from tests.promises.breaking import CONVERGED, KEPT, Break, changed, closed, commanded, mode, overridden, process

FILE = "/etc/primetime/shipper/shipper.toml"
COPY = f"{KEPT}/shipper.toml"


def configured(edit: str, *also: str) -> Break:
    """Restart it on a copy of its configuration with this edit."""
    files = f"mkdir -p {KEPT}; sed '{edit}' {FILE} > {COPY}; chmod 644 {COPY}"
    return commanded("primetime-shipper", f"s#{FILE}#{COPY}#", *also, files=files)


METRICS = "its metrics are those of its status"
TELLER = f"$(ss -Hltnp sport = :{Shipper.metrics_port} | grep -o 'pid=[0-9]*' | cut -d= -f2)"  # who tells metrics

BREAKS = {
    # halted first: who tells metrics is started again a second after its port is gone
    f"metrics listens where declared (port {Shipper.metrics_port})": process(
        "shipper",
        f"kill -STOP $PID; {closed(Shipper.metrics_port)}",
        "kill -CONT $PID",
        "shipper: its status is fresh",
        f"shipper: {METRICS}",
    ),
    METRICS: Break(f"kill -STOP {TELLER}", f"kill -CONT {TELLER}"),
    "it runs as its own user": overridden("primetime-shipper", "printf '%s\\n' User=root Group=root"),
    "its password is readable by it alone": mode(
        "/etc/primetime/shipper/redis.password",
        "444",
        "400",
        f"shipper: {CONVERGED}Write the shipper's password for Redis",
    ),
    "it may write to the spool": Break(
        "gpasswd -d shipper primetime-spool",
        "gpasswd -a shipper primetime-spool",
        (f"shipper: {CONVERGED}Make the shipper's user",),
    ),
    "it gives way to everything else": process("shipper", "renice -n 0 -p $PID", "renice -n 10 -p $PID"),
    "each lane has a process": configured("s/^hbase_lanes = .*/hbase_lanes = 1/"),
    "its status is fresh": process("shipper", "kill -STOP $PID", "kill -CONT $PID", f"shipper: {METRICS}"),
    # its status is read as it is on disk: the writer must not put it right again
    "its status names both sinks": process(
        "shipper",
        "kill -STOP $PID; sed -i s/redis/stranger/ /run/primetime-shipper/status.json",
        "kill -CONT $PID",
        "shipper: its status is fresh",
        f"shipper: {METRICS}",
    ),
    "is as converged": changed(
        FILE,
        "$ a # by hand",
        f"shipper: {CONVERGED}Write shipper.toml",
        f"shipper: {CONVERGED}Restart the shipper on its new configuration",
    ),
}
