"""Collector: Debian's nginx and Lua module under a unit, a user and a configuration of ours."""

from pyinfra.api import deploy
from pyinfra.operations import apt, files, systemd

from primetime import here
from primetime.operations import system_group, system_user
from primetime.pending import reload_due, restart_due
from roles.collector.settings import Collector
from roles.collector.volume import SERVICE, mount_spool

CONF = "/etc/primetime/collector"
RUN = "/run/primetime-collector"  # made by the unit, in memory: nothing of nginx's own lies on the spool's disk


@deploy("Collector")
def collector() -> None:
    settings = here.mine(Collector)
    files.link(  # masked before it is installed, so that it never takes port 80
        name="Mask the distribution's nginx",
        path="/etc/systemd/system/nginx.service",
        target="/dev/null",
    )
    apt.packages(name="Install nginx and its Lua module", packages=here.packages(Collector))
    systemd.service(name="Stop the distribution's nginx", service="nginx", running=False)
    system_group(name="Make the group that shares the spool", group="primetime-spool")
    system_user(name="Make the collector's user", user="collector")
    if here.spool_volume():
        mount_spool(settings)
    files.directory(
        name="Make the spool: its files belong to the group that the shipper is in",
        path=settings.spool_path,
        user="collector",
        group="primetime-spool",
        mode="2770",
    )
    lua = files.sync(
        name="Copy the Lua modules",
        src="templates/collector/lua",
        dest=f"{CONF}/lua/collector",
        exclude="*.j2",
        user="root",
        group="root",
        mode="644",
        dir_mode="755",
    )
    lua_config = files.template(
        name="Write the Lua modules' settings",
        src="templates/collector/lua/config.lua.j2",
        dest=f"{CONF}/lua/collector/config.lua",
        mode="644",
        collector=settings,
        shows=here.shows(),
        run_path=RUN,
    )
    config = files.template(
        name="Write nginx.conf",
        src="templates/collector/nginx.conf.j2",
        dest=f"{CONF}/nginx.conf",
        mode="644",
        collector=settings,
        address=here.address(),
        run_path=RUN,
        lua_path=f"{CONF}/lua",
    )
    unit = files.template(
        name="Write the collector's unit",
        src="templates/collector/primetime-collector.service.j2",
        dest="/etc/systemd/system/primetime-collector.service",
        mode="644",
        collector=settings,
        config=f"{CONF}/nginx.conf",
        after=f"{SERVICE}.service" if here.spool_volume() else "",
    )
    systemd.daemon_reload(name="Read the collector's changed unit", _if=reload_due("primetime-collector", unit))
    systemd.service(
        name="Restart the collector on its new configuration",
        service="primetime-collector",
        restarted=True,
        _if=restart_due("primetime-collector", lua, lua_config, config, unit, reads=CONF),
    )
    systemd.service(name="Keep the collector running", service="primetime-collector", running=True, enabled=True)
