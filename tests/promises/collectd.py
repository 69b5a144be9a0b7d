"""How the promises of collectd and its agents are broken."""

from tests.promises.breaking import CONVERGED, Break, changed, overridden, stopped

PROGRAM = "/opt/primetime/collectd-receiver/receiver"
AGENT_CONFIG = "/etc/primetime/collectd-agent/agent.conf"
RESTART, RESTART_AGENT = "systemctl restart primetime-collectd-receiver", "systemctl restart primetime-collectd-agent"
ALSO = (
    f"collectd/receiver: {CONVERGED}Install the receiver",
    f"collectd/receiver: {CONVERGED}Restart collectd's receiver on its new program or unit",
)
AGENT_ALSO = (
    f"collectd/agent: {CONVERGED}Write what the agent reads and whom it writes to",
    f"collectd/agent: {CONVERGED}Restart collectd's agent on its new configuration",
)
# Prometheus keeps the last figure of what is silent for five minutes
ARRIVING = (
    "*: collectd/receiver: each host's figures arrive",
    "*: collectd/receiver: prometheus has each host's figures",
)

RECEIVER = {
    "primetime-collectd-receiver is running": stopped(
        "collectd/receiver", "primetime-collectd-receiver", "collectd/receiver: *"
    ),
    "each host's figures arrive": changed(PROGRAM, 's/"host", /"guest", /', *ALSO, *ARRIVING, reload=RESTART),
    "it has room for every figure": changed(
        PROGRAM, "s/Figures(keep_s, most)/Figures(keep_s, 5)/", *ALSO, *ARRIVING, reload=RESTART
    ),
    "it understands what agents write": changed(
        PROGRAM, 's/int(at)$/int(at) if "load" not in name else int("")/', *ALSO, *ARRIVING, reload=RESTART
    ),
    "prometheus has each host's figures": changed(
        PROGRAM, 's/f"collectd_{re/f"collected_{re/', *ALSO, *ARRIVING, reload=RESTART
    ),
    "it runs as its own user": overridden(
        "primetime-collectd-receiver", "printf '%s\\n' User=root Group=root CapabilityBoundingSet=CAP_DAC_OVERRIDE"
    ),
    "is as converged": changed(PROGRAM, "$ a # by hand", *ALSO),
}

AGENT = {
    "primetime-collectd-agent is running": stopped("collectd/agent", "primetime-collectd-agent", *ARRIVING),
    "it runs as the agent's user": overridden(
        "primetime-collectd-agent", "printf '%s\\n' User=root Group=root CapabilityBoundingSet=CAP_DAC_OVERRIDE"
    ),
    "its plugins are there": Break(
        "mv /usr/lib/collectd/uptime.so /usr/lib/collectd/uptime.broken",
        "mv /usr/lib/collectd/uptime.broken /usr/lib/collectd/uptime.so",
    ),
    "the distribution's collectd stays off": Break(
        "rm /etc/systemd/system/collectd.service && systemctl daemon-reload",
        "ln -s /dev/null /etc/systemd/system/collectd.service && systemctl daemon-reload",
        (f"collectd/agent: {CONVERGED}Mask the distribution's collectd",),
    ),
    "is as converged": changed(AGENT_CONFIG, "$ a # by hand", *AGENT_ALSO),
}
