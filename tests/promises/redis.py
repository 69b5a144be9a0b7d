"""How the promises of Redis are broken."""

from tests.promises.breaking import CONVERGED, KEPT, Break, as_root, changed, commanded, mode, moved

FOLDER = "/etc/primetime/redis"
WRITTEN = f"redis: {CONVERGED}Write Redis' users"
USERS = (WRITTEN, f"redis: {CONVERGED}Load Redis' changed users")


def configured(edit: str) -> Break:
    """Restart it on a copy of its configuration with this edit."""
    copy = f"{KEPT}/redis.conf"
    files = f"mkdir -p {KEPT}; cp -a {FOLDER}/redis.conf {copy}; sed -i '{edit}' {copy}"
    return commanded("primetime-redis", f"s#{FOLDER}/redis.conf#{copy}#", files=files)


def allowed(user: str, words: str, *also: str) -> Break:
    """Give one of its users other rights."""
    edit = f"s/^user {user} .*/& {words}/"
    return changed(f"{FOLDER}/users.acl", edit, *USERS, *also, reload="systemctl reload primetime-redis")


BREAKS = {
    "it answers ping": allowed("controller", "-ping"),
    "it refuses writes rather than forget counts": configured("s/noeviction/allkeys-lru/"),
    "its memory is bounded as declared": configured("s/^maxmemory .*/maxmemory 50mb/"),
    "it appends to disk": configured("s/^appendonly yes/appendonly no/"),
    "it refuses who does not log in": allowed("default", "on nopass", "redis: its default user is off"),
    "its default user is off": allowed("default", "on nopass", "redis: it refuses who does not log in"),
    "each role logs in and does its work": allowed(
        "monitoring", "-info", "redis/exporter: it shows what redis says to monitoring"
    ),
    "no role can do what it must not": allowed("monitoring", "+flushall"),
    "it keeps no password but its hash": mode(f"{FOLDER}/users.acl", "644", "640", *USERS),
    "it runs as its own user": as_root("redis", "/var/lib/primetime-redis", "redis"),
    "the distribution's redis stays off": Break(
        "systemctl start redis-server",
        "systemctl stop redis-server",
        (f"redis: {CONVERGED}Stop the distribution's Redis",),
    ),
    "is as converged": mode(
        f"{FOLDER}/redis.conf",
        "644",
        "640",
        f"redis: {CONVERGED}Write redis.conf",
        f"redis: {CONVERGED}Restart Redis on its new configuration",
    ),
}

PASSWORDS = f"{FOLDER}/exporter.json"
BY_EXPORTER = (
    f"redis/exporter: {CONVERGED}Write the exporter's password for Redis",
    f"redis/exporter: {CONVERGED}Restart Redis' exporter on its new password or unit",
)
AGAIN = "systemctl restart primetime-redis-exporter"

EXPORTER = {
    "http listens where declared (port 9121)": moved("primetime-redis-exporter", 9121),
    "it shows what redis says to monitoring": changed(
        PASSWORDS, 's/: "/&stranger/g', *BY_EXPORTER, "redis/exporter: it keeps its password to itself", reload=AGAIN
    ),
    "it keeps its password to itself": mode(PASSWORDS, "444", "400", *BY_EXPORTER),
    "is as converged": changed(PASSWORDS, "$ a # by hand", *BY_EXPORTER),
}
