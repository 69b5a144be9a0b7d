"""How the promises of Nagios are broken."""

from tests.promises.breaking import CONVERGED, Break, changed, mode, overridden, stopped

FOLDER, WEB = "/etc/primetime/nagios", "/etc/primetime/nagios-web"
PEM = f"{WEB}/certificate.pem"
OBJECTS = f"{FOLDER}/objects.cfg"
RESTART, RESTART_WEB = "systemctl restart primetime-nagios", "systemctl restart primetime-nagios-web"
WRITTEN = (
    f"nagios: {CONVERGED}Write what Nagios checks",
    f"nagios: {CONVERGED}Restart Nagios on its new configuration",
)
WEB_RESTARTED = f"nagios: {CONVERGED}Restart Nagios' page on its new configuration"
PAGE = (f"nagios: {CONVERGED}Write lighttpd.conf", WEB_RESTARTED)
MADE = (f"nagios: {CONVERGED}Make a certificate that nobody else has signed", WEB_RESTARTED)
USERS = (f"nagios: {CONVERGED}Write who may see Nagios' page", WEB_RESTARTED)
SHOWN = tuple(
    f"nagios: {promise}"
    for promise in (
        "it knows every host",
        "its checks are of what hosts declare",
        "what listens is shown as well",
        "who has the password sees what is checked",
    )
)
ASKED = (*SHOWN, "nagios: nobody gets in without the password", "nagios: nobody changes anything by its page")

BREAKS = {
    "primetime-nagios is running": stopped("nagios", "primetime-nagios", *SHOWN),
    "primetime-nagios-web is running": stopped("nagios", "primetime-nagios-web", *ASKED),
    "https listens where declared (port 8443)": Break(
        "for _ in $(seq 8); do ss -K -ltn sport = :8443; done",
        RESTART_WEB,
        (*ASKED, "nagios: primetime-nagios-web is running", f"nagios: {CONVERGED}Keep *"),
    ),
    "its configuration is valid": changed(OBJECTS, "$ a nonsense", *WRITTEN),
    "it knows every host": changed(
        OBJECTS,
        "$ a define host {\\n    use node\\n    host_name stranger\\n    address 127.0.0.1\\n}",
        *WRITTEN,
        reload=RESTART,
    ),
    "its checks are of what hosts declare": changed(
        OBJECTS,
        "s/service_description  /&stranger /",
        *WRITTEN,
        "nagios: what listens is shown as well",
        reload=RESTART,
    ),
    "what listens is shown as well": changed(
        OBJECTS, "s/check_command        tcp![0-9]*/check_command tcp!1/", *WRITTEN, reload=RESTART
    ),
    "nobody gets in without the password": changed(
        f"{WEB}/lighttpd.conf", "s/^auth.require = .*/auth.require = ()/", *PAGE, *SHOWN, reload=RESTART_WEB
    ),
    "who has the password sees what is checked": changed(
        f"{WEB}/lighttpd.conf", "s/status.cgi?host=all/status.cgi?host=nobody/", *PAGE, reload=RESTART_WEB
    ),
    "nobody changes anything by its page": changed(
        f"{WEB}/lighttpd.conf", 's/url.access-deny = .*/url.access-deny = ( ".php" )/', *PAGE, reload=RESTART_WEB
    ),
    "its certificate lasts another week": Break(
        f"cp -p {PEM} /run/broken-certificate.pem && cd $(mktemp -d) && openssl req -x509 -newkey ec -pkeyopt "
        "ec_paramgen_curve:P-256 -nodes -keyout key -out certificate -days 3 -subj /CN=x "
        f"-addext subjectAltName=IP:127.0.0.1 2>/dev/null && cat certificate key > {PEM} && {RESTART_WEB}",
        f"cat /run/broken-certificate.pem > {PEM} && {RESTART_WEB}",
        (*MADE, *ASKED),
    ),
    "the key of its certificate is its page's alone": mode(PEM, "440", "400", *MADE),
    "it keeps no password but its hash": changed(f"{WEB}/users", "$ a stranger:x", *USERS),
    "it and its page run as their own users": overridden(
        "primetime-nagios-web",
        "printf '%s\\n' User=root Group=root 'CapabilityBoundingSet=CAP_DAC_OVERRIDE'",
    ),
    "the configuration of its page is valid": changed(f"{WEB}/lighttpd.conf", "$ a nonsense", *PAGE),
    "the distribution's units stay off": Break(
        "rm /etc/systemd/system/lighttpd.service && systemctl daemon-reload",
        "ln -s /dev/null /etc/systemd/system/lighttpd.service && systemctl daemon-reload",
        (f"nagios: {CONVERGED}Mask the distribution's lighttpd",),
    ),
    "is as converged": changed(
        f"{FOLDER}/nagios.cfg", "$ a # by hand", f"nagios: {CONVERGED}Write nagios.cfg", WRITTEN[1]
    ),
}
