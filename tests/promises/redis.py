"""How the promises of Redis are broken."""

from roles.redis.settings import Redis
from tests.promises.breaking import CONVERGED, Break, as_root, mode

CLI = f"redis-cli -h $(hostname -I | cut -d' ' -f1) -p {Redis().port}"


def told(wrong: str, right: str, *also: str) -> Break:
    """Tell the running server something else than its file says."""
    return Break(f"{CLI} {wrong} | grep OK", f"{CLI} {right} | grep OK", also)


BREAKS = {
    "it answers ping": told("acl setuser default -ping", "acl setuser default +ping"),
    "it refuses writes rather than forget counts": told(
        "config set maxmemory-policy allkeys-lru", "config set maxmemory-policy noeviction"
    ),
    "its memory is bounded as declared": told(
        "config set maxmemory 50mb", f"config set maxmemory {Redis().maxmemory_mb}mb"
    ),
    "it appends to disk": told("config set appendonly no", "config set appendonly yes"),
    "it runs as its own user": as_root("redis", "/var/lib/primetime-redis", "redis"),
    "the distribution's redis stays off": Break(
        "systemctl start redis-server",
        "systemctl stop redis-server",
        (f"redis: {CONVERGED}Stop the distribution's Redis",),
    ),
    "is as converged": mode(
        "/etc/primetime/redis/redis.conf",
        "644",
        "640",
        f"redis: {CONVERGED}Write redis.conf",
        f"redis: {CONVERGED}Restart Redis on its new configuration",
    ),
}
