"""How the promises of collectd and its agents are broken."""

from tests.promises.breaking import CONVERGED, UNDECLARED, Break, changed, mode, overridden, stopped

FOLDER, DATA = "/etc/primetime/collectd-receiver", "/var/lib/primetime-collectd-receiver"
CONFIG = f"{FOLDER}/receiver.conf"
AGENT_CONFIG = "/etc/primetime/collectd-agent/agent.conf"
RESTART, RESTART_AGENT = "systemctl restart primetime-collectd-receiver", "systemctl restart primetime-collectd-agent"
ALSO = (
    f"collectd/receiver: {CONVERGED}Write what the receiver does",
    f"collectd/receiver: {CONVERGED}Restart collectd's receiver on its new configuration",
)
AGENT_ALSO = (
    f"collectd/agent: {CONVERGED}Write what the agent sends to whom",
    f"collectd/agent: {CONVERGED}Restart collectd's agent on its new configuration",
)
ARRIVING = (
    "*: collectd/receiver: each host's figures arrive and are fresh",
    "*: collectd/receiver: it takes nothing that is not encrypted",
)
PLAIN = changed(CONFIG, "s/SecurityLevel Encrypt/SecurityLevel None/", *ALSO, reload=RESTART)

RECEIVER = {
    "primetime-collectd-receiver is running": stopped("collectd/receiver", "primetime-collectd-receiver", *ARRIVING),
    "network listens where declared (port 25826)": changed(
        CONFIG, 's/"25826"/"25827"/', *ALSO, *ARRIVING, UNDECLARED, reload=RESTART
    ),
    "each host's figures arrive and are fresh": changed(
        f"{FOLDER}/users",
        "s/^agents: /&another/",
        f"collectd/receiver: {CONVERGED}Write whose figures it takes",
        ALSO[1],
        *ARRIVING,
        reload=RESTART,
    ),
    "it takes nothing that is not encrypted": Break(PLAIN.how, f"{PLAIN.mend} && rm -rf {DATA}/stranger", PLAIN.also),
    "its files reach back as far as declared": changed(
        CONFIG,
        "/RRATimespan 2678400/d",
        *ALSO,
        *ARRIVING,
        reload=f"systemctl stop primetime-collectd-receiver; find {DATA} -name '*.rrd' -delete; {RESTART}",
    ),
    "what it keeps is its own": mode(
        DATA, "755", "750", f"collectd/receiver: {CONVERGED}Make the folder of all figures"
    ),
    "it runs as its own user": overridden(
        "primetime-collectd-receiver",
        "printf '%s\\n' User=root Group=root CapabilityBoundingSet=CAP_DAC_OVERRIDE",
        after=f"chown -R collectd-receiver:collectd-receiver {DATA}",
    ),
    "the distribution's collectd stays off": Break(
        "rm /etc/systemd/system/collectd.service && systemctl daemon-reload",
        "ln -s /dev/null /etc/systemd/system/collectd.service && systemctl daemon-reload",
        (
            f"collectd/receiver: {CONVERGED}Mask the distribution's collectd",
            f"collectd/agent: {CONVERGED}Mask the distribution's collectd",
        ),
    ),
    "is as converged": changed(CONFIG, "$ a # by hand", *ALSO),
}

AGENT = {
    "primetime-collectd-agent is running": stopped("collectd/agent", "primetime-collectd-agent", *ARRIVING),
    "it keeps the secret to itself": mode(AGENT_CONFIG, "644", "640", *AGENT_ALSO),
    "it runs as the agent's user": overridden(
        "primetime-collectd-agent", "printf '%s\\n' User=root Group=root CapabilityBoundingSet=CAP_DAC_OVERRIDE"
    ),
    "its plugins are there": Break(
        "mv /usr/lib/collectd/uptime.so /usr/lib/collectd/uptime.broken",
        "mv /usr/lib/collectd/uptime.broken /usr/lib/collectd/uptime.so",
    ),
    "is as converged": changed(AGENT_CONFIG, "$ a # by hand", *AGENT_ALSO),
}
