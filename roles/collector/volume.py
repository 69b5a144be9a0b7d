"""A spool that is a volume of its own: its file system, made only where there is nothing at all, and its mount."""

from pyinfra.operations import files, systemd

from primetime import here
from primetime.pending import reload_due
from roles.collector.settings import Collector

SERVICE = "primetime-spool"
PROGRAM = "/opt/primetime/bin/spool-volume"


def mount_spool(settings: Collector) -> None:
    """Before anything of the collector's is written under its spool, and before it starts, at each boot too."""
    files.put(
        name="Install what mounts a spool's volume",
        src="templates/collector/spool-volume.py",
        dest=PROGRAM,
        mode="755",
    )
    unit = files.template(
        name="Write the unit that mounts the spool",
        src="templates/collector/primetime-spool.service.j2",
        dest=f"/etc/systemd/system/{SERVICE}.service",
        mode="644",
        program=PROGRAM,
        volume=here.spool_volume(),
        spool_path=settings.spool_path,
    )
    systemd.daemon_reload(name="Read the spool's changed unit", _if=reload_due(SERVICE, unit))
    systemd.service(name="Keep the spool mounted", service=SERVICE, running=True, enabled=True)
