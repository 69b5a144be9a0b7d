"""How the promises of the balancer are broken."""

from tests.promises.breaking import CONVERGED, Break, changed, overridden

CONFIG = "/etc/primetime/balancer/haproxy.cfg"
RELOAD = "systemctl reload primetime-balancer"
WRITTEN = f"balancer: {CONVERGED}Write haproxy.cfg"
LOADED = f"balancer: {CONVERGED}Load the balancer's changed configuration"

BREAKS = {
    "it passes on to a collector": changed(
        CONFIG, "s/^    use_backend .*//; /^backend none_is_ready/,$ s/:8080$/:8079/", WRITTEN, LOADED, reload=RELOAD
    ),
    "every collector is ready to be passed to": changed(CONFIG, "s#/ready#/nothing#", WRITTEN, LOADED, reload=RELOAD),
    "its configuration is valid": changed(CONFIG, "$ a nonsense", WRITTEN, LOADED),
    "all of it runs as its own user": overridden(
        "primetime-balancer",
        "printf '%s\\n' User=root Group=root 'CapabilityBoundingSet=CAP_DAC_OVERRIDE CAP_NET_BIND_SERVICE'",
        after="rm -rf /run/primetime-balancer",
    ),
    "the distribution's haproxy stays off": Break(
        "rm /etc/systemd/system/haproxy.service && systemctl daemon-reload",
        "ln -s /dev/null /etc/systemd/system/haproxy.service && systemctl daemon-reload",
        (f"balancer: {CONVERGED}Mask the distribution's HAProxy",),
    ),
    "is as converged": changed(CONFIG, "$ a # by hand", WRITTEN, LOADED),
}
