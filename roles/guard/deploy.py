"""Guard: our bundle, run by Debian's Python under a unit of its own, beside a collector and a shipper."""

from pathlib import Path

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import files, systemd

from primetime import here
from primetime.drivers.aws import regions
from primetime.operations import remove_other_versions, unpack_tar
from primetime.pending import reload_due, restart_due
from primetime.settings import from_data
from roles.collector.settings import Collector

UNIT = "/etc/systemd/system/primetime-guard.service"


@deploy("Guard")
def guard() -> None:
    tar = here.artifacts("guard")
    bundle = f"/opt/primetime/{Path(tar).stem}"
    unpack_tar(name="Unpack the guard's bundle", tar=tar, into=bundle)
    unit = files.template(
        name="Write the guard's unit",
        src="templates/guard/primetime-guard.service.j2",
        dest=UNIT,
        mode="644",
        bundle=bundle,
        spool_path=from_data(Collector, host.data).spool_path,
        endpoints=regions.given(),  # where whoever converges finds AWS
    )
    systemd.daemon_reload(name="Read the guard's changed unit", _if=reload_due("primetime-guard", unit))
    systemd.service(
        name="Restart the guard on its new bundle or unit",
        service="primetime-guard",
        restarted=True,
        _if=restart_due("primetime-guard", unit, reads=UNIT),
    )
    systemd.service(name="Keep the guard running", service="primetime-guard", running=True, enabled=True)
    remove_other_versions(name="Remove the guard's earlier bundles", current=bundle)
