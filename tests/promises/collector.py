"""How the promises of the collector are broken."""

from tests.promises.breaking import CONVERGED, Break, changed, limited, mode, overridden, process

CONF = "/etc/primetime/collector"
SPOOL = "/var/spool/primetime"
RELOAD = "systemctl reload primetime-collector"
RESTART = f"collector: {CONVERGED}Restart the collector on its new configuration"
NGINX = (f"collector: {CONVERGED}Write nginx.conf", RESTART)
LUA = (f"collector: {CONVERGED}Copy the Lua modules", RESTART)

BREAKS = {
    "it lives": changed(f"{CONF}/nginx.conf", "s#= /live#= /alive#", *NGINX, reload=RELOAD),
    "it takes traffic": changed(f"{CONF}/nginx.conf", "s#= /ready#= /not-ready#", *NGINX, reload=RELOAD),
    "it says what is wrong with a batch": changed(
        f"{CONF}/lua/collector/scanner.lua", "s/has no /lacks /", *LUA, reload=RELOAD
    ),
    "it knows the declared shows only": changed(
        f"{CONF}/lua/collector/config.lua",
        's/shows = {/shows = { "not-declared",/',
        f"collector: {CONVERGED}Write the Lua modules' settings",
        RESTART,
        reload=RELOAD,
    ),
    "its metrics count what it answers": changed(
        f"{CONF}/lua/collector/counters.lua", "s/up(requests.route., ngx.status)//", *LUA, reload=RELOAD
    ),
    "its metrics know the spool": changed(
        f"{CONF}/lua/collector/lookout.lua", "s/^    looking = true$/    do return end/", *LUA, reload=RELOAD
    ),
    "its configuration is valid": changed(f"{CONF}/nginx.conf", "$ a nonsense;", *NGINX),
    "it has as many workers as declared": changed(
        f"{CONF}/nginx.conf", "s/^worker_processes .*/worker_processes 1;/", *NGINX, reload=RELOAD
    ),
    "all of it runs as its own user": overridden(
        "primetime-collector",
        "printf '%s\\n' User=www-data Group=primetime-spool",
        "collector: its configuration is valid",
        "collector: it takes traffic",
        after=f"chown -R collector {SPOOL}",
    ),
    "it goes before what drains the spool": process("collector", "renice -n 0 -p $PID", "renice -n -5 -p $PID"),
    "a worker may open as many files as it has connections": Break(
        limited("primetime-collector", "1000:1000"),
        "systemctl restart primetime-collector",
        ("collector: primetime-collector may open as many files as it asks for",),
    ),
    # lazily: what was opened meanwhile, a segment in its turn, is the same file without the mount
    "the spool is on the volume that was made for it": Break(f"mount --bind {SPOOL} {SPOOL}", f"umount -l {SPOOL}"),
    "the spool is the collector's and open to its group": mode(
        SPOOL, "2775", "2770", f"collector: {CONVERGED}Make the spool: *", f"shipper: {CONVERGED}Make the spool where *"
    ),
    "the spool has a ulid": changed(f"{SPOOL}/spool.ulid", "$ a\\\\"),
    "the distribution's nginx stays off": Break(
        "rm /etc/systemd/system/nginx.service && systemctl daemon-reload",
        "ln -s /dev/null /etc/systemd/system/nginx.service && systemctl daemon-reload",
        (f"collector: {CONVERGED}Mask the distribution's nginx",),
    ),
    "is as converged": changed(f"{CONF}/nginx.conf", "$ a # by hand", *NGINX),
}
