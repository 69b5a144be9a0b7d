"""Shipper: our bundle, run by the host's Python under a unit of its own."""

from pathlib import Path

from pyinfra import host
from pyinfra.api import deploy
from pyinfra.operations import apt, files, systemd

from primetime import here
from primetime.operations import remove_other_versions, secret_file, system_group, system_user, unpack_tar
from primetime.pending import reload_due, restart_due
from primetime.settings import from_data
from roles.collector.settings import Collector
from roles.hbase.settings import HbaseThrift
from roles.redis.settings import Redis
from roles.shipper.settings import Shipper

CONFIG = "/etc/primetime/shipper/shipper.toml"
REDIS_PASSWORD = "/etc/primetime/shipper/redis.password"
SPOOL_GROUP = "primetime-spool"


@deploy("Shipper")
def shipper() -> None:
    settings = here.mine(Shipper)
    tar = here.artifacts("shipper")
    bundle = f"/opt/primetime/{Path(tar).stem}"
    system_group(name="Make the group that shares the spool", group=SPOOL_GROUP)
    system_user(name="Make the shipper's user", user="shipper", groups=[SPOOL_GROUP])
    apt.packages(name="Install the shipper's Python", packages=here.packages(Shipper))
    unpack_tar(name="Unpack the shipper's bundle", tar=tar, into=bundle)
    spool_path = from_data(Collector, host.data).spool_path
    files.directory(
        name="Make the spool where no collector has made it",  # its sandbox needs the folder before the unit can begin
        path=spool_path,
        group=SPOOL_GROUP,
        mode="2770",
    )
    if here.peers("redis"):
        secret_file(  # read at each login: a new one needs no restart
            name="Write the shipper's password for Redis",
            content=here.secret("redis_shipper"),
            dest=REDIS_PASSWORD,
            user="shipper",
            group="shipper",
            mode="400",
        )
    config = files.template(
        name="Write shipper.toml",
        src="templates/shipper/shipper.toml.j2",
        dest=CONFIG,
        mode="644",
        shipper=settings,
        spool_path=spool_path,
        hbase=_first("hbase_thrift", "127.0.0.1"),  # alone on a host it waits for a gateway to appear
        hbase_port=from_data(HbaseThrift, host.data).port,
        redis=_first("redis", ""),
        redis_port=from_data(Redis, host.data).port,
        redis_password=REDIS_PASSWORD,
        address=here.address(),
    )
    unit = files.template(
        name="Write the shipper's unit",
        src="templates/shipper/primetime-shipper.service.j2",
        dest="/etc/systemd/system/primetime-shipper.service",
        mode="644",
        shipper=settings,
        address=here.address(),
        bundle=bundle,
        python=here.python(),
        config=CONFIG,
        spool_path=spool_path,
        spool_group=SPOOL_GROUP,
        within=here.network(),
    )
    systemd.daemon_reload(name="Read the shipper's changed unit", _if=reload_due("primetime-shipper", unit))
    systemd.service(
        name="Restart the shipper on its new configuration",
        service="primetime-shipper",
        restarted=True,
        _if=restart_due("primetime-shipper", config, unit, reads=CONFIG),
    )
    systemd.service(name="Keep the shipper running", service="primetime-shipper", running=True, enabled=True)
    remove_other_versions(name="Remove earlier bundles", current=bundle)


def _first(group: str, otherwise: str) -> str:
    peers = here.peers(group)
    return peers[0].address if peers else otherwise
