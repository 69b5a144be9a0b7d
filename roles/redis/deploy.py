"""Redis: Debian's server under a unit and a configuration of ours."""

import json

from pyinfra.api import deploy
from pyinfra.operations import apt, files, systemd

from primetime import here, units
from primetime.operations import rendered, secret_file, system_user
from primetime.pending import load_due, reload_due, restart_due
from primetime.secrets.value import Value
from roles.redis.settings import Redis, RedisExporter

DATA = "/var/lib/primetime-redis"
CONFIG = "/etc/primetime/redis/redis.conf"
USERS = "/etc/primetime/redis/users.acl"
SCRIPT = "/etc/primetime/redis/users"
PASSWORDS = "/etc/primetime/redis/exporter.json"
LOADED = "/run/primetime-redis/users.acl"  # what SCRIPT makes of USERS


@deploy("Redis")
def redis() -> None:
    settings = here.mine(Redis)
    apt.packages(name="Install Redis", packages=here.packages(Redis))
    systemd.service(name="Stop the distribution's Redis", service="redis-server", running=False, enabled=False)
    config = files.template(
        name="Write redis.conf",
        src="templates/redis/redis.conf.j2",
        dest=CONFIG,
        user="redis",
        group="redis",
        mode="640",
        redis=settings,
        address=here.address(),
        maxmemory_mb=settings.bound_mb(*here.memory()),
    )
    users = secret_file(
        name="Write Redis' users",
        content=rendered("templates/redis/users.acl.j2", **_hashes()),
        dest=USERS,
        group="redis",
        mode="640",
    )
    script = files.template(
        name="Write what gives Redis its users",
        src="templates/redis/users.sh.j2",
        dest=SCRIPT,
        mode="755",
        users=USERS,
        redis=settings,
        address=here.address(),
    )
    unit = files.template(
        name="Write the Redis unit",
        src="templates/redis/primetime-redis.service.j2",
        dest="/etc/systemd/system/primetime-redis.service",
        mode="644",
        data=DATA,
        redis=settings,
        within=here.network(),
        script=SCRIPT,
    )
    files.directory(name="Make the data folder", path=DATA, user="redis", group="redis", mode="750")
    systemd.daemon_reload(name="Read the changed Redis unit", _if=reload_due("primetime-redis", unit))
    systemd.service(
        name="Restart Redis on its new configuration",
        service="primetime-redis",
        restarted=True,
        _if=restart_due("primetime-redis", config, unit, script, reads=CONFIG),
    )
    systemd.service(name="Keep Redis running", service="primetime-redis", running=True, enabled=True)
    due = load_due(users, reads=USERS, loaded=LOADED)
    systemd.service(name="Load Redis' changed users", service="primetime-redis", reloaded=True, _if=due)


def _hashes() -> dict[str, str]:
    """User → the SHA-256 of its password."""
    return {user: here.secret(f"redis_{user}").sha256 for user in ("shipper", "monitoring", "controller")}


@deploy("Redis exporter")
def redis_exporter() -> None:
    settings, service = here.mine(RedisExporter), "primetime-redis-exporter"
    apt.packages(name="Install Redis' exporter", packages=here.packages(RedisExporter))
    systemd.service(name="Stop the distribution's exporter", service=settings.packages[0], running=False, enabled=False)
    system_user(name="Make the user of Redis' exporter", user="redis-exporter")
    passwords = secret_file(
        name="Write the exporter's password for Redis",
        content=_passwords(f"{here.address()}:{here.mine(Redis).port}"),
        dest=PASSWORDS,
        user="redis-exporter",
        group="redis-exporter",
        mode="400",
    )
    units.keep(
        service,
        "Redis' exporter",
        passwords,
        src=f"templates/redis/{service}.service.j2",
        new="password or unit",
        reads=PASSWORDS,
        exporter=settings,
        redis=here.mine(Redis),
        address=here.address(),
        passwords=PASSWORDS,
        within=here.network(),
    )


def _passwords(at: str) -> Value:
    """As the exporter looks for the password of the user that it is given: later ones put the user in front."""
    password = here.secret("redis_monitoring").text
    return Value(PASSWORDS, json.dumps({f"redis://{at}": password, f"redis://monitoring@{at}": password}))
