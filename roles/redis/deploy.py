"""Redis: Debian's server under a unit and a configuration of ours."""

from pyinfra.api import deploy
from pyinfra.operations import apt, files, systemd

from primetime import here
from primetime.pending import reload_due, restart_due
from roles.redis.settings import Redis

DATA = "/var/lib/primetime-redis"


@deploy("Redis")
def redis() -> None:
    settings = here.mine(Redis)
    apt.packages(name="Install Redis", packages=list(settings.packages))
    systemd.service(name="Stop the distribution's Redis", service="redis-server", running=False, enabled=False)
    config = files.template(
        name="Write redis.conf",
        src="templates/redis/redis.conf.j2",
        dest="/etc/primetime/redis/redis.conf",
        user="redis",
        group="redis",
        mode="640",
        redis=settings,
        address=here.address(),
    )
    unit = files.template(
        name="Write the Redis unit",
        src="templates/redis/primetime-redis.service.j2",
        dest="/etc/systemd/system/primetime-redis.service",
        mode="644",
        data=DATA,
        within=here.network(),
    )
    files.directory(name="Make the data folder", path=DATA, user="redis", group="redis", mode="750")
    systemd.daemon_reload(name="Read the changed Redis unit", _if=reload_due("primetime-redis", unit))
    systemd.service(
        name="Restart Redis on its new configuration",
        service="primetime-redis",
        restarted=True,
        _if=restart_due("primetime-redis", config, unit, reads="/etc/primetime/redis"),
    )
    systemd.service(name="Keep Redis running", service="primetime-redis", running=True, enabled=True)
