"""Base: name resolution, log limits."""

from pyinfra.api import deploy
from pyinfra.operations import files, systemd

from primetime import here
from roles.base.settings import Base


@deploy("Base")
def base() -> None:
    settings = here.mine(Base)
    files.template(
        name="Write /etc/hosts with every node of the topology",
        src="templates/base/hosts.j2",
        dest="/etc/hosts",
        mode="644",
        node_name=here.name(),
        nodes=here.peers("base"),
    )
    journal = files.template(
        name="Limit the journal",
        src="templates/base/journald.conf.j2",
        dest="/etc/systemd/journald.conf.d/primetime.conf",
        mode="644",
        base=settings,
    )
    systemd.service(
        name="Restart the journal on its new limits",
        service="systemd-journald",
        restarted=True,
        _if=journal.did_change,
    )
    systemd.service(name="Keep sshd running", service="ssh", running=True, enabled=True)
