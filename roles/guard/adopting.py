"""What takes over the spools of instances that are gone, when the guard asks: a mount, and a shipper for each."""

from pathlib import Path

from pyinfra.operations import files, systemd

from primetime import here
from primetime.pending import UNITS, reload_due

SERVICE = "primetime-adopt"
PROGRAM = "/opt/primetime/bin/adopt-spool"
WANTED = "/run/primetime-guard/wanted"  # a file for each volume that the guard asks for
RESULTS = SERVICE  # under /run


def take_over_spools(spool_path: str) -> None:
    """Beside the spool of this host. The guard may not mount, so root does, and the shipper's user ships."""
    files.put(
        name="Install what mounts and ships others' spools",
        src="templates/guard/adopt-spool.py",
        dest=PROGRAM,
        mode="755",
    )
    shipper = files.template(
        name="Write the unit that ships another spool",
        src="templates/guard/primetime-shipper@.service.j2",
        dest=f"{UNITS}/primetime-shipper@.service",
        mode="644",
        shipper=f"/opt/primetime/{Path(here.artifacts('shipper')).stem}",
        python=here.python(),
        results=f"/run/{RESULTS}",
        adopted=f"{spool_path}-adopted",
        spool_group="primetime-spool",
        within=here.network(),
    )
    service = files.template(
        name="Write the unit that takes spools over",
        src=f"templates/guard/{SERVICE}.service.j2",
        dest=f"{UNITS}/{SERVICE}.service",
        mode="644",
        program=PROGRAM,
        results=RESULTS,
    )
    watch = files.template(
        name="Write the unit that waits for the guard to ask",
        src=f"templates/guard/{SERVICE}.path.j2",
        dest=f"{UNITS}/{SERVICE}.path",
        mode="644",
        wanted=WANTED,
    )
    due = [reload_due(SERVICE, each) for each in (shipper, service)] + [reload_due(f"{SERVICE}.path", watch)]
    systemd.daemon_reload(
        name="Read the changed units for others' spools",
        _if=lambda: any(each() for each in due),
    )
    systemd.service(name="Wait for the guard to ask", service=f"{SERVICE}.path", running=True, enabled=True)
