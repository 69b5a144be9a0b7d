"""Guard: our bundle, run by Debian's Python under a unit of its own, beside a collector and a shipper."""

from pathlib import Path

from pyinfra import host
from pyinfra.api import deploy

from primetime import here, units
from primetime.drivers.aws import regions
from primetime.operations import remove_other_versions, unpack_tar
from primetime.settings import from_data
from roles.collector.settings import Collector
from roles.guard.adopting import RESULTS, WANTED, take_over_spools


@deploy("Guard")
def guard() -> None:
    tar = here.artifacts("guard")
    bundle = f"/opt/primetime/{Path(tar).stem}"
    spool_path = from_data(Collector, host.data).spool_path
    unpack_tar(name="Unpack the guard's bundle", tar=tar, into=bundle)
    take_over_spools(spool_path)
    units.keep(
        "primetime-guard",
        "the guard",
        src="templates/guard/primetime-guard.service.j2",
        new="bundle or unit",
        bundle=bundle,
        spool_path=spool_path,
        wanted=WANTED,
        results=RESULTS,
        endpoints=regions.given(),  # where whoever converges finds AWS
    )
    remove_other_versions(name="Remove the guard's earlier bundles", current=bundle)
